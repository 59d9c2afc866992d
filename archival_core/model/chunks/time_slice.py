"""A slice of a chunk's time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimeSlice:
    """All rows whose time is from `low` to `high`, both included, as Parquet stores them: days of a date, microseconds of a
    timestamp, the integer, or text."""

    low: int | str
    high: int | str
