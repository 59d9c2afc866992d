"""Many rows of a chunk as one row on the wire.

COPY sends a message for each row, and a message costs the client as much as its content. So the server gathers the values
of an output over a few pages into one value: joined where that is possible (`joining`), else as an array (`array_agg`). All
aggregates of a group see the rows in the same order, so the n-th value of each output belongs to the n-th row. docs/wire.md
follows three rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Self

import numpy as np
import pyarrow as pa

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.source.state.snapshot.parts import Storage
from archival_core.source.wire.columns import ColumnPlan, Output

#: Half a megabyte on disk. Smaller groups cost more for each row; larger ones save nothing more, and a whole group is in
#: memory on both sides.
_GROUP_PAGES: Final = 64
#: With more arrays than this, gathering loses: it saves one message for each row, and costs the server something for each
#: value of an array.
_MOST_ARRAYS: Final = 4
#: With more outputs than this, gathering loses: a group of a wide table has few rows, and costs more the more outputs it
#: has.
_MOST_OUTPUTS: Final = 256

#: Makes PostgreSQL read a range of pages alone. Otherwise it would read the whole chunk for every group.
BY_PAGES: Final[dict[str, str]] = {"enable_tidscan": "on", "enable_seqscan": "off"}


class NotJoinedError(Exception):
    """Values of some outputs cannot be told apart: there are NULLs, or a text holds the separator."""

    def __init__(self, outputs: Sequence[int]) -> None:
        super().__init__(outputs)
        self.outputs = outputs


def gathered_pages(chunk: Chunk, plan: ColumnPlan, on_disk: Storage) -> int | None:
    """How many pages of rows there are to gather; `None` if the rows have to be read one by one.

    A group must be small, because the server's limit for a value is a gigabyte. Large values could make a group of any
    size. Other values are at most what compression took out of their pages.
    """
    has_pages = not chunk.is_compressed and on_disk.is_heap and on_disk.reads_page_ranges
    return on_disk.pages if has_pages and is_cheap(plan) and not on_disk.has_large_values else None


def is_cheap(plan: ColumnPlan) -> bool:
    """Whether rows that are read by `plan` cost less gathered than one by one."""
    arrays = sum(output.joined is None for output in plan.outputs)
    return arrays <= _MOST_ARRAYS and len(plan.outputs) <= _MOST_OUTPUTS and not plan.has_arrays


@dataclass(frozen=True, slots=True)
class Gathering:
    """Rows of a table without partitions as groups, each of which has the rows of some pages."""

    table: Relation
    outputs: tuple[Output, ...]
    pages: range
    #: SQL that is true for the rows that are wanted; `None` if all are
    condition: str | None = None

    @property
    def query(self) -> str:
        """SQL of the groups, by the page with which each begins."""
        wanted = f" AND ({self.condition})" if self.condition else ""
        end = f"LEAST(groups.page + {_GROUP_PAGES}, {self.pages.stop})"
        aggregates = [one.joined.aggregate if one.joined else f"pg_catalog.array_agg({one.sql})" for one in self.outputs]
        return (
            f"SELECT groups.page, gathered.*"
            f" FROM pg_catalog.generate_series({self.pages.start}, {self.pages.stop - 1}, {_GROUP_PAGES}) AS groups (page),"
            f" LATERAL (SELECT {', '.join(['pg_catalog.count(*)', *aggregates])} FROM {self.table.sql} AS chunk"
            f" WHERE chunk.ctid >= {_tid('groups.page')} AND chunk.ctid < {_tid(end)}{wanted}"
            f" HAVING pg_catalog.count(*) > 0) AS gathered"
        )

    def rows(self, groups: pa.RecordBatch) -> pa.RecordBatch:
        """The rows again, each with one value of each output. Raises `NotJoinedError`."""
        _, counts, *arrived = groups.columns
        rows = counts.to_numpy()
        values: list[pa.Array | None] = []
        for output, column in zip(self.outputs, arrived, strict=True):
            values.append(output.joined.split(column, rows, values) if output.joined else _flat(column, rows))
        if apart := [number for number, value in enumerate(values) if value is None]:
            raise NotJoinedError(apart)
        return pa.RecordBatch.from_arrays(values, [output.sql for output in self.outputs])

    def behind(self, groups: pa.RecordBatch) -> Self:
        """What lies behind these groups.

        Raises `PermanentError` if the groups did not come in the order of their pages: to go on from there would leave rows
        out, or read them again.
        """
        starts = groups.column(0).to_pylist()
        if starts[0] < self.pages.start or any(second - first < _GROUP_PAGES for first, second in pairwise(starts)):
            raise PermanentError("groups of pages came in another order than was asked for", code="unexpected-schema")
        return replace(self, pages=range(starts[-1] + _GROUP_PAGES, self.pages.stop))

    def names(self, error: NotJoinedError) -> list[str]:
        """SQL of the outputs that cannot be joined."""
        return [self.outputs[number].sql for number in error.outputs]

    def with_arrays(self, error: NotJoinedError) -> Self:
        """The same, where these outputs travel as arrays."""
        apart = self.names(error)
        outputs = tuple(Output(output.sql) if output.sql in apart else output for output in self.outputs)
        return replace(self, outputs=outputs)


def _flat(arrays: pa.ListArray, rows: np.ndarray) -> pa.Array:
    if arrays.null_count or not np.array_equal(np.diff(arrays.offsets), rows):
        raise PermanentError("gathered outputs have not as many values as rows", code="unexpected-schema")
    # what arrived is freed as a whole, and holds all the other outputs
    return arrays.flatten().copy_to(pa.default_cpu_memory_manager())


def _tid(page: str) -> str:
    return f"('(' || {page} || ',0)')::pg_catalog.tid"
