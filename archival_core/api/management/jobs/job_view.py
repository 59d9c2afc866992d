"""A job as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from archival_core.model.jobs.job import Kind, Status
from archival_core.model.jobs.job_record import JobEvent, JobRecord

_EXAMPLE: dict[str, JsonValue] = {
    "job_id": "0b9f7a52-5a0c-4c55-9d9e-6f0f5d3c7a10",
    "kind": "archive",
    "hypertable": "public.conditions",
    "chunk": "_timescaledb_internal._hyper_1_1_chunk",
    "range_start": "2026-01-01T00:00:00Z",
    "range_end": "2026-01-08T00:00:00Z",
    "status": "archived",
    "attempt": 1,
    "revision": 0,
    "remove": None,
    "force": False,
    "requested_by": "database_service#7d1c3f1e",
    "requested_at": "2026-11-01T08:00:00Z",
    "started_at": "2026-11-01T08:00:02Z",
    "finished_at": "2026-11-01T08:00:31Z",
    "rows": 6048000,
    "source_bytes": 805306368,
    "parquet_bytes": 96468992,
    "lake_path": "tables/public.conditions/_timescaledb_internal._hyper_1_1_chunk_r0",
    "parts": 0,
    "parts_done": 0,
    "rows_done": 0,
    "dismissed": None,
}


_EVENT: dict[str, JsonValue] = {
    "at": "2026-11-01T08:00:31Z",
    "from_status": "running",
    "to_status": "archived",
    "attempt": 1,
    "began_at": "2026-11-01T08:00:02Z",
    "error": None,
    "written_by": "archival_service",
}


class DismissalView(BaseModel):
    """Why a failure counts no more."""

    model_config = ConfigDict(from_attributes=True)

    reason: str
    by: str
    at: datetime


class JobView(BaseModel):
    """One request for one chunk, and what became of it."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    job_id: UUID
    kind: Kind
    hypertable: str
    chunk: str
    range_start: str | None = Field(description="RFC 3339 in UTC, or digits for integer time; null for an open end")
    range_end: str | None
    status: Status
    attempt: int = Field(description="workers that took it so far")
    revision: int = Field(description="which archive of this chunk it is")
    remove: bool | None = Field(description="drop the chunk afterwards; null leaves it to the policy")
    force: bool
    requested_by: str
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    removed_at: datetime | None
    restored_at: datetime | None
    verified_at: datetime | None
    rows: int | None
    source_bytes: int | None
    parquet_bytes: int | None
    lake_path: str | None = Field(description="relative to LAKE_URL")
    restores: UUID | None = Field(description="of a restore: the job of the archive")
    options: dict[str, Any] | None = Field(description="of a restore: how it was asked for")
    error: dict[str, Any] | None = Field(description="`code` and `message`: why it failed, waits again or was skipped")
    removal_error: dict[str, Any] | None = Field(description="why its chunk is not removed yet")
    trace_id: str | None
    parts: int = Field(description="Parquet files that a running archive will have, 0 if that is not known")
    parts_done: int
    rows_done: int
    dismissed: DismissalView | None = Field(description="of a failure that somebody dismissed; null of any other job")

    def about_jobs(self) -> Iterator[UUID]:
        """For the audit: the job itself."""
        yield self.job_id


class JobEventView(BaseModel):
    """The end of an attempt, or a later change of the job's status."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    from_status: Status
    to_status: Status
    attempt: int
    began_at: datetime | None = Field(description="when the attempt began; null where no worker had the job")
    error: dict[str, Any] | None = Field(description="`code` and `message` of what went wrong")
    written_by: str = Field(description="the service, or the client of a person who changed the ledger by hand")


class JobDetail(JobView):
    """One request for one chunk, and how it came to what became of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_EXAMPLE, "history": [_EVENT]}]})

    history: list[JobEventView] = Field(description="ends of attempts and later changes, the oldest first")


class JobsView(BaseModel):
    """Jobs."""

    jobs: list[JobView]

    def about_jobs(self) -> Iterator[UUID]:
        """For the audit: all of them."""
        return (job.job_id for job in self.jobs)


class JobPage(JobsView):
    """A page of jobs, newest first."""

    next: str | None = Field(description="the cursor of the next page; null at the end")
    total: int | None = Field(
        description="jobs of the whole list; null where a time, an id or, without `open` or `dismissed`, a code narrows it"
    )


def view(job: JobRecord) -> JobView:
    """As JSON."""
    return JobView.model_validate(job)


def detail(job: JobRecord, changes: Sequence[JobEvent]) -> JobDetail:
    """As JSON, with its changes."""
    events = [JobEventView.model_validate(event) for event in changes]
    return JobDetail(**view(job).model_dump(), history=events)
