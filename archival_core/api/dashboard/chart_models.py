"""What the page's charts and tables are told: days, hypertables, and chunks on the axis of their hypertable."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from archival_core.api.dashboard.models import Model, Range, Sums
from archival_core.model.insight.insight import Day
from archival_core.model.insight.map_chunk import Bin, MapChunk, MapState


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


class LastError(Model):
    """The newest failure that waits for somebody."""

    code: str
    message: str
    at: datetime


class HypertableSummary(Model):
    """One hypertable, all of its chunks counted."""

    hypertable: str
    kind: Literal["timescaledb", "native"] | None = Field(description="`null` if it is not in the source, or that is not told")
    time_column: str | None
    states: dict[MapState, int] = Field(description="chunks and archives by where their rows are; those left out are none")
    in_database: int | None = Field(description="chunks in the database now; `null` if it does not tell")
    database_bytes: int | None = Field(description="of these, on disk; `null` while it is not known")
    both_bytes: int | None = Field(description="of these, what is in the lake too")
    freed_bytes: int = Field(description="bytes that left the database, ever, and were not brought back")
    freed_this_month: int | None = Field(
        description="bytes that left the database since the first of the month, UTC, and were not brought back"
    )
    saved_this_month: float | None = Field(description="what these bytes would cost a month in the database")
    parquet_bytes: int = Field(description="of its archives that count")
    oldest: str | None = Field(description="where the oldest chunk of the database begins")
    first: str | None = Field(description="where the first archive begins")
    archive_after_seconds: float | None = Field(description="of its policy; `null` without one")
    remove_after_seconds: float | None
    policy_enabled: bool | None
    policy_problem: str | None
    behind_days: float | None = Field(description="since its oldest unarchived chunk is due; `null`: not behind, or unknown")
    failures: int = Field(description="failed jobs that wait for somebody, as `GET /jobs` with `open` lists them")
    last_error: LastError | None = Field(description="the newest of these failures")
    saved_month: float = Field(description="at the prices of the settings `COST_*`")
    problem: str | None = Field(description="why the database does not tell")


class Hypertables(Model):
    """All hypertables, by name."""

    as_of: datetime | None
    hypertables: list[HypertableSummary]


class MapChunkView(Model):
    """A chunk on the axis of its hypertable."""

    chunk: str
    range: Range
    from_: float | None = Field(serialization_alias="from", description="start as a number: seconds since 1970, or the integer")
    to: float | None
    state: MapState
    job_id: UUID | None
    rows: int | None
    source_bytes: int | None
    parquet_bytes: int | None
    database_bytes: int | None


class BinView(Model):
    """A stretch of the axis, and how many chunks begin in it."""

    from_: float = Field(serialization_alias="from")
    to: float
    states: dict[MapState, int]


class ChunkMapView(Model):
    """Every chunk of a hypertable that overlaps the stretch: one by one, or counted where they are more than `bins`."""

    hypertable: str
    axis: Literal["time", "integer"]
    first: float | None = Field(description="of all chunks")
    last: float | None
    from_: float | None = Field(serialization_alias="from", description="of this stretch")
    to: float | None
    total: int = Field(description="chunks and archives of the stretch")
    states: dict[MapState, int] = Field(description="the same, by where their rows are")
    chunks: list[MapChunkView] | None
    bins: list[BinView] | None
    problem: str | None = Field(description="why the database does not tell")


def timeline_day(day: Day) -> TimelineDay:
    """As the page has it."""
    return TimelineDay(
        day=day.day,
        archived=Sums.model_validate(day.archived),
        removed=Sums.model_validate(day.removed),
        restored=Sums.model_validate(day.restored),
        failed=day.failed,
        ratio=day.archived.ratio,
    )


def map_chunk_view(chunk: MapChunk) -> MapChunkView:
    """As the page has it."""
    return MapChunkView(
        chunk=chunk.chunk,
        range=Range.model_validate(chunk.range),
        from_=chunk.start,
        to=chunk.end,
        state=chunk.state,
        job_id=chunk.job_id,
        rows=chunk.rows,
        source_bytes=chunk.source_bytes,
        parquet_bytes=chunk.parquet_bytes,
        database_bytes=chunk.database_bytes,
    )


def bin_view(found: Bin) -> BinView:
    """As the page has it."""
    return BinView(from_=found.start, to=found.end, states=dict(found.states))
