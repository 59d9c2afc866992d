"""Hypertables and their chunks, as TimescaleDB's information views describe them (2.10 and later, both editions).

Only `timescaledb_information` is read here, for `_timescaledb_catalog` changes between versions
(`timescaledb_internals/`). The view of all chunks costs as much for one chunk as for all. One chunk is therefore
looked up in the catalog itself, where the catalog's form is known.
"""

from __future__ import annotations

import logging
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection, sql
from psycopg import errors as postgres
from psycopg.rows import dict_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, ChunkRange, Relation
from archival_core.source.catalog.partitioning.bounds import INTEGER_TIMES, check_bound, check_time_type, normalise
from archival_core.source.catalog.partitioning.timescaledb_internals.chunks import one_chunk
from archival_core.source.catalog.partitioning.timescaledb_internals.forms import NO_BEGIN, NO_END

_LOG = logging.getLogger(__name__)

EXTENSION: Final[LiteralString] = """
SELECT e.extversion AS version, n.nspname AS schema
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'timescaledb'
"""

# The hypertable of a continuous aggregate is left out. The view `hypertables` leaves it out too, but counts the chunks of
# each hypertable.
IS_HYPERTABLE: Final[LiteralString] = """
SELECT 1 FROM timescaledb_information.dimensions
WHERE hypertable_schema = %(schema)s AND hypertable_name = %(name)s AND dimension_number = 1
  AND NOT EXISTS (SELECT FROM timescaledb_information.continuous_aggregates
                  WHERE materialization_hypertable_schema = %(schema)s AND materialization_hypertable_name = %(name)s)
"""

DIMENSIONS: Final[LiteralString] = """
SELECT column_name, column_type::text AS time_type
FROM timescaledb_information.dimensions
WHERE hypertable_schema = %(schema)s AND hypertable_name = %(name)s
ORDER BY dimension_number
"""
DIMENSION: Final[LiteralString] = DIMENSIONS + " LIMIT 1"

CHUNKS: Final[LiteralString] = """
SELECT chunk_schema, chunk_name, primary_dimension, primary_dimension_type::text AS time_type, is_compressed,
       coalesce(range_start::text, range_start_integer::text) AS range_start,
       coalesce(range_end::text, range_end_integer::text) AS range_end,
       to_regclass(format('%%I.%%I', chunk_schema, chunk_name))::oid::bigint AS oid
FROM timescaledb_information.chunks
WHERE hypertable_schema = %(schema)s AND hypertable_name = %(name)s
"""
ONE_CHUNK: Final[LiteralString] = CHUNKS + " AND chunk_schema = %(chunk_schema)s AND chunk_name = %(chunk_name)s"
BY_TIME: Final[LiteralString] = (
    CHUNKS + " AND range_end <= %(bound)s::timestamptz ORDER BY chunks.range_start, chunk_schema, chunk_name"
)
BY_INTEGER: Final[LiteralString] = (
    CHUNKS + " AND range_end_integer <= %(bound)s::bigint ORDER BY range_start_integer, chunk_schema, chunk_name"
)

#: The bounds that stand for an open end. The last chunk of a hypertable holds the rows at `infinity` too.
_OPEN = frozenset({str(NO_BEGIN), str(NO_END), "-infinity", "infinity"})


async def is_hypertable(conn: AsyncConnection[Any], table: Relation) -> bool:
    """Whether `table` is a hypertable. False also where the extension is not installed."""
    return await (await conn.execute(EXTENSION)).fetchone() is not None and await is_among_hypertables(conn, table)


async def is_among_hypertables(conn: AsyncConnection[Any], table: Relation) -> bool:
    """The same, where the extension is installed."""
    return await (await conn.execute(IS_HYPERTABLE, _names(table))).fetchone() is not None


async def dimensions(conn: AsyncConnection[Any], hypertable: Relation) -> int:
    """How many dimensions the hypertable has; the chunks of one with several share their ranges of time."""
    async with conn.cursor() as cur:
        return len(await (await cur.execute(DIMENSIONS, _names(hypertable))).fetchall())


async def find_chunk(conn: AsyncConnection[Any], hypertable: Relation, chunk: Relation) -> Chunk | None:
    """The chunk of that name, if it is one of the hypertable's and was not dropped while the catalog was read."""
    row, is_known = await one_chunk(conn, hypertable, chunk)
    if not is_known:
        async with conn.cursor(row_factory=dict_row) as cur:
            await cur.execute(ONE_CHUNK, _names(hypertable) | {"chunk_schema": chunk.schema, "chunk_name": chunk.name})
            row = await cur.fetchone()
    return _chunk(hypertable, row) if row and row["oid"] is not None else None


