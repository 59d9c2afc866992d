"""Tables that PostgreSQL itself partitions by RANGE of one column, pg_partman's among them."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import dict_row, tuple_row

from archival_core import telemetry
from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, ChunkRange, Relation
from archival_core.model.chunks.moment import moment
from archival_core.model.insight.chunk_state import position
from archival_core.source.catalog.partitioning.bounds import (
    CLOCK_TIMES,
    INTEGER_TIMES,
    bound_moment,
    check_time_type,
    normalise,
)

_LOG = logging.getLogger(__name__)

# Domains cannot be resolved by the planner's bounds, so the declared type is the type.
PARTITIONED_TABLE: Final[LiteralString] = """
SELECT p.partstrat = 'r' AS by_range, p.partnatts AS key_columns, a.attname AS time_column,
       format_type(a.atttypid, NULL) AS time_type
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0] AND a.attnum > 0
WHERE n.nspname = %(schema)s AND c.relname = %(name)s AND c.relpersistence <> 't'
"""

# PostgreSQL before 14 detaches no partition CONCURRENTLY.
PARTITIONS: Final[LiteralString] = """
SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS relkind, pg_get_expr(c.relpartbound, c.oid) AS bound,
       c.oid::bigint AS oid, coalesce((to_jsonb(i) ->> 'inhdetachpending')::boolean, false) AS is_leaving
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE pn.nspname = %(schema)s AND p.relname = %(name)s
"""
ONE_PARTITION: Final[LiteralString] = PARTITIONS + " AND n.nspname = %(chunk_schema)s AND c.relname = %(chunk_name)s"

# An operator class of somebody's own may have another order. A bound has no columns, so no table is looked at to print it.
_BOUNDS: Final[LiteralString] = """
SELECT a.attname, format_type(a.atttypid, NULL), pg_get_expr(c.relpartbound, 0)
FROM pg_catalog.pg_partitioned_table p
JOIN pg_catalog.pg_opclass o ON o.oid = p.partclass[0] AND o.opcdefault
JOIN pg_catalog.pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] AND a.attnum > 0
JOIN pg_catalog.pg_inherits i ON i.inhparent = p.partrelid
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
WHERE p.partrelid = %s::bigint::oid AND p.partstrat = 'r' AND p.partnatts = 1
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
    """The partition key of `table`; `None` if it is not partitioned. Raises as `key_of` does."""
    return key_of(table, await key_answer(conn, table))


async def key_answer(conn: AsyncConnection[Any], table: Relation) -> list[dict[str, Any]]:
    """What `key_of` tells the partition key of `table` by."""
    async with conn.cursor(row_factory=dict_row) as cur:
        return await (await cur.execute(PARTITIONED_TABLE, {"schema": table.schema, "name": table.name})).fetchall()


def key_of(table: Relation, answer: Sequence[dict[str, Any]]) -> RangeKey | None:
    """The partition key of `table` by the answer to `PARTITIONED_TABLE`; `None` if it is not partitioned.

    Raises `PermanentError` (`unsupported-partitioning`, `unsupported-time-type`) for any but one column by range.
    """
    if not answer:
        return None
    row = answer[0]
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
    """The partition of that name if it is one of the table's. Raises as `chunk_of` does."""
    return chunk_of(table, key, chunk, await chunk_answer(conn, table, chunk))


async def chunk_answer(conn: AsyncConnection[Any], table: Relation, chunk: Relation) -> dict[str, Any] | None:
    """What `chunk_of` tells the partition by."""
    names = {"schema": table.schema, "name": table.name, "chunk_schema": chunk.schema, "chunk_name": chunk.name}
    async with conn.cursor(row_factory=dict_row) as cur:
        return await (await cur.execute(ONE_PARTITION, names)).fetchone()


