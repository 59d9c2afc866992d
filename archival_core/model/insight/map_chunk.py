"""Chunks on the time axis of their hypertable: where their rows are, and how many of them share a place of a drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from archival_core.model.chunks.chunk import ChunkRange
from archival_core.model.chunks.moment import moment


class MapState(StrEnum):
    """Where the rows of a chunk are, as coarsely as a map shows it."""

    #: in the database alone
    DATABASE = "database"
    #: a job is queued or running
    ARCHIVING = "archiving"
    #: in the lake and in the database
    ARCHIVED = "archived"
    #: in the lake alone
    REMOVED = "removed"
    #: in the database, and its last job failed
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MapChunk:
    """A chunk on the time axis of a map."""

    chunk: str
    range: ChunkRange
    state: MapState
    job_id: UUID | None = None
    rows: int | None = None
    source_bytes: int | None = None
    parquet_bytes: int | None = None
    #: on disk in the database now; `None` where that is not known, or it is not there
    database_bytes: int | None = None
    #: its archive was cancelled, and waits for a person to retry it
    is_cancelled: bool = False

    @property
    def start(self) -> float | None:
        """Seconds since 1970, or the integer of integer time; `None` for an open end."""
        return _number(self.range.start)

    @property
    def end(self) -> float | None:
        """As `start`."""
        return _number(self.range.end)


@dataclass(frozen=True, slots=True)
class Bin:
    """Chunks that begin in one stretch of the axis."""

    start: float
    end: float
    states: Counter[MapState]


def axis(chunks: Sequence[MapChunk]) -> tuple[float, float] | None:
    """From the first to the last bound; `None` where there is none."""
    bounds = [bound for chunk in chunks for bound in (chunk.start, chunk.end) if bound is not None]
    return (min(bounds), max(bounds)) if bounds else None


def within(chunks: Sequence[MapChunk], first: float | None, last: float | None) -> list[MapChunk]:
    """Those that overlap the stretch; an open end overlaps all."""
    return [
        chunk
        for chunk in chunks
        if (last is None or chunk.start is None or chunk.start < last)
        and (first is None or chunk.end is None or chunk.end > first)
    ]


def binned(chunks: Sequence[MapChunk], first: float, last: float, count: int) -> list[Bin]:
    """`chunks` in `count` stretches of the axis; each chunk is in one of them, and none is left out."""
    width = (last - first) / count or 1.0
    bins = [Bin(first + place * width, first + (place + 1) * width, Counter()) for place in range(count)]
    for chunk in chunks:
        start = first if chunk.start is None else chunk.start
        bins[min(max(int((start - first) / width), 0), count - 1)].states[chunk.state] += 1
    return bins


def _number(bound: str | None) -> float | None:
    value = moment(bound)
    if not isinstance(value, int) or bound is None:
        return None
    return value / 1_000_000 if "T" in bound else float(value)
