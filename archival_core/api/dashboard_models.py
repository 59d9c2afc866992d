"""What the page is told. Sizes are bytes, times RFC 3339 in UTC; names, reasons and errors are plain text, never HTML."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from archival_core.flows.chunk_map import HypertableMap
from archival_core.model.chunk import ChunkRange
from archival_core.model.insight import Day, Failure, PlacedChunk, RunningJob, Totals, Whereabouts
from archival_core.model.job import Kind
from archival_core.model.moment import moment


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
    """A job that failed and was not made up for; `POST /jobs/{job_id}/retry` queues it again."""

    job_id: UUID
    kind: Kind
    hypertable: str
    chunk: str
    attempt: int
    finished_at: datetime
    code: str
    message: str


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


class Numbers(Model):
    """What the ledger says."""

    jobs: dict[str, int] = Field(description="jobs by their state", examples=[{"queued": 4, "archived": 1200}])
    archived: Sums
    removed: Sums
    restored: Sums
    failures: int = Field(description="how often jobs failed, ever")
    findings: int = Field(description="files of archives that are not as they were written")
    paused: bool = Field(description="events wait in their stream, and policies ask for nothing")


class Overview(Model):
    """Everything but the charts. What a source could not tell is `null`, and the source is named in `away`."""

    generated_at: datetime
    numbers: Numbers | None
    running: list[Running] | None
    failed: list[Failed] | None
    dead_letters: list[Letter] | None
    queues: dict[str, Waiting] | None
    stream: Stream | None
    behind: list[Behind] | None
    dependencies: dict[str, Literal["ok", "failed"]] | None
    away: list[str] = Field(examples=[["queues"]])


class TimelineDay(Model):
    """A day in UTC."""

    day: date
    archived: Sums
    removed: Sums
    restored: Sums
    failed: int
    ratio: float | None = Field(description="bytes of the database for one byte of Parquet, of what was archived")


class Timeline(Model):
    """Days without gaps, oldest first."""

    days: list[TimelineDay]


class Place(Model):
    """A chunk on the axis of its hypertable."""

    chunk: str
    range: Range
    from_: float | None = Field(serialization_alias="from", description="start as a number: seconds since 1970, or the integer")
    to: float | None
    state: Whereabouts
    job_id: UUID | None
    rows: int | None
    source_bytes: int | None
    parquet_bytes: int | None


class Hypertable(Model):
    """Its newest chunks, by their range."""

    hypertable: str
    axis: Literal["time", "integer"]
    chunks: list[Place]
    in_database: int | None = Field(description="chunks in the database now; `null` if it does not tell")
    problem: str | None = Field(description="why the database does not tell")


class Hypertables(Model):
    """All hypertables, by name."""

    hypertables: list[Hypertable]


def sums(totals: Totals) -> Sums:
    """As the page has it."""
    return Sums.model_validate(totals)


def running(job: RunningJob) -> Running:
    """As the page has it."""
    return Running.model_validate(job)


def failed(failure: Failure) -> Failed:
    """As the page has it."""
    return Failed.model_validate(failure)


def timeline_day(day: Day) -> TimelineDay:
    """As the page has it."""
    return TimelineDay(
        day=day.day,
        archived=sums(day.archived),
        removed=sums(day.removed),
        restored=sums(day.restored),
        failed=day.failed,
        ratio=day.archived.ratio,
    )


def hypertable(found: HypertableMap) -> Hypertable:
    """As the page has it."""
    bounds = [bound for place in found.chunks for bound in (place.range.start, place.range.end) if bound is not None]
    is_integer = bool(bounds) and all(bound.lstrip("-").isdigit() for bound in bounds)
    return Hypertable(
        hypertable=found.hypertable,
        axis="integer" if is_integer else "time",
        chunks=[_place(place, 1 if is_integer else 1_000_000) for place in found.chunks],
        in_database=found.in_database,
        problem=found.problem,
    )


def _place(place: PlacedChunk, unit: int) -> Place:
    return Place(
        chunk=place.chunk,
        range=_range(place.range),
        from_=_number(place.range.start, unit),
        to=_number(place.range.end, unit),
        state=place.state,
        job_id=place.job_id,
        rows=place.rows,
        source_bytes=place.source_bytes,
        parquet_bytes=place.parquet_bytes,
    )


def _range(found: ChunkRange) -> Range:
    return Range(start=found.start, end=found.end)


def _number(bound: str | None, unit: int) -> float | None:
    value = moment(bound)
    return value / unit if isinstance(value, int) else None
