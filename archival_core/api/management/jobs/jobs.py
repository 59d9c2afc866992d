"""`/jobs`: what was asked for, and what became of it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from archival_core.api import problems
from archival_core.api.management.jobs.job_view import JobDetail, JobPage, JobView, detail, view
from archival_core.api.management.requests import cursor
from archival_core.api.management.requests.audited import Audited
from archival_core.api.management.requests.fields import ANY, Caller, Limit, Moment, TableName
from archival_core.api.management.requests.many import ErrorCode
from archival_core.api.services import Current
from archival_core.model.jobs.job import Kind, Status
from archival_core.model.jobs.job_record import JobFilter

router = APIRouter(tags=["archives"], route_class=Audited)

JobId = Annotated[UUID, Path(examples=["0b9f7a52-5a0c-4c55-9d9e-6f0f5d3c7a10"])]


@router.options("/jobs", status_code=204, include_in_schema=False)
async def permitted() -> None:
    """Nothing; whoever hears it has a key that may change something, since the host asks OPTIONS for the keys of changes."""


@router.get("/jobs", responses=problems.documented(*ANY))
async def list_jobs(
    services: Current,
    hypertable: Annotated[TableName | None, Query()] = None,
    status: Annotated[list[Status] | None, Query(description="any of these", examples=[["failed"]])] = None,
    kind: Annotated[list[Kind] | None, Query(description="any of these", examples=[["archive"]])] = None,
    error_code: Annotated[
        list[ErrorCode] | None, Query(max_length=50, description="whose error has one of these codes", examples=[["database"]])
    ] = None,
    since: Annotated[
        Moment | None,
        Query(alias="from", description="requested at or after", examples=["2026-11-01T00:00:00Z"]),
    ] = None,
    until: Annotated[
        Moment | None, Query(alias="to", description="requested before", examples=["2026-12-01T00:00:00Z"])
    ] = None,
    id_prefix: Annotated[
        str | None,
        Query(
            alias="id",
            pattern=r"^([0-9a-fA-F]-?){4,32}$",
            description="the first digits of the job's id, four at least",
            examples=["0b9f7a52"],
        ),
    ] = None,
    is_open: Annotated[
        bool, Query(alias="open", description="only failures that were neither made up for nor dismissed")
    ] = False,
    is_dismissed: Annotated[
        bool, Query(alias="dismissed", description="only failures that somebody dismissed, with who and why")
    ] = False,
    removal_error_code: Annotated[
        list[ErrorCode] | None,
        Query(
            max_length=50,
            description="only archives whose chunk is to leave the database and is refused, for one of these codes",
            examples=[["removal-blocked"]],
        ),
    ] = None,
    audit_entry: Annotated[
        int | None,
        Query(
            alias="audit",
            ge=1,
            le=2**62,
            description="only jobs that the request of this entry of `GET /audit` made or changed",
        ),
    ] = None,
    after: Annotated[str | None, Query(alias="cursor", max_length=1000, description="`next` of the page before")] = None,
    limit: Limit = 50,
) -> JobPage:
    """Jobs by the time of their request, newest first."""
    statuses, kinds, codes = frozenset(status or ()), frozenset(kind or ()), frozenset(error_code or ())
    refused = frozenset(removal_error_code or ())
    wanted = JobFilter(
        hypertable, statuses, kinds, codes, since, until, id_prefix or "", is_open, is_dismissed, refused, audit_entry
    )
    found = await services.jobs.page(wanted, cursor.read_job(after) if after is not None else None, limit + 1)
    shown = found[:limit]
    return JobPage(
        jobs=[view(job) for job in shown],
        next=cursor.of_job(shown[-1]) if len(found) > limit else None,
        total=await services.jobs.total(wanted),
    )


@router.get("/jobs/{job_id}", responses=problems.documented(404, *ANY))
async def get_job(services: Current, job_id: JobId) -> JobDetail:
    """One job, with how far it has come, and how it came to its status."""
    job = await services.jobs.get(job_id)
    return detail(job, await services.jobs.changes(job_id))


@router.post("/jobs/{job_id}/retry", status_code=202, responses=problems.documented(404, 409, *ANY))
async def retry_job(services: Current, job_id: JobId) -> JobView:
    """Queue a failed or cancelled job again."""
    await services.dead_letters.retry(job_id)
    return view(await services.jobs.get(job_id))


@router.post("/jobs/{job_id}/cancel", responses=problems.documented(404, 409, *ANY))
async def cancel_job(services: Current, caller: Caller, job_id: JobId) -> JobView:
    """End a queued or running job. The worker of a running one stops within a third of its lease."""
    return view(await services.jobs.cancel(job_id, caller))
