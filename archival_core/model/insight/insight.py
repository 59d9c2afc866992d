"""What the service tells about itself: values that metrics, pages and the management API show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from archival_core.model.chunks.chunk import ChunkRange
from archival_core.model.jobs.job import Kind, Status
from archival_core.model.lake.lake_table_state import LakeTableState

#: Hypertables and chunks are text here, as the ledger has them: what is shown need not be a name that could be archived.


class Outcome(StrEnum):
    """What jobs have come to; a job may come to several, one after the other."""

    ARCHIVED = "archived"
    REMOVED = "removed"
    RESTORED = "restored"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over jobs; sizes in bytes."""

    jobs: int = 0
    rows: int = 0
    #: in the database, indexes included
    source_bytes: int = 0
    parquet_bytes: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.jobs + other.jobs,
            self.rows + other.rows,
            self.source_bytes + other.source_bytes,
            self.parquet_bytes + other.parquet_bytes,
        )

    @property
    def ratio(self) -> float | None:
        """How many bytes of the database one byte of Parquet stands for."""
        return self.source_bytes / self.parquet_bytes if self.parquet_bytes else None


@dataclass(frozen=True, slots=True)
class JobCount:
    """Jobs of a hypertable that are in one state now."""

    hypertable: str
    kind: Kind
    status: Status
    jobs: int
    #: of these jobs; of failed ones nothing
    totals: Totals


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie at or below each bound, and their sum."""

    #: (upper bound, values up to it), ascending, the last bound infinite
    buckets: tuple[tuple[float, int], ...]
    sum: float

    def __add__(self, other: Histogram) -> Histogram:
        """Of both; they have the same bounds."""
        pairs = zip(self.buckets, other.buckets, strict=True)
        return Histogram(tuple((bound, one + more) for (bound, one), (_, more) in pairs), self.sum + other.sum)


@dataclass(frozen=True, slots=True)
class OutcomeTotals:
    """All that jobs of a hypertable have come to one outcome, ever."""

    hypertable: str
    outcome: Outcome
    totals: Totals
    #: of the attempts that came to it; `None` for outcomes that take no time of their own
    seconds: Histogram | None
    #: of the archives
    parquet_bytes: Histogram | None


@dataclass(frozen=True, slots=True)
class FindingCount:
    """What verification found wrong and no later one found right."""

    hypertable: str
    problem: str
    findings: int


@dataclass(frozen=True, slots=True)
class StreamHold:
    """A consumer group that keeps a stream from being trimmed."""

    stream: str
    group: str
    since: datetime


@dataclass(frozen=True, slots=True)
class LedgerState:
    """What the ledger says, in numbers."""

    jobs: tuple[JobCount, ...]
    outcomes: tuple[OutcomeTotals, ...]
    findings: tuple[FindingCount, ...]
    #: by hypertable: when the oldest archive was finished whose chunk is still in the database
    oldest_unremoved: dict[str, datetime]
    #: folders of the lake that are no archive
    strays: int
    #: dead events that were given up
    discarded: int
    #: events wait in their stream, and policies ask for nothing
    paused: bool
    holds: tuple[StreamHold, ...] = ()
    tables: tuple[LakeTableState, ...] = ()


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue and the one of its poisoned messages."""

    messages: int
    poisoned: int
    #: when the oldest of the messages that wait was sent; `None` when none does
    oldest: datetime | None


#: How far an event has come: seen by nobody; in a drain's hands; jobs were made of it, or a dead letter.
EventProgress = Literal["waiting", "pending", "drained"]


@dataclass(frozen=True, slots=True)
class StreamState:
    """The event stream, its group, and the dead stream."""

    entries: int
    #: delivered to a worker and not acknowledged
    pending: int
    #: not delivered yet; `None` when Redis cannot tell
    lag: int | None
    #: when the oldest unacknowledged entry was added
    oldest_pending: datetime | None
    dead: int


@dataclass(frozen=True, slots=True)
class Overdue:
    """The oldest chunk that a policy wants archived and that is not."""

    chunk: str
    range: ChunkRange
    #: since it became due
    seconds: float


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that a worker has in hand."""

    job_id: UUID
    kind: Kind
    hypertable: str
    chunk: str
    range: ChunkRange
    attempt: int
    started_at: datetime
    #: of the archive; `None` while it is not planned, or read in one go
    parts: int | None
    parts_done: int
    rows_done: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that failed and was not made up for."""

    job_id: UUID
    kind: Kind
    hypertable: str
    chunk: str
    attempt: int
    finished_at: datetime
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class OpenFailures:
    """Failures of one hypertable that were neither made up for nor dismissed."""

    jobs: int
    newest: Failure


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failed jobs with one code that were neither made up for nor dismissed."""

    code: str
    jobs: int
    #: of them: one that the service would try again by itself had it not given up
    is_transient: bool
    oldest: datetime
    newest: datetime
    #: the newest message
    message: str
    hypertables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RefusalGroup:
    """Archived chunks whose removal is refused for one reason."""

    code: str
    chunks: int
    bytes: int
    newest: datetime | None
    message: str
    hypertables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """Archives that were finished lately."""

    archives: int
    source_bytes: int
    #: from the first of them to now, or an hour
    seconds: float


@dataclass(frozen=True, slots=True)
class Day:
    """What one day, in UTC, came to."""

    day: date
    archived: Totals = Totals()
    removed: Totals = Totals()
    restored: Totals = Totals()
    failed: int = 0
