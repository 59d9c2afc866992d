"""What TimescaleDB's own tables say of chunks: one chunk, whether somebody has frozen it, and where the first one begins."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import dict_row, tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.source.catalog.partitioning.timescaledb_internals.forms import NO_BEGIN, Form

# Up to 2.28 a chunk is known by its name, from 2.29 on by its oid.
_CHUNK_BY_NAME: Final[LiteralString] = """
SELECT u.status FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN _timescaledb_catalog.chunk u ON u.schema_name = n.nspname AND u.table_name = c.relname
WHERE c.oid = %(chunk)s::bigint::oid
"""
_CHUNK_BY_OID: Final[LiteralString] = """
SELECT u.status FROM _timescaledb_catalog.chunk u WHERE u.relid = %(chunk)s::bigint::oid
"""
_FROZEN: Final = 4

# What the view `timescaledb_information.chunks` says of one chunk. The view itself numbers the dimensions of all chunks
# before it leaves out the others: with 10,000 chunks each look at one chunk takes 100 ms.
_ONE_CHUNK: Final[LiteralString] = """
SELECT n.nspname AS chunk_schema, c.relname AS chunk_name, d.column_name AS primary_dimension, d.column_type::text AS time_type,
       u.status & 1 = 1 AS is_compressed, to_regclass(format('%%I.%%I', n.nspname, c.relname))::oid::bigint AS oid, bounds.*
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN _timescaledb_catalog.chunk u ON {is_chunk} AND NOT u.osm_chunk AND (to_jsonb(u) ->> 'dropped') IS DISTINCT FROM 'true'
JOIN _timescaledb_catalog.hypertable h ON h.id = u.hypertable_id AND h.schema_name = %(schema)s AND h.table_name = %(name)s
{slices}
JOIN _timescaledb_catalog.dimension d ON d.id = s.dimension_id
CROSS JOIN LATERAL (
    SELECT CASE WHEN is_time THEN {to_timestamp}(s.range_start)::text ELSE s.range_start::text END AS range_start,
           CASE WHEN is_time THEN {to_timestamp}(s.range_end)::text ELSE s.range_end::text END AS range_end
    FROM (SELECT d.column_type::text IN ('timestamp without time zone', 'timestamp with time zone', 'date', 'uuid')) a (is_time)
) bounds
WHERE n.nspname = %(chunk_schema)s AND c.relname = %(chunk_name)s
ORDER BY d.id LIMIT 1
"""
_NAMED_CHUNK: Final[LiteralString] = "u.schema_name = n.nspname AND u.table_name = c.relname"
_SLICES_OF_CONSTRAINTS: Final[LiteralString] = """
JOIN _timescaledb_catalog.chunk_constraint k ON k.chunk_id = u.id
JOIN _timescaledb_catalog.dimension_slice s ON s.id = k.dimension_slice_id
"""
_SLICES_OF_CHUNK: Final[LiteralString] = "JOIN _timescaledb_catalog.dimension_slice s ON s.chunk_id = u.id"
_TO_TIMESTAMP: Final[LiteralString] = """
SELECT n.nspname = '_timescaledb_functions' AS is_new
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.proname = 'to_timestamp' AND p.pronargs = 1 AND n.nspname IN ('_timescaledb_functions', '_timescaledb_internal')
ORDER BY is_new DESC LIMIT 1
"""

# Every chunk has a slice of each dimension. Of a chunk that is gone a slice may be left. A function that gives a row its place
# would make the column's own values say nothing.
_LEAST_SLICE: Final[LiteralString] = """
SELECT d.column_name AS column, d.column_type::text AS time_type, pg_catalog.min(s.range_start) AS least
FROM _timescaledb_catalog.hypertable h
JOIN _timescaledb_catalog.dimension d ON d.hypertable_id = h.id AND d.num_slices IS NULL
    AND to_jsonb(d) @> '{"partitioning_func": null}'
JOIN _timescaledb_catalog.dimension_slice s ON s.dimension_id = d.id
WHERE h.schema_name = %(schema)s AND h.table_name = %(name)s
GROUP BY d.id ORDER BY d.id LIMIT 1
"""


async def one_chunk(conn: AsyncConnection[Any], hypertable: Relation, chunk: Relation) -> tuple[dict[str, Any] | None, bool]:
    """What the view `chunks` says of `chunk`, `None` if it is no chunk of `hypertable`; and whether a known form says so at
    all."""
    form = await Form.of(conn)
    async with conn.cursor(row_factory=dict_row) as cur:
        function = await (await cur.execute(_TO_TIMESTAMP)).fetchone()
        has_dimensions = form.has("dimension", "id", "column_name", "column_type") and form.has(
            "hypertable", "id", "schema_name"
        )
        if function is None or not has_dimensions or not form.has("chunk", "id", "hypertable_id", "status", "osm_chunk"):
            return None, False
        if form.has("chunk", "schema_name", "table_name") and form.has("chunk_constraint", "chunk_id", "dimension_slice_id"):
            is_chunk, slices = _NAMED_CHUNK, _SLICES_OF_CONSTRAINTS
        elif form.has("chunk", "relid") and form.has("dimension_slice", "chunk_id"):
            is_chunk, slices = "u.relid = c.oid", _SLICES_OF_CHUNK
        else:
            return None, False
        schema: LiteralString = "_timescaledb_functions" if function["is_new"] else "_timescaledb_internal"
        query = _ONE_CHUNK.format(is_chunk=is_chunk, slices=slices, to_timestamp=f"{schema}.to_timestamp")
        names = {"schema": hypertable.schema, "name": hypertable.name}
        await cur.execute(query, names | {"chunk_schema": chunk.schema, "chunk_name": chunk.name})
        return await cur.fetchone(), True


async def least_slice(conn: AsyncConnection[Any], hypertable: Relation) -> tuple[str, str, int] | None:
    """The time dimension's column, its type, and where the first chunk begins: microseconds since 1970, or the integer.

    `None` where there is no chunk, where the first one has no begin, and where no known form says it.
    """
    form = await Form.of(conn)
    known = form.has("hypertable", "id", "schema_name", "table_name") and form.has(
        "dimension_slice", "dimension_id", "range_start"
    )
    if not known or not form.has("dimension", "hypertable_id", "column_name", "column_type", "num_slices", "partitioning_func"):
        return None
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(_LEAST_SLICE, {"schema": hypertable.schema, "name": hypertable.name})).fetchone()
    return None if row is None or row[2] == NO_BEGIN else row


async def is_frozen(conn: AsyncConnection[Any], chunk: Chunk) -> bool:
    """Whether somebody has frozen `chunk`. Raises `PermanentError` (`unknown-timescaledb`, `unknown-chunk`)."""
    form = await Form.of(conn)
    if form.has("chunk", "schema_name", "table_name", "status"):
        query = _CHUNK_BY_NAME
    elif form.has("chunk", "relid", "status"):
        query = _CHUNK_BY_OID
    else:
        raise form.unknown(f"whether {chunk.relation} is frozen")
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(query, {"chunk": chunk.oid})).fetchone()
    if row is None:
        raise PermanentError(f"{chunk.relation} is no chunk any more", code="unknown-chunk")
    return bool(row[0] & _FROZEN)
