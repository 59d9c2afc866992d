"""`POST /restores` and `/verifications`: what becomes of archives that are there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi import Body as BodyParameter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from archival_core.api import problems
from archival_core.api.management.chunks.asked_jobs import asked_jobs
from archival_core.api.management.jobs.job_view import JobsView
from archival_core.api.management.requests.audited import Audited
from archival_core.api.management.requests.fields import (
    ANY,
    WITH_BODY,
    Body,
    Bound,
    Caller,
    IdempotencyKey,
    Limit,
    TableName,
    Trace,
)
from archival_core.api.services import Current
from archival_core.errors import PermanentError
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.chunks.chunk import ChunkRange, Relation
from archival_core.model.jobs.job import Status
from archival_core.model.jobs.job_record import JobRecord
from archival_core.model.lake.finding import Problem

router = APIRouter(tags=["archives"], route_class=Audited)

_RESTORES = {
    "back": {
        "summary": "removed chunks of a time range, back into their hypertable",
        "value": {"hypertable": "public.conditions", "from": "2025-01-01T00:00:00Z", "to": "2025-02-01T00:00:00Z"},
    },
    "aside": {
        "summary": "one chunk, into a table of its own",
        "value": {
            "hypertable": "public.conditions",
            "chunk": "_timescaledb_internal._hyper_1_1_chunk",
            "into": "public.conditions_january",
        },
    },
    "all": {"summary": "everything that was removed", "value": {"hypertable": "public.conditions", "all": True}},
    "dry": {
        "summary": "what a restore of everything would bring back: nothing is recorded",
        "value": {"hypertable": "public.conditions", "all": True, "dry_run": True},
    },
}
_VERIFICATIONS = {
    "hypertable": {"summary": "every archive of a hypertable", "value": {"hypertable": "public.conditions"}},
    "job": {"summary": "one archive", "value": {"job_id": "0b9f7a52-5a0c-4c55-9d9e-6f0f5d3c7a10"}},
}


class RestoresAsked(Body):
    """Which archives (`chunk`, `from` and `to`, or `all`), and where to."""

    hypertable: TableName
    chunk: TableName | None = Field(default=None, description="only this chunk's archive")
    since: Bound | None = Field(default=None, alias="from", description="only archives that overlap the range")
    until: Bound | None = Field(default=None, alias="to")
    everything: StrictBool = Field(default=False, alias="all", description="every archive, instead of `chunk`, `from` or `to`")
    into: TableName | None = Field(default=None, description="a table of its own; without it the rows go back where they were")
    recreate: StrictBool = Field(default=False, description="make the hypertable again if it is gone")
    beside: StrictBool = Field(default=False, description="other rows may be in the archive's range")
    fire_triggers: StrictBool = Field(default=False, description="the table's own triggers fire for rows that come back")
    dry_run: StrictBool = Field(default=False, description="say what would be restored, and record nothing")

    @model_validator(mode="after")
    def _check(self) -> Self:
        bounds = [bound for bound in (self.since, self.until) if bound is not None]
        if len({isinstance(bound, int) for bound in bounds}) > 1:
            raise ValueError("from and to are of one kind: times, or integers")
        is_selected = self.chunk is not None or bool(bounds)
        if not is_selected and not self.everything:
            raise ValueError("say which archives: give chunk, from or to, or all: true for every archive of the hypertable")
        if is_selected and self.everything:
            raise ValueError("all means every archive: leave chunk, from and to out")
        return self


class RestorableView(BaseModel):
    """An archive that would be restored."""

    model_config = ConfigDict(from_attributes=True)

    job_id: UUID = Field(description="of the archive")
    chunk: str = Field(examples=["_timescaledb_internal._hyper_1_1_chunk"])
    range_start: str | None = Field(examples=["2026-01-01T00:00:00Z"])
    range_end: str | None = Field(examples=["2026-01-08T00:00:00Z"])
    rows: int | None
    source_bytes: int | None = Field(description="on disk when it was archived, indexes included")
    parquet_bytes: int | None = Field(description="read from the lake")
    lake_path: str | None


class RestoreDryRun(BaseModel):
    """What would be restored. Whether rows of it are in the table already is seen when it is done."""

    archives: list[RestorableView]
    rows: int = Field(examples=[6048000])
    source_bytes: int = Field(description="about so much room is needed, in the table and in staging", examples=[805306368])
    parquet_bytes: int = Field(examples=[96468992])


class VerificationsAsked(Body):
    """Which archives: those of a hypertable, or that of one job."""

    hypertable: TableName | None = None
    job_id: UUID | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.hypertable is None) == (self.job_id is None):
            raise ValueError("give either hypertable or job_id")
        return self


class VerificationsView(BaseModel):
    """How many archives the next run reads again."""

    archives: int = Field(examples=[12])


class ArchiveFindingView(BaseModel):
    """A file of an archive that is not what its manifest says."""

    job_id: UUID
    hypertable: str
    chunk: str
    status: Status = Field(description="`removed`: the archive was the only copy")
    file: str = Field(examples=["tables/public.conditions/_timescaledb_internal._hyper_1_1_chunk_r0/part-00000.parquet"])
    problem: Problem
    detail: str
    found_at: datetime


class FindingsView(BaseModel):
    """What is wrong, the worst first."""

    findings: list[ArchiveFindingView]


@router.post(
    "/restores",
    status_code=202,
    response_model=JobsView,
    response_description="a job for each archive",
    responses={
        200: {"model": RestoreDryRun, "description": "of a dry run: what would be restored"},
        **problems.documented(404, 409, *WITH_BODY),
    },
)
async def ask_for_restores(
    asked: Annotated[RestoresAsked, BodyParameter(openapi_examples=_RESTORES)],
    services: Current,
    caller: Caller,
    trace: Trace,
    key: IdempotencyKey = None,
) -> JobsView | Response:
    """Bring archived rows back: one job for each archive. With `dry_run`, say which and how much, and record nothing."""
    within = ChunkRange(*(None if bound is None else str(bound) for bound in (asked.since, asked.until)))
    wish = RestoreWish(
        into=Relation.parse(asked.into) if asked.into is not None else None,
        recreate=asked.recreate,
        beside=asked.beside,
        fire_triggers=asked.fire_triggers,
    )
    chunk = Relation.parse(asked.chunk) if asked.chunk is not None else None

    def request(request_key: str) -> RestoreRequest:
        return RestoreRequest(Relation.parse(asked.hypertable), chunk, within, wish, request_key, caller, trace)

    if asked.dry_run:
        archives = await services.jobs.these(await services.restore_requests.preview(request("")))
        return JSONResponse(_dry_run(archives).model_dump(mode="json"))
    return await asked_jobs(
        services, key, "restores", asked, lambda request_key: services.restore_requests.request(request(request_key))
    )


@router.post("/verifications", status_code=202, responses=problems.documented(404, *WITH_BODY))
async def ask_for_verifications(
    asked: Annotated[VerificationsAsked, BodyParameter(openapi_examples=_VERIFICATIONS)],
    services: Current,
) -> VerificationsView:
    """Have archives read again and compared with their manifests, before their turn."""
    hypertable = Relation.parse(asked.hypertable) if asked.hypertable is not None else None
    archives = await services.verification.request(hypertable=hypertable, job_id=asked.job_id)
    if not archives:
        raise PermanentError(f"{asked.hypertable or asked.job_id} has no published archive", code="no-archive")
    return VerificationsView(archives=archives)


@router.get("/verifications", responses=problems.documented(*ANY))
async def findings(services: Current, limit: Limit = 100) -> FindingsView:
    """What verification found wrong and no later one found right."""
    return FindingsView(
        findings=[
            ArchiveFindingView(
                job_id=found.job_id,
                hypertable=str(found.hypertable),
                chunk=str(found.chunk),
                status=found.status,
                file=found.finding.file,
                problem=found.finding.problem,
                detail=found.finding.detail,
                found_at=found.found_at,
            )
            for found in await services.verification.findings(limit)
        ]
    )


def _dry_run(archives: Sequence[JobRecord]) -> RestoreDryRun:
    return RestoreDryRun(
        archives=[RestorableView.model_validate(archive) for archive in archives],
        rows=sum(archive.rows or 0 for archive in archives),
        source_bytes=sum(archive.source_bytes or 0 for archive in archives),
        parquet_bytes=sum(archive.parquet_bytes or 0 for archive in archives),
    )
