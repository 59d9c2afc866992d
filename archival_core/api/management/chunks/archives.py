"""`POST /archives`: chunks by name, by age or by time become jobs."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import APIRouter, Response
from fastapi import Body as BodyParameter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, StrictBool, model_validator

from archival_core.api import problems
from archival_core.api.management.chunks.asked_jobs import asked_jobs
from archival_core.api.management.jobs.job_view import JobsView
from archival_core.api.management.requests.audited import Audited
from archival_core.api.management.requests.fields import (
    WITH_BODY,
    Body,
    Bound,
    Caller,
    IdempotencyKey,
    TableName,
    Trace,
)
from archival_core.api.services import Current
from archival_core.flows.asking.archive_requests import ArchiveWish, WantedChunk
from archival_core.model.chunks.chunk import Relation

router = APIRouter(tags=["archives"], route_class=Audited)

_EXAMPLES = {
    "chunk": {
        "summary": "one chunk",
        "value": {"hypertable": "public.conditions", "chunk": "_timescaledb_internal._hyper_1_1_chunk"},
    },
    "older_than": {
        "summary": "every chunk that ends by then, removed from the database afterwards",
        "value": {"hypertable": "public.conditions", "older_than": "2026-01-01T00:00:00Z", "remove": True},
    },
    "range": {
        "summary": "what a time range would archive: nothing is recorded",
        "value": {
            "hypertable": "public.conditions",
            "from": "2025-01-01T00:00:00Z",
            "to": "2026-01-01T00:00:00Z",
            "dry_run": True,
        },
    },
}


class ArchivesAsked(Body):
    """Which chunks: one of `chunk`, `older_than`, or `to` with or without `from`."""

    hypertable: TableName
    chunk: TableName | None = None
    older_than: Bound | None = Field(default=None, description="every chunk that ends by then")
    since: Bound | None = Field(default=None, alias="from", description="of `to`: only chunks that begin no earlier")
    until: Bound | None = Field(default=None, alias="to", description="every chunk that ends by then")
    remove: StrictBool | None = Field(default=None, description="drop the chunks afterwards; null leaves it to the policy")
    force: StrictBool = Field(default=False, description="archive again, as a new revision, what is archived already")
    dry_run: StrictBool = Field(default=False, description="say what would be archived, and record nothing")

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [self.chunk is not None, self.older_than is not None, self.until is not None or self.since is not None]
        if sum(given) != 1:
            raise ValueError("give one of chunk, older_than, or from and to")
        if self.since is not None:
            if self.until is None:
                raise ValueError("from needs to: where does the range end?")
            if isinstance(self.since, int) is not isinstance(self.until, int):
                raise ValueError("from and to are of one kind: times, or integers")
        return self

    def wish(self) -> ArchiveWish:
        """For the flow."""
        return ArchiveWish(
            hypertable=Relation.parse(self.hypertable),
            chunk=Relation.parse(self.chunk) if self.chunk is not None else None,
            since=self.since,
            until=self.older_than if self.older_than is not None else self.until,
            remove=self.remove,
            force=self.force,
        )


class WantedChunkView(BaseModel):
    """A chunk that would be archived."""

    chunk: str = Field(examples=["_timescaledb_internal._hyper_1_1_chunk"])
    range_start: str | None = Field(examples=["2026-01-01T00:00:00Z"])
    range_end: str | None = Field(examples=["2026-01-08T00:00:00Z"])
    rows_estimated: int | None = Field(description="by the database's statistics; null where they do not tell")
    bytes: int | None = Field(description="on disk, indexes included; null if it is gone meanwhile")


class DryRun(BaseModel):
    """What would be archived; a chunk that is archived already is among it, and would be skipped without `force`."""

    chunks: list[WantedChunkView]
    rows_estimated: int = Field(examples=[6048000])
    bytes: int = Field(examples=[805306368])


@router.post(
    "/archives",
    status_code=202,
    response_model=JobsView,
    response_description="a job for each chunk; `skipped` says which one it would have doubled",
    responses={
        200: {"model": DryRun, "description": "of a dry run: what would be archived"},
        **problems.documented(404, 409, *WITH_BODY),
    },
)
async def ask_for_archives(
    asked: Annotated[ArchivesAsked, BodyParameter(openapi_examples=_EXAMPLES)],
    services: Current,
    caller: Caller,
    trace: Trace,
    key: IdempotencyKey = None,
) -> JobsView | Response:
    """Archive chunks: one job each. With `dry_run`, say which and how much, and record nothing."""
    wish = asked.wish()
    if asked.dry_run:
        found = _dry_run(await services.archive_requests.preview(wish))
        return JSONResponse(found.model_dump(mode="json"))
    return await asked_jobs(
        services,
        key,
        "archives",
        asked,
        lambda request_key: services.archive_requests.request(wish, request_key, caller, trace),
    )


def _dry_run(chunks: list[WantedChunk]) -> DryRun:
    return DryRun(
        chunks=[
            WantedChunkView(
                chunk=str(wanted.chunk.relation),
                range_start=wanted.chunk.range.start,
                range_end=wanted.chunk.range.end,
                rows_estimated=wanted.rows,
                bytes=wanted.bytes,
            )
            for wanted in chunks
        ],
        rows_estimated=sum(wanted.rows or 0 for wanted in chunks),
        bytes=sum(wanted.bytes or 0 for wanted in chunks),
    )
