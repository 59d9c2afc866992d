"""What the source database says about its hypertables and their chunks.

One interface for TimescaleDB's hypertables and PostgreSQL's own range partitions. All functions work on an idle connection and
inside the caller's transaction, and leave neither settings nor a failed transaction behind. psycopg's errors come out
translated (`source/translate.py`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, LiteralString
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection
from psycopg.rows import dict_row, tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, Column, DatabaseIdentity, Relation, ServerIdentity
from archival_core.source.catalog.definition import ddl
from archival_core.source.catalog.partitioning import native, timescaledb
from archival_core.source.catalog.partitioning.tree import readable_leaves
from archival_core.source.catalog.primary import standby_error
from archival_core.source.session import pinned, piped
from archival_core.source.translate import source_errors

# What belongs to one type is looked up in subqueries. As joins, they made the statement take twice the time in a new session,
# all of it to find in which order to join.
COLUMNS: Final[LiteralString] = """
-- NOT MATERIALIZED: each type is found by its oid, however many types there are
WITH RECURSIVE type AS NOT MATERIALIZED (
    -- an int2vector and an oidvector begin at 0, which no list does: they go as text
    SELECT *, typelem <> 0 AND typcategory = 'A' AND typlen = -1
              AND oid NOT IN ('pg_catalog.int2vector'::regtype, 'pg_catalog.oidvector'::regtype) AS is_array
    FROM pg_catalog.pg_type
), declared AS (
    SELECT a.attnum, a.attname, a.attnotnull, a.atttypid, a.atttypmod, a.attgenerated, a.attidentity
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = %(name)s AND a.attnum > 0 AND NOT a.attisdropped
), resolved (attnum, type, modifier, is_array, is_nested, element, element_modifier) AS (
    SELECT attnum, atttypid, atttypmod, false, false, NULL::oid, NULL::int FROM declared
    UNION ALL
    SELECT r.attnum, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END,
           CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE r.modifier END, r.is_array OR t.typtype <> 'd',
           r.is_nested OR r.is_array AND t.typtype <> 'd',
           CASE WHEN r.is_array OR t.typtype = 'd' THEN r.element ELSE t.typelem END,
           CASE WHEN r.is_array OR t.typtype = 'd' THEN r.element_modifier ELSE r.modifier END
    FROM resolved r JOIN type t ON t.oid = r.type
    WHERE t.typtype = 'd' OR t.is_array
)
SELECT d.attname AS name, d.attnum::int AS number, format_type(d.atttypid, d.atttypmod) AS type_name, d.attnotnull AS not_null,
       -- arrays in arrays, which only domains make, are of no type that the driver knows: all of it goes as text
       CASE WHEN r.is_nested THEN format_type(d.atttypid, NULL) ELSE
           (SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE n.oid = t.typnamespace) || '.' || t.typname END AS base_type,
       r.is_array AND NOT r.is_nested AS is_array, r.modifier,
       (SELECT e.extname FROM pg_catalog.pg_depend b JOIN pg_catalog.pg_extension e ON e.oid = b.refobjid
        WHERE b.classid = 'pg_catalog.pg_type'::regclass AND b.objid = t.oid AND b.deptype = 'e'
          AND b.refclassid = 'pg_catalog.pg_extension'::regclass) AS extension,
       CASE WHEN d.attgenerated = 's' THEN 'stored' WHEN d.attgenerated = 'v' THEN 'virtual'
            WHEN d.attidentity = 'a' THEN 'identity always' WHEN d.attidentity = 'd' THEN 'identity by default'
       END AS generated,
       CASE WHEN NOT r.is_nested AND t.oid IN (d.atttypid, r.element) THEN
           (SELECT o.proname FROM pg_catalog.pg_proc o
            WHERE o.oid = t.typoutput AND o.pronamespace = 'pg_catalog'::regnamespace) END AS output,
       CASE WHEN NOT r.is_nested THEN format_type(r.element, r.element_modifier) END AS element_type,
       NOT r.is_nested AND coalesce(r.element <> t.oid, false) AS has_domain_elements,
       EXISTS (SELECT FROM pg_catalog.pg_cast k WHERE k.castsource = 'pg_catalog.text'::regtype AND k.castmethod = 'f'
               AND k.casttarget IN (t.oid, t.typarray, (SELECT i.typarray FROM pg_catalog.pg_type i WHERE i.oid = r.element)))
       AS has_cast_from_text
