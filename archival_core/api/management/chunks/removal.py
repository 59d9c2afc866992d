"""`POST /chunks/removal`: whether an archived chunk leaves the database."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter
from fastapi import Body as BodyParameter
from pydantic import BaseModel, Field, StrictBool

from archival_core.api import problems
from archival_core.api.management.chunks.chunk_view import ChunkView, chunk_view
from archival_core.api.management.requests.audited import Audited
from archival_core.api.management.requests.fields import WITH_BODY, Body, Caller, TableName
from archival_core.api.services import Current
from archival_core.flows.insight.outlook import ExpectedChunk
from archival_core.model.chunks.chunk import Relation
from archival_core.model.insight.next_step import next_step

router = APIRouter(tags=["chunks"], route_class=Audited)

_EXAMPLES = {
    "remove": {
        "summary": "remove it when the grace is over",
        "value": {"hypertable": "public.conditions", "chunk": "_timescaledb_internal._hyper_1_1_chunk", "remove": True},
    },
    "keep": {
        "summary": "keep it, whatever the policy says",
        "value": {"hypertable": "public.conditions", "chunk": "_timescaledb_internal._hyper_1_1_chunk", "remove": False},
    },
}


class RemovalAsked(Body):
    """Which chunk, and what is to become of it."""

    hypertable: TableName
    chunk: TableName
    remove: StrictBool | None = Field(description="false keeps it in the database; null leaves it to the policy")
    dry_run: StrictBool = Field(default=False, description="say what would happen next, and record nothing")


class RemovalView(BaseModel):
    """What happens next."""

    chunk: ChunkView
    refusal: str | None = Field(description="of a dry run: why it would be refused if it were to go now")


@router.post("/chunks/removal", responses=problems.documented(404, *WITH_BODY))
async def decide_removal(
    asked: Annotated[RemovalAsked, BodyParameter(openapi_examples=_EXAMPLES)], services: Current, caller: Caller
) -> RemovalView:
    """Say that an archived chunk is removed, or kept. It goes after the grace, and only if every proof of its archive holds."""
    hypertable = Relation.parse(asked.hypertable)
    found = await services.chunks.explain(hypertable, Relation.parse(asked.chunk))
    chunk = found.chunks[0].state.chunk
    if asked.dry_run:
        refusal = await services.removal_decisions.refusal(hypertable, chunk)
        meant = replace(found.chunks[0].state, remove=asked.remove, removal_error=None)
        shown = ExpectedChunk(meant, next_step(meant, found.rules))
        return RemovalView(chunk=chunk_view(shown), refusal=refusal if asked.remove is not False else None)
    await services.removal_decisions.decide(hypertable, chunk, remove=asked.remove, decided_by=caller)
    found = await services.chunks.explain(hypertable, Relation.parse(asked.chunk))
    return RemovalView(chunk=chunk_view(found.chunks[0]), refusal=None)
