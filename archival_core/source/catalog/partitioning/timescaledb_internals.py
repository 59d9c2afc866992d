"""What is asked of TimescaleDB's own tables: in this one module, in the forms that are known (2.10 to 2.29).

`timescaledb_information` does not say which table holds a chunk's compressed rows, whether a chunk is frozen, or what a
continuous aggregate has yet to look at. `_timescaledb_catalog` says so, in columns that releases move. Which columns there
are is looked up with every question, in the caller's transaction, because an extension can be updated under a running
service. Where no known form is found, a `PermanentError` (`unknown-timescaledb`) says what is missing: nobody may guess in
its place.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import dict_row, tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, Relation

_LOG = logging.getLogger(__name__)

UNKNOWN: Final = "unknown-timescaledb"

#: What TimescaleDB stores where a range has no end.
NO_BEGIN: Final = -(2**63)
NO_END: Final = 2**63 - 1

_COLUMNS: Final[LiteralString] = """
SELECT (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'timescaledb') AS version, c.relname::text AS name,
       array_agg(a.attname::text) AS columns
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = '_timescaledb_catalog'
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relname IN ('chunk', 'chunk_constraint', 'dimension', 'dimension_slice', 'compression_settings', 'hypertable',
                    'continuous_agg', 'continuous_aggs_bucket_function',
                    'continuous_aggs_hypertable_invalidation_log', 'continuous_aggs_materialization_invalidation_log',
                    'continuous_aggs_materialization_ranges')
