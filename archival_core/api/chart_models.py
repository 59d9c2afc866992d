"""What the page's charts are told: days, and chunks on the axis of their hypertable."""

from __future__ import annotations

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import Field

from archival_core.api.dashboard_models import Model, Range, Sums
from archival_core.flows.insight.chunk_map import HypertableMap
from archival_core.model.insight import Day
from archival_core.model.moment import moment
from archival_core.model.placed_chunk import PlacedChunk, Whereabouts


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
        range=Range.model_validate(place.range),
        from_=_number(place.range.start, unit),
        to=_number(place.range.end, unit),
        state=place.state,
        job_id=place.job_id,
        rows=place.rows,
        source_bytes=place.source_bytes,
        parquet_bytes=place.parquet_bytes,
    )


def _number(bound: str | None, unit: int) -> float | None:
    value = moment(bound)
    return value / unit if isinstance(value, int) else None
