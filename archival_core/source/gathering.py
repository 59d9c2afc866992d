"""Many rows of a chunk as one row on the wire.

COPY sends a message a row, which costs the client as much as what is in it. So the server gathers each output over a few pages
into an array (`array_agg`), and COPY sends rows of arrays, which the driver reads in one go. All aggregates of a group see its
rows in the same order, so that the n-th elements belong together.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from archival_core.errors import PermanentError
from archival_core.model.chunk import Chunk
from archival_core.source.columns import ColumnPlan
from archival_core.source.parts import PartRange, Storage

#: Half a megabyte on disk. With fewer, what a group costs by itself is felt; with more, nothing is won, and a group is in
#: memory as a whole, on both sides.
_GROUP_PAGES: Final = 64
#: Messages are saved by the row, and an array costs by the value: with many outputs the server would lose more than is won.
_MOST_OUTPUTS: Final = 4

#: Where a range of pages is not read as such, the whole chunk would be read for every group.
BY_PAGES: Final[dict[str, str]] = {"enable_tidscan": "on", "enable_seqscan": "off"}


def gathered_pages(chunk: Chunk, plan: ColumnPlan, on_disk: Storage) -> int | None:
    """How many pages of rows there are to gather; `None` if they have to be read one by one.

    A group must be small. Values out of line could make it any size; those in line are at most what compression took out of
    their pages.
    """
    has_pages = not chunk.is_compressed and on_disk.is_heap and on_disk.reads_page_ranges
    is_cheap = len(plan.outputs) <= _MOST_OUTPUTS and not plan.has_arrays
    return on_disk.pages if has_pages and is_cheap and not on_disk.has_values_out_of_line else None


def gathered_query(chunk: Chunk, plan: ColumnPlan, part: PartRange, pages: int) -> str:
    """SQL of the rows of `part` as groups; the chunk has `pages` in all."""
    within = part.pages(pages)
    arrays = ", ".join(f"pg_catalog.array_agg({output})" for output in plan.outputs)
    end = f"LEAST(groups.page + {_GROUP_PAGES}, {within.stop})"
    starts = f"pg_catalog.generate_series({within.start}, {within.stop - 1}, {_GROUP_PAGES})"
    return (
        f"SELECT gathered.* FROM {starts} AS groups (page), LATERAL ("
        f"SELECT {arrays} FROM {chunk.relation.sql} AS chunk"
        f" WHERE chunk.ctid >= {_tid('groups.page')} AND chunk.ctid < {_tid(end)} HAVING pg_catalog.count(*) > 0) AS gathered"
    )


def ungathered(groups: pa.RecordBatch) -> pa.RecordBatch:
    """The rows again, each with one value an output."""
    lengths = [column.value_lengths() for column in groups.columns]
    if any(length.null_count or length != lengths[0] for length in lengths):
        raise PermanentError("gathered outputs have not as many values as each other", code="unexpected-schema")
    return pa.RecordBatch.from_arrays([column.flatten() for column in groups.columns], groups.schema.names)


def _tid(page: str) -> str:
    return f"('(' || {page} || ',0)')::pg_catalog.tid"