async def chunks_ending_by(conn: AsyncConnection[Any], hypertable: Relation, older_than: str | int) -> list[Chunk]:
    """Chunks whose range ends by `older_than`, by their start; those of a space dimension share theirs."""
    async with conn.cursor(row_factory=dict_row) as cur:
        dimension = await (await cur.execute(DIMENSION, _names(hypertable))).fetchone()
        if dimension is None:
            return []  # dropped while the catalog is read
        time_type = dimension["time_type"]
        check_time_type(hypertable, dimension["column_name"], time_type)
        bound = check_bound(older_than, time_type)
        query = BY_INTEGER if time_type in INTEGER_TIMES else BY_TIME
        await cur.execute(query, _names(hypertable) | {"bound": bound})
        return _chunks(hypertable, await cur.fetchall())


async def all_chunks(conn: AsyncConnection[Any], hypertable: Relation) -> list[Chunk]:
    """Every chunk that can be described."""
    async with conn.cursor(row_factory=dict_row) as cur:
        await cur.execute(CHUNKS, _names(hypertable))
        return _chunks(hypertable, await cur.fetchall())


async def compressed_bytes(conn: AsyncConnection[Any], chunk: Chunk) -> int | None:
    """Bytes of a compressed chunk with its compressed data; `None` if they cannot be told now.

    `chunks_detailed_size` waits for an uncommitted drop of any chunk of the hypertable, so give it a lock_timeout.
    """
    async with conn.cursor(row_factory=dict_row) as cur:
        extension = await (await cur.execute(EXTENSION)).fetchone()
        if extension is None:
            return None
        size = sql.SQL(
            "SELECT total_bytes FROM {}.chunks_detailed_size(%s::regclass) WHERE chunk_schema = %s AND chunk_name = %s"
        ).format(sql.Identifier(extension["schema"]))
        try:
            async with conn.transaction():
                await cur.execute(size, (chunk.hypertable.sql, chunk.relation.schema, chunk.relation.name))
                row = await cur.fetchone()
        except (postgres.LockNotAvailable, postgres.UndefinedFunction, postgres.FeatureNotSupported):
            return None
    return None if row is None else row["total_bytes"]


async def total_bytes(conn: AsyncConnection[Any], hypertable: Relation) -> dict[Relation, int]:
    """Bytes of every chunk with its compressed data; empty if they cannot be told now, as in `compressed_bytes`."""
    async with conn.cursor(row_factory=dict_row) as cur:
        extension = await (await cur.execute(EXTENSION)).fetchone()
        if extension is None:
            return {}
        sizes = sql.SQL("SELECT chunk_schema, chunk_name, total_bytes FROM {}.chunks_detailed_size(%s::regclass)").format(
            sql.Identifier(extension["schema"])
        )
        try:
            async with conn.transaction():
                await cur.execute(sizes, (hypertable.sql,))
                rows = await cur.fetchall()
        except (postgres.LockNotAvailable, postgres.UndefinedFunction, postgres.FeatureNotSupported):
            return {}
    return {Relation(row["chunk_schema"], row["chunk_name"]): row["total_bytes"] for row in rows if row["total_bytes"]}


def _names(table: Relation) -> dict[str, str]:
    return {"schema": table.schema, "name": table.name}


def _chunks(hypertable: Relation, rows: list[dict[str, Any]]) -> list[Chunk]:
    """The chunks that can be described. A chunk that was dropped while the catalog was read has no oid."""
    found: list[Chunk] = []
    for row in rows:
        check_time_type(hypertable, row["primary_dimension"], row["time_type"])
        if row["oid"] is not None:
            try:
                found.append(_chunk(hypertable, row))
            except PermanentError as error:
                _LOG.warning("%s: a chunk is not listed: %s", hypertable, error)
    return found


def _chunk(hypertable: Relation, row: dict[str, Any]) -> Chunk:
    check_time_type(hypertable, row["primary_dimension"], row["time_type"])
    try:
        start, end = (
            None if row[bound] in _OPEN else normalise(row[bound], row["time_type"]) for bound in ("range_start", "range_end")
        )
    except ValueError as error:
        raise PermanentError(
            f"the range of {row['chunk_name']!r} cannot be read: {error}", code="unsupported-partitioning"
        ) from error
    return Chunk(
        hypertable=hypertable,
        relation=Relation(row["chunk_schema"], row["chunk_name"]),
        kind="timescaledb",
        time_column=row["primary_dimension"],
        time_type=row["time_type"],
        range=ChunkRange(start, end),
        is_compressed=row["is_compressed"],
        oid=row["oid"],
    )
