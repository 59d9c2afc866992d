"""`POST /jobs/retry`, `/jobs/cancel`, `/jobs/dismiss` and `/jobs/undismiss`: many jobs at a time, by a filter."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi import Body as BodyParameter
from pydantic import Field, StrictBool

from archival_core.api import problems
from archival_core.api.management.requests import cursor
from archival_core.api.management.requests.audited import Audited
from archival_core.api.management.requests.fields import WITH_BODY, Caller, TableName, Text
from archival_core.api.management.requests.many import COUNT, MOST_NAMED, Many, ManyView, Since, Until, many_view
from archival_core.api.services import Current
from archival_core.flows.jobs.interventions.bulk_jobs import CANCELLED, RETRIED
from archival_core.model.jobs.bulk import BulkJobs, BulkJobsCursor
from archival_core.model.jobs.job import Kind, Status
from archival_core.model.jobs.job_record import JobFilter

router = APIRouter(tags=["archives"], route_class=Audited)

_RETRY = {
    "code": {"summary": "what failed while a database was away", "value": {"error_code": ["database", "source-unreachable"]}},
    "table": {
        "summary": "what failed of a hypertable since",
        "value": {"hypertable": "public.x", "from": "2026-11-01T00:00:00Z"},
    },
    "count": COUNT,
    "next": {"summary": "the next call of the same", "value": {"all": True, "cursor": "WyJiajEiXQ"}},
}
_CANCEL = {
    "table": {"summary": "what waits or runs of a hypertable", "value": {"hypertable": "public.conditions"}},
    "waiting": {"summary": "everything that waits", "value": {"all": True, "status": ["queued"]}},
    "count": COUNT,
}


_DISMISS = {
    "code": {
        "summary": "failures that somebody knows about",
        "value": {"error_code": ["unknown-chunk"], "reason": "the tables were dropped on purpose"},
    },
    "count": {"summary": COUNT["summary"], "value": {"all": True, "dry_run": True, "reason": "counted only"}},
}


_UNDISMISS = {
    "table": {"summary": "what was dismissed of a hypertable", "value": {"hypertable": "public.conditions"}},
    "count": COUNT,
}


class JobsMeant(Many):
    """Which jobs."""

    job_ids: list[UUID] | None = Field(default=None, min_length=1, max_length=MOST_NAMED)
    hypertable: TableName | None = None
    kind: list[Kind] | None = Field(default=None, min_length=1, max_length=2)
    since: Since = Field(default=None, description="requested at or after")
    until: Until = Field(default=None, description="requested before")

    def meant(self, statuses: frozenset[Status]) -> BulkJobs:
        """For the flow."""
        codes = frozenset(self.error_code or ())
        wanted = JobFilter(self.hypertable, statuses, frozenset(self.kind or ()), codes, self.since, self.until)
        return BulkJobs(self.narrowed(wanted), frozenset(self.job_ids or ()))

    def narrowed(self, wanted: JobFilter) -> JobFilter:
        """What an operation adds to the filter."""
        return wanted

    def place(self) -> BulkJobsCursor | None:
        """Where to go on; raises `PermanentError` (`invalid-cursor`)."""
        return cursor.read_jobs_place(self.cursor) if self.cursor is not None else None


class FailuresMeant(JobsMeant):
    """Which failures."""

    is_open: StrictBool = Field(
        default=False, alias="open", description="only failures that were neither made up for nor dismissed"
    )

    def narrowed(self, wanted: JobFilter) -> JobFilter:
        """Those that wait for somebody, where the request says so."""
        return replace(wanted, is_open=self.is_open)


class RetryAsked(FailuresMeant):
    """Which jobs are queued again: failed ones, or those of `status`."""

    status: list[Literal["failed", "cancelled"]] | None = Field(default=None, min_length=1, max_length=2)


class CancelAsked(JobsMeant):
    """Which jobs are ended: queued and running ones, or those of `status`."""

    status: list[Literal["queued", "running"]] | None = Field(default=None, min_length=1, max_length=2)


class DismissAsked(FailuresMeant):
    """Which failed jobs are dismissed, and why; the ledger keeps it."""

    reason: Text


class UndismissAsked(JobsMeant):
    """Which dismissed failures wait for somebody again."""

    def narrowed(self, wanted: JobFilter) -> JobFilter:
        """Dismissed ones."""
        return replace(wanted, is_dismissed=True)


@router.post("/jobs/retry", responses=problems.documented(*WITH_BODY))
async def retry_jobs(services: Current, asked: Annotated[RetryAsked, BodyParameter(openapi_examples=_RETRY)]) -> ManyView:
    """Queue many failed jobs again. A call that was cut off is made again without harm: what is queued has not failed any more.

    A job is passed over whose chunk has a live job (`chunk-has-a-live-job`), or was archived, or restored, by a later request
    (`done-since`).
    """
    meant = asked.meant(frozenset(map(Status, asked.status or ())) or RETRIED)
    if asked.dry_run:
        return many_view(await services.bulk_jobs.preview(meant), cursor.of_jobs_place)
    return many_view(await services.bulk_jobs.retry(meant, asked.place(), asked.limit), cursor.of_jobs_place)


@router.post("/jobs/cancel", responses=problems.documented(*WITH_BODY))
async def cancel_jobs(
    services: Current, caller: Caller, asked: Annotated[CancelAsked, BodyParameter(openapi_examples=_CANCEL)]
) -> ManyView:
    """End many queued or running jobs. Workers of running ones stop within a third of their lease."""
    meant = asked.meant(frozenset(map(Status, asked.status or ())) or CANCELLED)
    if asked.dry_run:
        return many_view(await services.bulk_jobs.preview(meant), cursor.of_jobs_place)
    return many_view(await services.bulk_jobs.cancel(meant, asked.place(), asked.limit, caller), cursor.of_jobs_place)


@router.post("/jobs/dismiss", responses=problems.documented(*WITH_BODY))
async def dismiss_jobs(
    services: Current, caller: Caller, asked: Annotated[DismissAsked, BodyParameter(openapi_examples=_DISMISS)]
) -> ManyView:
    """Take failures that somebody knows about off the list of those that wait for somebody. Each can still be retried.

    A job is passed over that is dismissed already (`dismissed`).
    """
    meant = asked.meant(RETRIED)
    if asked.dry_run:
        return many_view(await services.bulk_jobs.preview(meant), cursor.of_jobs_place)
    return many_view(
        await services.bulk_jobs.dismiss(meant, asked.place(), asked.limit, asked.reason, caller), cursor.of_jobs_place
    )


@router.post("/jobs/undismiss", responses=problems.documented(*WITH_BODY))
async def undismiss_jobs(
    services: Current, caller: Caller, asked: Annotated[UndismissAsked, BodyParameter(openapi_examples=_UNDISMISS)]
) -> ManyView:
    """Put dismissed failures back on the list of those that wait for somebody. What a later job made up for stays off it.

    A job is passed over that nobody has dismissed (`not-dismissed`).
    """
    meant = asked.meant(RETRIED)
    if asked.dry_run:
        return many_view(await services.bulk_jobs.preview(meant), cursor.of_jobs_place)
    return many_view(await services.bulk_jobs.undismiss(meant, asked.place(), asked.limit, caller), cursor.of_jobs_place)
