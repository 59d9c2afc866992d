"""`GET /audit`: what people asked the API to change."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from archival_core.api import problems
from archival_core.api.management.requests.audited import Audited
from archival_core.api.management.requests.fields import ANY, Limit
from archival_core.api.services import Current
from archival_core.errors import PermanentError
from archival_core.model.asking.audit_entry import AuditEntry
from archival_core.model.chunks.chunk import Relation

router = APIRouter(tags=["source"], route_class=Audited)


class AuditView(BaseModel):
    """One request that was to change something."""

    entry: int
    at: datetime
    who: str = Field(description="the principal that the platform signed in, or `function key`")
    action: str = Field(examples=["POST /jobs/{job_id}/retry"])
    asked: dict[str, Any] = Field(description="what the address named, and the body")
    outcome: str | None = Field(description="`done`, or the code of the error; null while it is under way, and after a crash")
    jobs: int = Field(description="how many jobs it made or changed; `GET /jobs` with `audit` lists them")
    hypertable: str | None = Field(description="that it named, as other answers write it; null if it named none")
    chunk: str | None = Field(description="likewise")


class AuditPage(BaseModel):
    """A page of the audit, newest first."""

    entries: list[AuditView]
    next: int | None = Field(description="`before` of the next page; null at the end")


@router.get("/audit", responses=problems.documented(*ANY))
async def list_audit(
    services: Current,
    before: Annotated[int | None, Query(ge=1, le=2**62, description="`next` of the page before")] = None,
    text: Annotated[
        str | None,
        Query(min_length=1, max_length=200, description="only where who, the action or what was asked for has this in it"),
    ] = None,
    limit: Limit = 50,
) -> AuditPage:
    """Who asked for which change, and what came of it, newest first. Dry runs leave no line."""
    found = await services.audit.page(before, limit + 1, text)
    shown = found[:limit]
    return AuditPage(
        entries=[_view(entry) for entry in shown],
        next=shown[-1].entry if len(found) > limit else None,
    )


def _view(entry: AuditEntry) -> AuditView:
    return AuditView(**asdict(entry), hypertable=_table(entry.asked.get("hypertable")), chunk=_table(entry.asked.get("chunk")))


def _table(asked: object) -> str | None:
    """A name as it was asked for, which may lack its schema; `None` for what is no name."""
    try:
        return str(Relation.parse(asked)) if isinstance(asked, str) else None
    except PermanentError:
        return None