def chunk_of(table: Relation, key: RangeKey, chunk: Relation, row: dict[str, Any] | None) -> Chunk | None:
    """The partition of that name by the answer to `ONE_PARTITION`, if it is one of the table's.

    Raises `PermanentError` for the DEFAULT partition (`default-partition`), which has no range, for a foreign table
    (`foreign-partition`), which no snapshot covers, and for one that is being detached (`detach-pending`).
    """
    if row is None or row["bound"] is None:
        return None
    if row["bound"] == _DEFAULT:
        raise PermanentError(
            f"{chunk} is the DEFAULT partition of {table}: it has no range, so it cannot be archived; "
            "move its rows into partitions with a range",
            code="default-partition",
        )
    if row["relkind"] == "f":
        raise PermanentError(f"{chunk} is a foreign table: archive it where it is stored", code="foreign-partition")
    if row["is_leaving"]:
        raise PermanentError(
            f"{chunk} is being detached from {table}: complete that with ALTER TABLE … DETACH PARTITION … FINALIZE",
            code="detach-pending",
        )
    return _chunk(table, key, row)


async def chunks_ending_by(conn: AsyncConnection[Any], table: Relation, key: RangeKey, older_than: str | int) -> list[Chunk]:
    """Partitions whose range ends by `older_than`, by their start, without the DEFAULT partition and foreign tables."""
    bound = bound_moment(older_than, key.type_name)
    ended = [chunk for chunk in await all_chunks(conn, table, key) if _ends_by(chunk.range, bound)]
    return sorted(ended, key=lambda chunk: position(chunk.range.start))


async def all_chunks(conn: AsyncConnection[Any], table: Relation, key: RangeKey) -> list[Chunk]:
    """Every partition, without the DEFAULT partition, foreign tables, and partitions that are being detached.

    A partition that nobody can describe is left out and written to the log, so that the others can be listed.
    """
    async with conn.cursor(row_factory=dict_row) as cur:
        await cur.execute(PARTITIONS, {"schema": table.schema, "name": table.name})
        rows = await cur.fetchall()
    found: list[Chunk] = []
    for row in rows:
        # a partition that was dropped while the catalog was read has no bound
        if row["bound"] in (None, _DEFAULT) or row["relkind"] == "f" or row["is_leaving"]:
            continue
        try:
            found.append(_chunk(table, key, row))
        except PermanentError as error:
            _LOG.warning(
                "%s: a partition is not listed: %s",
                table,
                error,
                extra=telemetry.named("archival.partition.unreadable", partition=row["name"]),
            )
    return found


async def least_bound(conn: AsyncConnection[Any], oid: int) -> tuple[str, str, int] | None:
    """The key's column, its type, and where the first partition begins: microseconds since 1970, or the integer.

    `None` unless every partition of the table `oid` has such a begin: MINVALUE, an infinity and the DEFAULT partition are none.
    """
    async with conn.cursor(row_factory=tuple_row) as cur:
        rows = await (await cur.execute(_BOUNDS, (oid,))).fetchall()
    begins: list[int] = []
    for _, time_type, bound in rows:
        try:
            begin = moment(_range("a partition", bound, time_type).start)
        except PermanentError:
            return None
        if not isinstance(begin, int):
            return None
        begins.append(begin)
    return (rows[0][0], rows[0][1], min(begins)) if begins else None


def _ends_by(span: ChunkRange, bound: int) -> bool:
    end = moment(span.end)
    return isinstance(end, int) and end <= bound


def _chunk(table: Relation, key: RangeKey, row: dict[str, Any]) -> Chunk:
    return Chunk(
        hypertable=table,
        relation=Relation(row["schema"], row["name"]),
        kind="native",
        time_column=key.column,
        time_type=key.type_name,
        range=_range(row["name"], row["bound"], key.type_name),
        oid=row["oid"],
    )


def _range(name: str, bound: str, time_type: str) -> ChunkRange:
    match = _BOUND.fullmatch(bound)
    try:
        if match is None:
            raise ValueError("not FOR VALUES FROM … TO …")
        start, end = (
            None if text in ("MINVALUE", "MAXVALUE") else normalise(text.strip("'"), time_type) for text in match.groups()
        )
    except ValueError as error:
        raise PermanentError(
            f"the bounds of {name!r} cannot be read: {bound} ({error})", code="unsupported-partitioning"
        ) from error
    return ChunkRange(start, end)
