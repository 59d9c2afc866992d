"""`GET /chunks/why`: why a chunk is where it is, and when that changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field

from archival_core.api import problems
from archival_core.api.management.chunks.chunk_view import ChunkView, chunk_view
from archival_core.api.management.chunks.policies import PolicyView, policy_view
from archival_core.api.management.jobs.job_view import JobView, view
from archival_core.api.management.requests.audited import Audited
from archival_core.api.management.requests.fields import ANY, TableName, bound_text
from archival_core.api.services import Current
from archival_core.flows.insight import outlook
from archival_core.model.chunks.chunk import Relation
from archival_core.model.insight.next_step import Because, Step

router = APIRouter(tags=["chunks"], route_class=Audited)

_JOBS = 50
#: RFC 3339 in UTC afterwards, or digits.
At = Annotated[str, AfterValidator(bound_text)]


class ReasonView(BaseModel):
    """Chunks of the hypertable that wait for the same: where an error holds them up, those with its code."""

    because: Because
    step: Step
    chunks: int
    bytes: int = Field(description="in the database now")
    first_at: datetime | None = Field(description="when the first of them goes on; null for at once, or never")
    example: ChunkView = Field(description="the first of them")


class WhyView(BaseModel):
    """Why chunks are where they are. Times are by the ledger's clock, as of `now`."""

    hypertable: str
    now: datetime
    policy: PolicyView | None = Field(description="null: it has none")
    removal_grace: timedelta = Field(description="the least time between archive and removal", examples=["P1D"])
    removal_by_default: bool = Field(description="whether archived chunks go where neither a request nor a policy says so")
    paused: str | None = Field(description="why the intake is paused, empty without a reason; null while it is not")
    chunks: list[ChunkView] = Field(description="the one of `chunk`, or those that cover `at`; empty without either")
    jobs: list[JobView] = Field(description="of `chunk`, the newest first; empty without it")
    reasons: list[ReasonView] = Field(description="of all chunks of the hypertable, where neither `chunk` nor `at` is given")


@router.get("/chunks/why", responses=problems.documented(404, *ANY))
async def why(
    services: Current,
    hypertable: Annotated[TableName, Query()],
    chunk: Annotated[TableName | None, Query(description="with or without its schema")] = None,
    at: Annotated[
        At | None, Query(max_length=64, description="a time, or an integer for integer time", examples=["2026-01-06T00:00:00Z"])
    ] = None,
) -> WhyView:
    """What happens next, when, and why not sooner: to one chunk, to what covers a time, or to the whole hypertable.

    Where both are given, `chunk` counts.
    """
    table = Relation.parse(hypertable)
    bound = int(at) if at is not None and at.lstrip("-").isdigit() else at
    found = await services.chunks.explain(table, Relation.parse(chunk) if chunk is not None else None, bound)
    asked = chunk is not None or at is not None
    jobs = await services.chunks.jobs_of(table, found.chunks[0].state.chunk, _JOBS) if chunk is not None else []
    return WhyView(
        hypertable=hypertable,
        now=found.rules.now,
        policy=policy_view(found.rules.policy) if found.rules.policy else None,
        removal_grace=found.rules.grace,
        removal_by_default=found.rules.drop_by_default,
        paused=found.rules.paused,
        chunks=[chunk_view(one) for one in found.chunks] if asked else [],
        jobs=[view(job) for job in jobs],
        reasons=[
            ReasonView(
                because=reason.because,
                step=reason.step,
                chunks=reason.chunks,
                bytes=reason.bytes,
                first_at=reason.first_at,
                example=chunk_view(reason.example),
            )
            for reason in ([] if asked else outlook.reasons(found.chunks))
        ],
    )
