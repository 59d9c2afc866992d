"""Tables that PostgreSQL itself partitions by RANGE of one column, pg_partman's among them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from archival_core.errors import PermanentError
from archival_core.model.chunk import Chunk, ChunkRange, Relation
from archival_core.source.catalog.bounds import CLOCK_TIMES, INTEGER_TIMES, check_bound, check_time_type, normalise

# Domains cannot be resolved by the planner's bounds, so the declared type is the type.
PARTITIONED_TABLE: Final[LiteralString] = """
SELECT p.partstrat = 'r' AS by_range, p.partnatts AS key_columns, a.attname AS time_column,
       format_type(a.atttypid, NULL) AS time_type
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0] AND a.attnum > 0
WHERE n.nspname = %(schema)s AND c.relname = %(name)s
"""

PARTITIONS: Final[LiteralString] = """
SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS relkind, pg_get_expr(c.relpartbound, c.oid) AS bound,
       c.oid::bigint AS oid
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE pn.nspname = %(schema)s AND p.relname = %(name)s
"""
ONE_PARTITION: Final[LiteralString] = PARTITIONS + " AND n.nspname = %(chunk_schema)s AND c.relname = %(chunk_name)s"

# The server compares: its timestamps reach beyond Python's.
ENDING_BY_TIME: Final[LiteralString] = """
SELECT position - 1 AS position FROM unnest(%(starts)s::text[], %(ends)s::text[]) WITH ORDINALITY AS b (starts, ends, position)
WHERE ends::timestamptz <= %(bound)s::timestamptz ORDER BY starts::timestamptz NULLS FIRST
"""
ENDING_BY_INTEGER: Final[LiteralString] = """
SELECT position - 1 AS position FROM unnest(%(starts)s::text[], %(ends)s::text[]) WITH ORDINALITY AS b (starts, ends, position)
WHERE ends::bigint <= %(bound)s::bigint ORDER BY starts::bigint NULLS FIRST
"""

_DEFAULT = "DEFAULT"
_BOUND = re.compile(r"FOR VALUES FROM \((MINVALUE|'?[^']*'?)\) TO \((MAXVALUE|'?[^']*'?)\)")


@dataclass(frozen=True, slots=True)
class RangeKey:
    """The column by whose ranges a table is partitioned."""

    column: str
    #: as in `Chunk.time_type`
    type_name: str


async def range_key(conn: AsyncConnection[Any], table: Relation) -> RangeKey | None:
    """The partition key of `table`; `None` if it is not partitioned.

    Raises `PermanentError` (`unsupported-partitioning`, `unsupported-time-type`) for any but one column by range.
    """
    async with conn.cursor(row_factory=dict_row) as cur:
        row = await (await cur.execute(PARTITIONED_TABLE, {"schema": table.schema, "name": table.name})).fetchone()
    if row is None:
        return None
    if not row["by_range"] or row["key_columns"] != 1 or row["time_column"] is None:
        raise PermanentError(
            f"{table} is not partitioned by RANGE of exactly one column; only such tables can be archived",
            code="unsupported-partitioning",
        )
    check_time_type(table, row["time_column"], row["time_type"])
    if row["time_type"] not in INTEGER_TIMES | (CLOCK_TIMES - {"uuid"}):
        raise PermanentError(
            f"{table} is partitioned by {row['time_column']!r} of type uuid, whose bounds are not times",
            code="unsupported-time-type",
        )
    return RangeKey(row["time_column"], row["time_type"])


async def find_chunk(conn: AsyncConnection[Any], table: Relation, key: RangeKey, chunk: Relation) -> Chunk | None:
    """The partition of that name if it is one of the table's.

    Raises `PermanentError` for the DEFAULT partition (`default-partition`), which has no range, and for a foreign table
    (`foreign-partition`), which no snapshot covers.
    """
    names = {"schema": table.schema, "name": table.name, "chunk_schema": chunk.schema, "chunk_name": chunk.name}
    async with conn.cursor(row_factory=dict_row) as cur:
        row = await (await cur.execute(ONE_PARTITION, names)).fetchone()
    if row is None:
        return None
    if row["bound"] == _DEFAULT:
        raise PermanentError(
            f"{chunk} is the DEFAULT partition of {table}: it has no range, so it cannot be archived; "
            "move its rows into partitions with a range",
            code="default-partition",
        )
    if row["relkind"] == "f":
        raise PermanentError(f"{chunk} is a foreign table: archive it where it is stored", code="foreign-partition")
    return _chunk(table, key, row)


async def chunks_ending_by(conn: AsyncConnection[Any], table: Relation, key: RangeKey, older_than: str | int) -> list[Chunk]:
    """Partitions whose range ends by `older_than`, by their start, without the DEFAULT partition and foreign tables."""
    bound = check_bound(older_than, key.type_name)
    chunks = await all_chunks(conn, table, key)
    async with conn.cursor(row_factory=dict_row) as cur:
        await cur.execute(
            ENDING_BY_INTEGER if key.type_name in INTEGER_TIMES else ENDING_BY_TIME,
            {"starts": [c.range.start for c in chunks], "ends": [c.range.end for c in chunks], "bound": bound},
        )
        return [chunks[row["position"]] for row in await cur.fetchall()]


async def all_chunks(conn: AsyncConnection[Any], table: Relation, key: RangeKey) -> list[Chunk]:
    """Every partition, without the DEFAULT one and foreign tables."""
    async with conn.cursor(row_factory=dict_row) as cur:
        await cur.execute(PARTITIONS, {"schema": table.schema, "name": table.name})
        rows = await cur.fetchall()
    return [_chunk(table, key, row) for row in rows if row["bound"] != _DEFAULT and row["relkind"] != "f"]


def _chunk(table: Relation, key: RangeKey, row: dict[str, Any]) -> Chunk:
    match = _BOUND.fullmatch(row["bound"])
    if match is None:
        raise PermanentError(f"the bounds of {row['name']!r} cannot be read: {row['bound']}", code="unsupported-partitioning")
    start, end = (
        None if text in ("MINVALUE", "MAXVALUE") else normalise(text.strip("'"), key.type_name) for text in match.groups()
    )
    return Chunk(
        hypertable=table,
        relation=Relation(row["schema"], row["name"]),
        kind="native",
        time_column=key.column,
        time_type=key.type_name,
        range=ChunkRange(start, end),
        oid=row["oid"],
    )