GROUP BY c.relname
"""

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

#: SQL of the oid of the table with a chunk's compressed rows; no row where there is none.
_COMPRESSED_BY_NAME: Final[LiteralString] = """
SELECT t.oid FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN _timescaledb_catalog.chunk u ON u.schema_name = n.nspname AND u.table_name = c.relname
JOIN _timescaledb_catalog.chunk k ON k.id = u.compressed_chunk_id
JOIN pg_catalog.pg_namespace m ON m.nspname = k.schema_name
JOIN pg_catalog.pg_class t ON t.relnamespace = m.oid AND t.relname = k.table_name
WHERE c.oid = %(chunk)s::bigint::oid
"""
_COMPRESSED_BY_OID: Final[LiteralString] = """
SELECT s.compress_relid::oid FROM _timescaledb_catalog.compression_settings s
WHERE s.relid = %(chunk)s::bigint::oid AND s.compress_relid IS NOT NULL
"""
_NAMED: Final[LiteralString] = """
SELECT n.nspname AS schema, c.relname AS name, c.relfilenode::bigint AS file
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid IN (
"""

# What was written waits in the log of the hypertable until any of its aggregates is refreshed; then each aggregate gets it,
# widened to whole buckets. The same is done here for what waits: exactly for buckets of one width from TimescaleDB's own
# origin, and for all others with the width of a bucket, which in months or in a time zone is somewhat more than it says.
_BUCKET_IN_FUNCTION: Final[LiteralString] = """
SELECT CASE WHEN b.bucket_width ~ '^\\d+$' THEN b.bucket_width::numeric
            ELSE extract(epoch FROM b.bucket_width::interval)::numeric * 1000000 END AS width,
       to_jsonb(b) ->> 'bucket_fixed_width' = 'true' AND to_jsonb(b) ->> 'bucket_func' NOT LIKE '%%time_bucket_ng(%%'
           AND coalesce(to_jsonb(b) ->> 'bucket_origin', to_jsonb(b) ->> 'bucket_offset', to_jsonb(b) ->> 'bucket_timezone')
               IS NULL AS is_plain
"""
_BUCKET_IN_AGGREGATE: Final[LiteralString] = """
SELECT CASE WHEN a.bucket_width > 0 THEN a.bucket_width::numeric
            ELSE extract(epoch FROM b.bucket_width::interval)::numeric * 1000000 END AS width,
       a.bucket_width > 0 AND b.mat_hypertable_id IS NULL AS is_plain
"""
_PENDING: Final[LiteralString] = """
SELECT format('%%I.%%I', a.user_view_schema, a.user_view_name) AS aggregate, log.lowest, log.greatest
FROM _timescaledb_catalog.hypertable h
JOIN _timescaledb_catalog.continuous_agg a ON a.raw_hypertable_id = h.id
LEFT JOIN _timescaledb_catalog.continuous_aggs_bucket_function b ON b.mat_hypertable_id = a.mat_hypertable_id
CROSS JOIN LATERAL ({bucket}) bucket
CROSS JOIN LATERAL (
    SELECT lowest_modified_value AS lowest, greatest_modified_value AS greatest,
           CASE WHEN is_plain THEN lowest_modified_value - mod(mod(lowest_modified_value - %(origin)s, width) + width, width)
                ELSE lowest_modified_value - coalesce(width * 1.05, 1e20) END AS first,
           CASE WHEN is_plain THEN greatest_modified_value + width - 1
                                   - mod(mod(greatest_modified_value - %(origin)s, width) + width, width)
                ELSE greatest_modified_value + coalesce(width * 1.05, 1e20) END AS last
    FROM _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log WHERE hypertable_id = h.id
    UNION ALL
    SELECT lowest_modified_value, greatest_modified_value, lowest_modified_value, greatest_modified_value
    FROM _timescaledb_catalog.continuous_aggs_materialization_invalidation_log WHERE materialization_id = a.mat_hypertable_id
    {ranges}
) log
WHERE h.schema_name = %(schema)s AND h.table_name = %(name)s AND log.first <= %(last)s AND log.last >= %(first)s
ORDER BY 1, 2, 3
"""
# What a refresh has begun to look at and not finished.
_RANGES: Final[LiteralString] = """
    UNION ALL
    SELECT lowest_modified_value, greatest_modified_value, lowest_modified_value, greatest_modified_value
    FROM _timescaledb_catalog.continuous_aggs_materialization_ranges WHERE materialization_id = a.mat_hypertable_id
"""


_MODIFIED: Final = ("lowest_modified_value", "greatest_modified_value")
#: Where buckets begin: Monday, 2000-01-03, in microseconds since 1970.
_ORIGIN: Final = 946_857_600_000_000


@dataclass(frozen=True, slots=True)
class Pending:
    """A stretch of time that a continuous aggregate has yet to look at, both ends included."""

    aggregate: str
    #: microseconds since 1970, or the integer of integer time; `NO_BEGIN` and `NO_END` where there is none
    lowest: int
    greatest: int


@dataclass(frozen=True, slots=True)
class _Form:
    """Which of the tables there are, and their columns."""

    version: str
    columns: Mapping[str, frozenset[str]]

    def has(self, table: str, *columns: str) -> bool:
        return self.columns.get(table, frozenset()) >= set(columns)

    def unknown(self, what: str) -> PermanentError:
        error = PermanentError(
            f"TimescaleDB {self.version} does not say {what} in any form that this service knows, so nothing is removed on"
            " that ground: update the service to a release that knows this version of TimescaleDB",
            code=UNKNOWN,
        )
        _LOG.error("%s", error)
        return error


async def one_chunk(conn: AsyncConnection[Any], hypertable: Relation, chunk: Relation) -> tuple[dict[str, Any] | None, bool]:
    """What the view `chunks` says of `chunk`, `None` if it is no chunk of `hypertable`; and whether a known form says so at
    all."""
    form = await _form(conn)
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


async def is_frozen(conn: AsyncConnection[Any], chunk: Chunk) -> bool:
    """Whether somebody has frozen `chunk`. Raises `PermanentError` (`unknown-timescaledb`, `unknown-chunk`)."""
    form = await _form(conn)
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


async def compressed_oid(conn: AsyncConnection[Any], chunk: Chunk) -> LiteralString | None:
    """SQL with the parameter `chunk`, an oid: the oid of the table that holds the compressed rows of a chunk, or no row.

    `None` where no known form is found and `chunk` has no compressed rows. Raises `PermanentError` (`unknown-timescaledb`)
    where it has.
    """
    form = await _form(conn)
    if form.has("chunk", "id", "schema_name", "table_name", "compressed_chunk_id"):
        return _COMPRESSED_BY_NAME
    if form.has("compression_settings", "relid", "compress_relid"):
        return _COMPRESSED_BY_OID
    if chunk.is_compressed:
        raise form.unknown(f"where the compressed rows of {chunk.relation} are")
    return None


async def compressed_table(conn: AsyncConnection[Any], chunk: Chunk) -> tuple[Relation, int]:
    """The table that holds the compressed rows of `chunk`, which is compressed, and its file.

    Raises `PermanentError` (`unknown-timescaledb`).
    """
    query = await compressed_oid(conn, chunk)
    assert query is not None, "given for each compressed chunk"
    async with conn.cursor(row_factory=dict_row) as cur:
        row = await (await cur.execute(_NAMED + query + ")", {"chunk": chunk.oid})).fetchone()
    if row is None:
        raise (await _form(conn)).unknown(f"where the compressed rows of {chunk.relation} are")
    return Relation(row["schema"], row["name"]), row["file"]


async def pending(
    conn: AsyncConnection[Any], hypertable: Relation, first: int, last: int, *, is_integer: bool
) -> list[Pending]:
    """What the continuous aggregates of `hypertable` have yet to look at of the time from `first` to `last`, both included.

    What was written since the last refresh counts with all of its bucket. Raises `PermanentError` (`unknown-timescaledb`).
    """
    form = await _form(conn)
    if not (
        form.has("hypertable", "id", "schema_name", "table_name")
        and form.has("continuous_agg", "mat_hypertable_id", "raw_hypertable_id", "user_view_schema", "user_view_name")
        and form.has("continuous_aggs_bucket_function", "mat_hypertable_id", "bucket_width")
        and form.has("continuous_aggs_hypertable_invalidation_log", "hypertable_id", *_MODIFIED)
        and form.has("continuous_aggs_materialization_invalidation_log", "materialization_id", *_MODIFIED)
    ):
        raise form.unknown(f"what the continuous aggregates of {hypertable} have yet to look at")
    bucket = _BUCKET_IN_AGGREGATE if form.has("continuous_agg", "bucket_width") else _BUCKET_IN_FUNCTION
    ranges = _RANGES if form.has("continuous_aggs_materialization_ranges", "materialization_id", *_MODIFIED) else ""
    values = {"schema": hypertable.schema, "name": hypertable.name, "first": first, "last": last}
    values |= {"origin": 0 if is_integer else _ORIGIN}
    async with conn.cursor(row_factory=dict_row) as cur:
        await cur.execute(_PENDING.format(bucket=bucket, ranges=ranges), values)
        return [Pending(**row) for row in await cur.fetchall()]


async def _form(conn: AsyncConnection[Any]) -> _Form:
    async with conn.cursor(row_factory=dict_row) as cur:
        rows = await (await cur.execute(_COLUMNS)).fetchall()
    version = rows[0]["version"] if rows else None
    return _Form(version or "of an unknown version", {row["name"]: frozenset(row["columns"]) for row in rows})
