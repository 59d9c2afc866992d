"""A job's life, as one table.

Rules: a status changes only along `TRANSITIONS`; every write of a running job is guarded by the random token of its lease;
one live job (queued or running) per chunk at most. The ledger enforces all three; this module says what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from archival_core.model.chunks.chunk import ChunkRange, Relation


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


#: from → to. A running job goes back to `queued` when it is to be tried again, and to `running` when its lease is taken
#: over. A removed archive is `archived` again once it was restored into its hypertable, and a superseded one if the source
#: was put back to before the archive that took its place. A waiting or ended job that was
#: published after all is found out by reconcile, and is `superseded` at once if its table went on the grounds of another
#: archive. The marks in the source say what stands in for rows, and the ledger follows them: whatever it says of an
#: archive, a mark may make the archive `removed`, or `archived` where the mark is of a restore. A ledger that was put back
#: runs jobs again whose chunk is gone, and may have skipped them before it follows their marks.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset(
        {Status.RUNNING, Status.CANCELLED, Status.SKIPPED, Status.FAILED, Status.ARCHIVED, Status.REMOVED, Status.SUPERSEDED}
    ),
    Status.RUNNING: frozenset(
        {
            Status.RUNNING,
            Status.QUEUED,
            Status.ARCHIVED,
            Status.SUPERSEDED,
            Status.REMOVED,
            Status.RESTORED,
            Status.FAILED,
            Status.CANCELLED,
            Status.SKIPPED,
        }
    ),
    Status.ARCHIVED: frozenset({Status.REMOVED, Status.SUPERSEDED}),
    Status.SUPERSEDED: frozenset({Status.REMOVED, Status.ARCHIVED}),
    Status.REMOVED: frozenset({Status.ARCHIVED, Status.SUPERSEDED}),
    Status.RESTORED: frozenset(),
    Status.FAILED: frozenset({Status.QUEUED, Status.ARCHIVED, Status.REMOVED, Status.SUPERSEDED}),
    Status.CANCELLED: frozenset({Status.QUEUED, Status.ARCHIVED, Status.REMOVED, Status.SUPERSEDED}),
    Status.SKIPPED: frozenset({Status.ARCHIVED, Status.REMOVED}),
}

#: A job in one of these blocks another job for the same chunk.
LIVE = frozenset({Status.QUEUED, Status.RUNNING})

#: A job in one of these may be queued again.
RETRYABLE = frozenset({Status.FAILED, Status.CANCELLED})


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the ledger: one request for one chunk."""

    job_id: UUID
    kind: Kind
    hypertable: Relation
    chunk: Relation
    range: ChunkRange
    status: Status
    #: counts the workers that took the job, for people
    attempt: int
    #: which archive of this chunk it is, from 0; a changed chunk is archived again as the next revision
    revision: int
    #: whether an attempt has recorded `revision` and `range`; column `settled`
    has_revision: bool
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
    #: its row was made from what lies in the lake, which says nothing about the database: its chunk goes only after all of
    #: its rows were compared
    adopted: bool = False
    #: fencing token of the worker that has the job now; random, since counted attempts come again when the ledger is put back
    lease_token: UUID | None = None
    #: SHA-256 of each manifest that an attempt was about to publish
    declared: tuple[str, ...] = ()
    #: SHA-256 of the file of `manifest`
    manifest_sha256: str | None = None
    #: it was removed or restored before there were marks, and the source has none of that yet
    mark_owed: bool = False
    #: where the whole archive was compared with its chunk after it was made: see `model.chunks.grounds`
    proof: dict[str, Any] | None = None
    #: its chunk has changed while several instances read it, so that one of them reads it in one snapshot
    reads_alone: bool = False

    @property
    def rewrites(self) -> UUID | None:
        """Of an archive that is written anew: the job of the former archive; `None` if a chunk is archived."""
        former = (self.options or {}).get("rewrites")
        return UUID(former) if former else None
