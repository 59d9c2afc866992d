"""Slices of an archive's time: some of its rows, chosen so that the database can find the same rows.

Values of the time column are raw here, as Parquet stores them: days of a date, microseconds of a timestamp, the integer, or
text.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archival_core.model.chunks.time_slice import TimeSlice

#: rows of one slice, as long as few rows share one value of the time column
SLICE_ROWS: Final = 4_096
#: row groups that are drawn by chance beside those with the first and the last row
_RANDOM_GROUPS: Final = 2


@dataclass(frozen=True, slots=True)
class Group:
    """A row group of one of several files."""

    file: int
    number: int
    rows: int
    #: bounds of the time column; `None` if the file does not tell
    bounds: tuple[int | str, int | str] | None

    def may_hold(self, slices: Sequence[TimeSlice]) -> bool:
        """Whether a row of one of `slices` can be in the group."""
        if self.bounds is None:
            return True
        least, greatest = self.bounds
        return any(least <= part.high and part.low <= greatest for part in slices)  # type: ignore[operator]


def groups(file: int, parquet: pq.ParquetFile, time_column: str) -> list[Group]:
    """The row groups of `parquet`, which is the file number `file`."""
    column = parquet.schema_arrow.get_field_index(time_column)
    found = []
    for number in range(parquet.num_row_groups):
        group = parquet.metadata.row_group(number)
        statistics = group.column(column).statistics
        has_bounds = statistics is not None and statistics.has_min_max and isinstance(statistics.min_raw, int)
        bounds = (statistics.min_raw, statistics.max_raw) if has_bounds else None
        found.append(Group(file, number, group.num_rows, bounds))
    return found


def drawn(found: Sequence[Group]) -> list[Group]:
    """The groups to take slices from: those of the first and the last row, and some by chance."""
    filled = [group for group in found if group.rows]
    bounded = [group for group in filled if group.bounds is not None]
    ends = [min(bounded, key=_least), max(bounded, key=_greatest)] if bounded else []
    others = [group for group in filled if group not in ends]
    return list(dict.fromkeys(ends)) + random.sample(others, min(_RANDOM_GROUPS, len(others)))


def slices_of(times: pa.Array, *, with_ends: bool) -> list[TimeSlice]:
    """A slice of `times` drawn by chance, and with `with_ends` the first and the last."""
    ordered = pc.drop_null(raw(times)).sort()
    last = len(ordered) - SLICE_ROWS
    starts = [random.randint(0, max(last, 0)), *([0, max(last, 0)] if with_ends else [])]  # noqa: S311  a sample, no secret
    return [TimeSlice(ordered[start].as_py(), ordered[min(start + SLICE_ROWS, len(ordered)) - 1].as_py()) for start in starts]


def within(times: pa.Array, slices: Sequence[TimeSlice]) -> pa.Array:
    """Which of `times` are in one of `slices`; a NULL is in none."""
    values = raw(times)
    chosen: pa.Array | None = None
    for part in slices:
        low, high = pa.scalar(part.low, values.type), pa.scalar(part.high, values.type)
        inside = pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high))
        chosen = inside if chosen is None else pc.or_(chosen, inside)
    assert chosen is not None, "there is a slice"
    return pc.fill_null(chosen, False)


def raw(times: pa.Array) -> pa.Array:
    """Values of a time column as Parquet stores them."""
    if pa.types.is_date32(times.type):
        return times.view(pa.int32())
    return times.view(pa.int64()) if pa.types.is_timestamp(times.type) else times


def _least(group: Group) -> int | str:
    assert group.bounds is not None
    return group.bounds[0]


def _greatest(group: Group) -> int | str:
    assert group.bounds is not None
    return group.bounds[1]
