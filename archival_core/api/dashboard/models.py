"""What the page is told. Sizes are bytes, times RFC 3339 in UTC; names, reasons and errors are plain text, never HTML."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from archival_core.model.jobs.job import Kind


class Model(BaseModel):
    """Values are read from the flows' own."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Sums(Model):
    """Of chunks that came to one outcome."""

    jobs: int = 0
    rows: int = 0
    source_bytes: int = Field(default=0, description="size in the database, indexes included")
    parquet_bytes: int = 0


class Range(Model):
    """`[start, end)` of the time dimension: RFC 3339, or digits where it is an integer; `null` is an open end."""

    start: str | None = Field(examples=["2026-01-01T00:00:00Z"])
    end: str | None = Field(examples=["2026-01-02T00:00:00Z"])


class Running(Model):
    """A job that a worker has in hand."""

    job_id: UUID
    kind: Kind
    hypertable: str
    chunk: str
    range: Range
    attempt: int
    started_at: datetime
    parts: int | None = Field(description="`null` while it is not planned, or read in one go")
    parts_done: int
    rows_done: int


class Failed(Model):
    """A job that failed and was neither made up for nor dismissed; `POST /jobs/{job_id}/retry` queues it again."""

    job_id: UUID
    kind: Kind
    hypertable: str
    chunk: str
    attempt: int
    finished_at: datetime
    code: str
    message: str


class FailureGroupView(Model):
    """All such jobs with one code."""

    code: str
    jobs: int
    is_transient: bool = Field(description="it was tried again by itself until it was given up: a retry may help as it is")
    oldest: datetime
    newest: datetime
    message: str = Field(description="of the newest")
    hypertables: list[str] = Field(description="the first 20")
    meaning: str | None = Field(description="of the code")
    remedy: str | None


class RefusalGroupView(Model):
    """Archived chunks that are to leave the database and may not, for one reason. Each is tried again by itself."""

    code: str
    chunks: int
    bytes: int = Field(description="in the database, when they were archived")
    newest: datetime | None = Field(description="when that was tried last")
    message: str = Field(description="of the newest")
    hypertables: list[str] = Field(description="the first 20")
    meaning: str | None
    remedy: str | None


class ErrorCodeView(Model):
    """What a code means, and what to do about it."""

    code: str = Field(examples=["removal-blocked"])
    meaning: str
    remedy: str | None = Field(description="`null` where nobody has to do anything")


class ErrorSection(Model):
    """Codes that stand together."""

    title: str
    codes: list[ErrorCodeView]


class ErrorCatalogue(Model):
    """Every code of an error, as in docs/errors.md. Texts have code between backticks."""

    sections: list[ErrorSection]


class Letter(Model):
    """An event or a message that could not be used."""

    entry_id: str
    reason: str
    is_event: bool = Field(description="an event can be replayed; a message that names no job cannot")


class Waiting(Model):
    """A queue."""

    messages: int = Field(description="those in flight included")
    poisoned: int
    oldest: datetime | None


class Stream(Model):
    """The event stream."""

    entries: int
    pending: int = Field(description="seen by a worker and not acknowledged")
    lag: int | None = Field(description="seen by no worker; `null` where Redis cannot tell")
    dead: int


class Behind(Model):
    """The oldest chunk that a policy wants archived and that is not."""

    hypertable: str
    chunk: str
    days: float | None = Field(description="since it became due; `null` without a date")


class DueChunk(Model):
    """A chunk that a policy wants archived and that has no job yet."""

    hypertable: str
    chunk: str
    range: Range
    due_since: datetime
    database_bytes: int | None = Field(description="on disk, as far as that is known")


class DueChunks(Model):
    """What policies want, those first that are due for longest."""

    as_of: datetime | None = Field(description="of the look at the chunks")
    total: int
    chunks: list[DueChunk]


class Numbers(Model):
    """What the ledger says."""

    jobs: dict[str, int] = Field(description="jobs by their state", examples=[{"queued": 4, "archived": 1200}])
    in_lake: Sums = Field(description="archives that stand in for rows now: what they freed is not in the database")
    in_both: Sums = Field(description="archives whose rows are in the database too, restored ones among them")
    archived: Sums = Field(description="ever")
    removed: Sums = Field(description="ever")
    restored: Sums = Field(description="ever")
    failures: int = Field(description="how often jobs failed, ever")
    findings: int = Field(description="files of archives that are not as they were written")
    strays: int = Field(description="folders of the lake that are no archive")
    discarded: int = Field(description="dead letters that were given up, ever")
    paused: bool = Field(description="events wait in their stream, and policies ask for nothing")


class Dependency(Model):
    """Something that the service needs."""

    state: Literal["ok", "failed"]
    code: str | None = Field(description="of the error, as in `GET /dashboard/errors`; `null` while it answers")
    cause: str | None = Field(description="what it said", examples=['password authentication failed for user "archival"'])
    since: datetime | None = Field(description="when the instance that answers here has seen it first")


class AwaySource(Model):
    """A source of figures that does not tell now. What is shown of it is from before, or nothing."""

    name: Literal["ledger", "lists", "queues", "stream", "dead_letters", "policies", "dependencies", "intake"]
    cause: str | None
    since: datetime | None
    as_of: datetime | None = Field(description="of the figures that are shown; `null` where there are none")


class Intake(Model):
    """Whether events and policies become jobs, and who decided that."""

    paused: bool
    reason: str | None
    changed_by: str | None
    changed_at: datetime


class Backlog(Model):
    """What is still to be archived, and an honest guess of when that is done."""

    queued: int
    running: int
    due: int | None = Field(description="chunks that a policy wants and that have no job yet; `null` if that is not known")
    per_hour: float | None = Field(description="archives of the last hour; `null` where there were none")
    done_at: datetime | None = Field(description="at that pace; `null` where nothing waits, or the pace is not known")


class Money(Model):
    """What the archives save, at the prices of the settings `COST_*`."""

    currency: str = Field(examples=["USD"])
    database_gb_month: float
    lake_gb_month: float
    database_month: float = Field(description="a month of what left the database")
    lake_month: float = Field(description="a month of the archives")
    saved_month: float = Field(description="the difference")
    freed_this_month: int | None = Field(
        description="bytes that left the database since the first of the month, UTC, and were not brought back"
    )
    saved_this_month: float | None = Field(description="what these bytes would cost a month in the database")


class Overview(Model):
    """Everything but the charts. What a source could not tell is `null` or of before, and the source is named in `away`."""

    generated_at: datetime
    numbers: Numbers | None
    running: list[Running] | None
    failed: list[Failed] | None = Field(description="the newest 50")
    failures: list[FailureGroupView] | None = Field(description="all of them, by code")
    refusals: list[RefusalGroupView] | None = Field(description="all of them, by code")
    dead_letters: list[Letter] | None = Field(description="the newest 50")
    queues: dict[str, Waiting] | None
    stream: Stream | None
    behind: list[Behind] | None
    intake: Intake | None
    backlog: Backlog | None
    money: Money | None
    dependencies: dict[str, Dependency] | None
    away: list[AwaySource]
    lake_url: str = Field(description="where the lake is; paths of archives are relative to it")
    trace_url: str | None = Field(description="where a trace is looked at: `{trace_id}` stands for its id")
