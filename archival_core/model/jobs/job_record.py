"""A job as people see it, and which jobs they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from archival_core.model.jobs.job import Kind, Status


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One row of the ledger without its manifest, with how far it has come. Sizes are in bytes."""

    job_id: UUID
    kind: Kind
    hypertable: str
    chunk: str
    range_start: str | None
    range_end: str | None
    status: Status
    #: workers that took it so far
    attempt: int
    revision: int
    remove: bool | None
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
    lake_path: str | None
    #: of a restore: the job of the archive, and how it was asked for
    restores: UUID | None
    options: dict[str, Any] | None
    error: dict[str, Any] | None
    #: why its chunk is not removed yet
    removal_error: dict[str, Any] | None
    trace_id: str | None
    #: Parquet files that it will have, 0 if that is not known or it has ended
    parts: int
    parts_done: int
    rows_done: int
    #: of a failure that somebody dismissed: `reason`, `by` and `at`
    dismissed: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One change of a job: the end of an attempt, or a later change of its status."""

    at: datetime
    from_status: Status
    to_status: Status
    attempt: int
    #: when the attempt began that ended so; `None` where no worker had the job
    began_at: datetime | None
    #: `code` and `message` of what went wrong
    error: dict[str, Any] | None
    #: the connection's `application_name`: the service's own, or that of a person's client
    written_by: str


@dataclass(frozen=True, slots=True)
class JobPosition:
    """A position in the list of jobs, newest first: what follows was requested before it."""

    requested_at: datetime
    job_id: UUID


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; empty means any."""

    hypertable: str | None = None
    statuses: frozenset[Status] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    #: of their error
    codes: frozenset[str] = frozenset()
    #: requested at or after, and before
    since: datetime | None = None
    until: datetime | None = None
    #: hexadecimal digits that the id begins with, dashes or not
    id_prefix: str = ""
    #: only failures that were neither made up for nor dismissed
    is_open: bool = False
    #: only failures that somebody dismissed
    is_dismissed: bool = False
    #: only archives whose chunk is to leave and is refused, for one of these codes
    removal_codes: frozenset[str] = frozenset()
    #: only jobs that the request of this entry of the audit made or changed
    audit_entry: int | None = None
