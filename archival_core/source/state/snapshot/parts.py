"""Which rows of a chunk go into which part.

A part is what one reader streams into one file: a range of pages where the table has pages, a range of time where TimescaleDB
has compressed them away. Every row is in exactly one part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Any, Final, LiteralString

import pyarrow as pa
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.model.chunks.chunk import Chunk, quote_identifier, quote_literal
from archival_core.model.chunks.part_range import WHOLE, PageRange, PartRange, TimeRange
from archival_core.source.catalog.partitioning.bounds import INTEGER_TIMES
from archival_core.source.state.snapshot.snapshot import ChunkFacts
from archival_core.source.translate import source_errors

#: A chunk above this is read in two parts at least, so that two readers have work.
_SPLIT_BYTES: Final = 32 * 1024 * 1024
#: What a value of variable length is taken for when a part's size is estimated.
_VARIABLE_BYTES: Final = 24

#: SQL that is true for an attribute `a` of type `t` whose values may be larger than a page, though nothing of them is in TOAST:
#: they are in the catalog (a column added with a default), or computed when they are read, or as text many times longer than
#: they are stored.
IS_LARGE: Final[LiteralString] = """
a.atthasmissing OR a.attgenerated = 'v' OR t.typoutput::pg_catalog.text IN
('bit_out', 'jsonb_out', 'multirange_out', 'range_out', 'record_out', 'varbit_out')
"""
# A partition may be partitioned again; a plain table is no partition tree.
STORAGE: Final[LiteralString] = f"""
WITH leaf AS (
    SELECT to_regclass(%(name)s)::oid AS oid
    UNION SELECT relid FROM pg_catalog.pg_partition_tree(to_regclass(%(name)s)) WHERE isleaf
)
SELECT coalesce(sum(pg_catalog.pg_table_size(c.oid)), 0)::bigint,
       coalesce(max(pg_catalog.pg_relation_size(c.oid)) / current_setting('block_size')::int, 0)::bigint,
       coalesce(bool_and(am.amname IS NOT DISTINCT FROM 'heap'), true),
       coalesce(bool_or(pg_catalog.pg_relation_size(NULLIF(c.reltoastrelid, 0)) > 0 OR EXISTS (
           SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
           WHERE a.attrelid = c.oid AND a.attlen = -1 AND ({IS_LARGE}))), false),
       current_setting('server_version_num')::int >= 140000
           AND coalesce(bool_and(c.oid = to_regclass(%(name)s) AND NOT c.relhassubclass), false),
       coalesce(array_agg(pg_catalog.pg_relation_filenode(c.oid)::bigint ORDER BY c.oid), '{{}}')
FROM leaf JOIN pg_catalog.pg_class c ON c.oid = leaf.oid AND c.relkind <> 'p'
LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
"""

# An infinite bound has no middle: it gives NULL, and the chunk one part.
_STEPS: Final[dict[str, LiteralString]] = {
    "integer": "(%(low)s::numeric + (%(high)s::numeric - %(low)s::numeric) * i / %(parts)s)::bigint",
    "date": "%(low)s::date + ((%(high)s::date - %(low)s::date) * i::bigint / %(parts)s)::integer",
    "clock": "%(low)s::timestamp + (%(high)s::timestamp - %(low)s::timestamp) * (i::float8 / %(parts)s)",
}


@dataclass(frozen=True, slots=True)
class Storage:
    """How a chunk lies on disk."""

    #: of the tables and their TOAST
    bytes: int
    #: of the largest table
    pages: int
    is_heap: bool
    #: larger than pages are: in TOAST, or in the catalog (a column added with a default), or computed when they are read, or as
    #: text many times longer than they are stored
    has_large_values: bool
    #: whether the chunk is one table, of which the server (from PostgreSQL 14 on) reads some pages without the others
    reads_page_ranges: bool
    #: changes whenever rows may have moved to other pages: VACUUM FULL, CLUSTER, compression
    files: tuple[int, ...]


async def storage(conn: AsyncConnection[Any], chunk: Chunk) -> Storage:
    """How `chunk` lies on disk now; it must be locked."""
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            row = await (await cur.execute(STORAGE, {"name": chunk.relation.sql})).fetchone()
    assert row is not None
    size, pages, is_heap, has_large_values, reads_page_ranges, files = row
    return Storage(size, pages, is_heap, has_large_values, reads_page_ranges, tuple(files))


async def plan_parts(
    conn: AsyncConnection[Any],
    chunk: Chunk,
    on_disk: Storage,
    facts: ChunkFacts,
    schema: pa.Schema,
    part_bytes: int,
) -> Sequence[PartRange]:
    """Parts of about `part_bytes` of PostgreSQL's data."""
    if not chunk.is_compressed:
        return by_pages(on_disk, part_bytes) if on_disk.is_heap else [WHOLE]
    parts = _count(facts.rows * _row_bytes(schema), part_bytes)
    return await _by_time(conn, chunk, facts, parts)


def by_pages(on_disk: Storage, part_bytes: int) -> list[PageRange]:
    """Ranges of pages; the last has no end, so that no row is left out."""
    step = -(-on_disk.pages // _count(on_disk.bytes, part_bytes))
    starts = range(0, on_disk.pages, step) if step else [0]
    return [PageRange(first_page=first, end_page=end) for first, end in zip_longest(starts, starts[1:])]


def condition(chunk: Chunk, part: PartRange) -> str:
    """SQL of the rows of one part of `chunk`."""
    if isinstance(part, PageRange):
        column, first, end = "ctid", _tid(part.first_page or None), _tid(part.end_page)
    else:
        column, first, end = quote_identifier(chunk.time_column), _time(chunk, part.from_time), _time(chunk, part.before_time)
    bounds = [f"{column} {operator} {bound}" for operator, bound in ((">=", first), ("<", end)) if bound]
    return " AND ".join(bounds) or "true"


def _tid(page: int | None) -> str | None:
    return None if page is None else f"'({page},0)'::pg_catalog.tid"


def _time(chunk: Chunk, text: str | None) -> str | None:
    return None if text is None else f"{quote_literal(text)}::{chunk.time_type}"


async def _by_time(conn: AsyncConnection[Any], chunk: Chunk, facts: ChunkFacts, parts: int) -> Sequence[PartRange]:
    if parts == 1 or facts.min_time is None or chunk.time_type == "uuid":
        return [WHOLE]
    if "infinity" in f"{facts.min_time} {facts.max_time}":
        return [WHOLE]
    kind = "integer" if chunk.time_type in INTEGER_TIMES else "date" if chunk.time_type == "date" else "clock"
    query: LiteralString = f"SELECT DISTINCT {_STEPS[kind]} AS step FROM generate_series(1, %(parts)s - 1) i ORDER BY 1"
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            # RFC 3339 in UTC is read as UTC: the session's zone is pinned
            values = {"low": facts.min_time, "high": facts.max_time, "parts": parts}
            await cur.execute(f"SELECT s.step::text FROM ({query}) s WHERE s.step IS NOT NULL ORDER BY s.step", values)
            steps = [text for (text,) in await cur.fetchall()]
    return [TimeRange(from_time=start, before_time=end) for start, end in pairwise((None, *steps, None))]


def _count(size: int, part_bytes: int) -> int:
    return max(-(-size // part_bytes), 2 if size > min(_SPLIT_BYTES, part_bytes) else 1)


def _row_bytes(schema: pa.Schema) -> int:
    def width(kind: pa.DataType) -> int:
        try:
            return -(-int(kind.bit_width) // 8)
        except ValueError:
            return _VARIABLE_BYTES

    return sum(width(field.type) for field in schema)