FROM declared d
JOIN resolved r ON r.attnum = d.attnum
JOIN type t ON t.oid = r.type AND t.typtype <> 'd' AND NOT t.is_array
ORDER BY d.attnum
"""

# No text of it depends on a setting.
IDENTITY: Final[LiteralString] = """
SELECT pg_catalog.current_database() AS database, pg_catalog.current_setting('server_version') AS server_version,
       (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'timescaledb') AS timescaledb_version,
       CASE WHEN NOT pg_catalog.pg_is_in_recovery()
            THEN pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) END AS timeline,
       pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS tells_itself
"""
SYSTEM_IDENTIFIER: Final[LiteralString] = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()"
#: By connection: the database that a session is in stays the one it is.
_DATABASES: Final[WeakKeyDictionary[AsyncConnection[Any], DatabaseIdentity]] = WeakKeyDictionary()

#: Whether the server is a standby, whether there may be hypertables, and by what the table is partitioned, if it is.
_DIVIDED: Final[LiteralString] = f"""
SELECT pg_catalog.pg_is_in_recovery() AS is_standby, EXISTS ({timescaledb.EXTENSION}) AS has_timescaledb, p.*
FROM (SELECT) AS always LEFT JOIN ({native.PARTITIONED_TABLE}) AS p ON true
"""
_BRIEF: Final = {"lock_timeout": "2s"}
TOTAL_SIZE: Final[LiteralString] = "SELECT pg_total_relation_size(to_regclass(%s))"
PARTITION_TREE_SIZE: Final[LiteralString] = """
SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(to_regclass(%s))
"""


@asynccontextmanager
async def asked(conn: AsyncConnection[Any], **more: str) -> AsyncIterator[None]:
    """A stretch of several questions to the catalog, which then share one transaction and its settings, and the ways to the
    server if they are asked `at_once`. No lock is waited for longer than two seconds. `more` are further settings.
    """
    with source_errors():
        async with piped(conn, **_BRIEF, **more):
            yield


async def find_chunk(conn: AsyncConnection[Any], hypertable: Relation, chunk: Relation) -> Chunk:
    """The chunk as the catalog has it now, if it can be archived.

    Raises `PermanentError`: `unknown-hypertable`, `unknown-chunk`, `default-partition`, `foreign-partition`, `temporary-table`,
    `no-leaves`, `detach-pending`, `unsupported-partitioning`, `unsupported-time-type`; and `TransientError` (`source-standby`).
    """
    with source_errors():
        async with piped(conn):
            key = await _range_key(conn, hypertable, may_be_standby=False)
            if key is None:
                found = await timescaledb.find_chunk(conn, hypertable, chunk)
            else:
                found = await native.find_chunk(conn, hypertable, key, chunk)
            if found is None:
                raise PermanentError(
                    f"{chunk} is not a chunk of {hypertable}: it is gone, or belongs to another hypertable",
                    code="unknown-chunk",
                )
            await readable_leaves(conn, found)
    return found


async def chunks_ending_by(conn: AsyncConnection[Any], hypertable: Relation, older_than: str | int) -> list[Chunk]:
    """Every chunk whose range ends at or before `older_than`, ordered by range.

    `older_than` is RFC 3339 text, or an integer where the time column is one; else `PermanentError` (`wrong-bound`). Chunks
    with an open end never end, and a DEFAULT partition has no range: neither is listed. Raises `TransientError`
    (`source-standby`).
    """
    with source_errors():
        async with piped(conn):
            key = await _range_key(conn, hypertable, may_be_standby=False)
            if key is None:
                return await timescaledb.chunks_ending_by(conn, hypertable, older_than)
            return await native.chunks_ending_by(conn, hypertable, key, older_than)


async def chunks(conn: AsyncConnection[Any], hypertable: Relation) -> list[Chunk]:
    """Every chunk, in no order, also those with an open end; a DEFAULT partition has no range and is not listed."""
    with source_errors():
        async with pinned(conn):
            key = await _range_key(conn, hypertable)
            if key is None:
                return await timescaledb.all_chunks(conn, hypertable)
            return await native.all_chunks(conn, hypertable, key)


async def columns(conn: AsyncConnection[Any], hypertable: Relation) -> tuple[Column, ...]:
    """The columns of the hypertable in its order, without dropped ones. A chunk's own order may differ.

    Called inside a `ReadSnapshot`, it gives the columns as they are in that snapshot.
    """
    with source_errors():
        async with piped(conn):
            names = {"schema": hypertable.schema, "name": hypertable.name}
            cursor = await conn.cursor(row_factory=dict_row).execute(COLUMNS, names)
        found = tuple(Column(**row) for row in await cursor.fetchall())
    if not found:
        raise _unknown_hypertable(hypertable)
    return found


async def server_identity(conn: AsyncConnection[Any]) -> ServerIdentity:
    """What tells this server from others. `system_identifier` is empty where the user may not call pg_control_system()."""
    with source_errors():
        async with conn.cursor(row_factory=dict_row) as cur:
            row = await (await cur.execute(IDENTITY)).fetchone()
            assert row is not None
            if not row.pop("tells_itself"):
                return ServerIdentity(system_identifier="", **row)
            if conn not in _DATABASES:
                control = await (await cur.execute(SYSTEM_IDENTIFIER)).fetchone()
                _DATABASES[conn] = DatabaseIdentity(control["system_identifier"] if control else "", row["database"])
    return ServerIdentity(system_identifier=_DATABASES[conn].system_identifier, **row)


async def database_identity(conn: AsyncConnection[Any]) -> DatabaseIdentity:
    """The part of `server_identity` that stays the same for as long as the session lasts; asked once if the server tells."""
    return _DATABASES.get(conn) or await server_identity(conn)


async def describe_ddl(
    conn: AsyncConnection[Any], hypertable: Relation, kind: Literal["timescaledb", "native"] | None = None
) -> str:
    """SQL that makes the hypertable again, without its data; see `definition/ddl.py` for what is in it.

    `kind` is that of its chunks, where the caller has just seen one.
    """
    with source_errors():
        async with piped(conn):
            if kind is None:
                kind = "timescaledb" if await _range_key(conn, hypertable) is None else "native"
            return await ddl.describe(conn, hypertable, is_timescaledb=kind == "timescaledb")


async def source_bytes(conn: AsyncConnection[Any], chunk: Chunk) -> int:
    """Bytes that the chunk takes on disk: table, indexes, TOAST, and its compressed data where that can be told.

    Raises `PermanentError` (`unknown-chunk`) if it is gone.
    """
    with source_errors():
        if chunk.is_compressed:
            async with pinned(conn, **_BRIEF):
                if (size := await timescaledb.compressed_bytes(conn, chunk)) is not None:
                    return int(size)
        query = PARTITION_TREE_SIZE if chunk.kind == "native" else TOTAL_SIZE
        async with piped(conn, **_BRIEF):
            cursor = await conn.cursor(row_factory=tuple_row).execute(query, (chunk.relation.sql,))
        row = await cursor.fetchone()
    if row is None or row[0] is None:
        raise PermanentError(f"{chunk.relation} is gone", code="unknown-chunk")
    return int(row[0])


async def _range_key(
    conn: AsyncConnection[Any], hypertable: Relation, *, may_be_standby: bool = True
) -> native.RangeKey | None:
    """The key of a natively partitioned table, `None` for a hypertable; all else is unknown here.

    Raises `AwayError` (`source-standby`) unless the server `may_be_standby`: see `check_primary`.
    """
    names = {"schema": hypertable.schema, "name": hypertable.name}
    async with conn.cursor(row_factory=dict_row) as cur:
        [row] = await (await cur.execute(_DIVIDED, names)).fetchall()
    if row.pop("is_standby") and not may_be_standby:
        raise standby_error()
    if row.pop("has_timescaledb") and await timescaledb.is_among_hypertables(conn, hypertable):
        return None
    key = native.key_of(hypertable, [row] if row["key_columns"] is not None else [])
    if key is None:
        raise _unknown_hypertable(hypertable)
    return key


def _unknown_hypertable(hypertable: Relation) -> PermanentError:
    return PermanentError(
        f"{hypertable} is neither a hypertable nor a table partitioned by range in the source database",
        code="unknown-hypertable",
    )
