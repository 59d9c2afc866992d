"""A job's life, as one table.

Rules: a status changes only along `TRANSITIONS`; every write of a running job is guarded by its attempt number; one live job
(queued or running) per chunk at most. The ledger enforces all three; this module says what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from archival_core.model.chunk import ChunkRange, Relation


class Kind(StrEnum):
    """What a job does."""

    ARCHIVE = "archive"
    RESTORE = "restore"


class Status(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    ARCHIVED = "archived"
    #: a later revision has taken its place; its files are kept outside `tables/`
    SUPERSEDED = "superseded"
    REMOVED = "removed"
    RESTORED = "restored"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


#: from → to. A running job goes back to `queued` when it is to be tried again, and to `running` when its lease is taken over.
#: A removed archive is `archived` again once it was restored into its hypertable. A waiting or ended job that was published
#: after all is found out by reconcile, and is `superseded` at once if a later one has taken its place.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset(
        {Status.RUNNING, Status.CANCELLED, Status.SKIPPED, Status.FAILED, Status.ARCHIVED, Status.SUPERSEDED}
    ),
    Status.RUNNING: frozenset(
        {Status.RUNNING, Status.QUEUED, Status.ARCHIVED, Status.RESTORED, Status.FAILED, Status.CANCELLED, Status.SKIPPED}
    ),
    Status.ARCHIVED: frozenset({Status.REMOVED, Status.SUPERSEDED}),
    Status.SUPERSEDED: frozenset(),
    Status.REMOVED: frozenset({Status.ARCHIVED, Status.SUPERSEDED}),
    Status.RESTORED: frozenset(),
    Status.FAILED: frozenset({Status.QUEUED, Status.ARCHIVED, Status.SUPERSEDED}),
    Status.CANCELLED: frozenset({Status.QUEUED, Status.ARCHIVED, Status.SUPERSEDED}),
    Status.SKIPPED: frozenset(),
}

#: A job in one of these blocks another job for the same chunk.
LIVE = frozenset({Status.QUEUED, Status.RUNNING})


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the ledger: one request for one chunk."""

    job_id: UUID
    kind: Kind
    hypertable: Relation
    chunk: Relation
    range: ChunkRange
    status: Status
    #: fencing token: counts the workers that took the job
    attempt: int
    #: which archive of this chunk it is, from 0; a changed chunk is archived again as the next revision
    revision: int
    #: whether `revision` and `range` are known
    settled: bool
    #: drop the chunk afterwards; `None` leaves it to the policy
    remove: bool | None
    requested_by: str
    requested_at: datetime
    #: where its spans belong
    traceparent: str | None = None
    #: the span of its first attempt
    first_attempt: str | None = None
    #: of a restore: the job of the archive, and where it goes
    restores: UUID | None = None
    options: dict[str, Any] | None = None
    rows: int | None = None
    source_bytes: int | None = None
    parquet_bytes: int | None = None
    lake_path: str | None = None
    manifest: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
