"""Where restored rows are: which archive went into which chunks.

The transaction that puts the rows into their table writes it, and the snapshot that reads the rows again reads it. It is
therefore true of exactly the rows that are seen, whatever the ledger knows. It is never taken back: a chunk that was
dropped since took the rows with it, and its oid says so.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row, tuple_row

from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.source.state.marks import mark_schema
from archival_core.source.translate import source_errors

TABLE: Final[LiteralString] = "archival_restore.placed"

MAKE: Final[LiteralString] = """
CREATE TABLE IF NOT EXISTS archival_restore.placed (
    archive   uuid NOT NULL,
    chunk     bigint NOT NULL,
    rows      bigint NOT NULL,
    xact      xid8 NOT NULL DEFAULT pg_current_xact_id(),
    born      text,
    PRIMARY KEY (archive, chunk)
);
ALTER TABLE archival_restore.placed ADD COLUMN IF NOT EXISTS born text;
CREATE INDEX IF NOT EXISTS placed_in_chunk ON archival_restore.placed (chunk)
"""
#: Whether `MAKE` has been run, in its present form.
IS_MADE: Final[LiteralString] = """
SELECT FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass('archival_restore.placed') AND attname = 'born'
"""
#: A table of the catalog is known by its oid and by the transaction that made it, since an oid alone can be given out
#: again. Where `born` is not known the oid has to do: a table made by an earlier release has no such column.
_TABLE: Final[LiteralString] = """
    pg_catalog.pg_attribute a ON a.attrelid = p.chunk::oid AND a.attname = 'tableoid' AND a.attnum < 0
    AND coalesce(pg_catalog.to_jsonb(p) ->> 'born' = a.xmin::text, true)
"""
#: Archives with rows in a chunk, and their other chunks: each by its oid and the transaction that made it.
_IN_CHUNK: Final[LiteralString] = f"""
SELECT p.archive, coalesce(jsonb_object_agg(p.chunk || '/' || coalesce(pg_catalog.to_jsonb(p) ->> 'born', ''), p.xact::text)
                           FILTER (WHERE p.chunk <> %(chunk)s), '{{}}') AS others
FROM archival_restore.placed p
WHERE p.archive IN (SELECT p.archive FROM archival_restore.placed p JOIN {_TABLE} WHERE p.chunk = %(chunk)s)
GROUP BY p.archive ORDER BY p.archive
"""
_COMPANIONS: Final[LiteralString] = f"""
SELECT DISTINCT n.nspname, c.relname
FROM (SELECT p.archive, p.chunk FROM archival_restore.placed p JOIN {_TABLE} WHERE p.chunk = %(chunk)s) mine
JOIN archival_restore.placed p ON p.archive = mine.archive AND p.chunk <> mine.chunk
JOIN {_TABLE}
JOIN pg_catalog.pg_class c ON c.oid = p.chunk::oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY 1, 2
"""
_IS_PLACED: Final[LiteralString] = f"""
SELECT count(*) > 0 AND bool_and(a.attrelid IS NOT NULL)
FROM archival_restore.placed p LEFT JOIN {_TABLE} WHERE p.archive = %(archive)s
"""
_FIRST: Final[LiteralString] = f"""
SELECT p.chunk, a.xmin::text FROM archival_restore.placed p JOIN {_TABLE} WHERE p.archive = %(archive)s ORDER BY p.chunk LIMIT 1
"""
_EVER: Final[LiteralString] = """
SELECT p.chunk, pg_catalog.to_jsonb(p) ->> 'born' FROM archival_restore.placed p WHERE p.archive = %(archive)s
"""
_ALL_DROPPED: Final[LiteralString] = f"""
SELECT p.archive FROM archival_restore.placed p LEFT JOIN {_TABLE}
WHERE p.archive = ANY(%(archives)s) GROUP BY p.archive HAVING bool_and(a.attrelid IS NULL)
"""
#: Rows that are known to be of other archives, in the chunks that hold `condition`.
_OF_OTHERS: Final = sql.SQL("""
SELECT coalesce(sum(rows), 0) FROM (
    SELECT DISTINCT p.archive, p.rows FROM archival_restore.placed p
    WHERE p.archive <> {archive} AND p.chunk IN (SELECT DISTINCT tableoid::bigint FROM {there})
) others
""")
_RECORD: Final = sql.SQL("""
INSERT INTO archival_restore.placed (archive, chunk, rows, born)
SELECT {archive}, t.oid, {rows}, a.xmin::text FROM (SELECT DISTINCT tableoid::bigint AS oid FROM {there}) t
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid::oid AND a.attname = 'tableoid' AND a.attnum < 0
ON CONFLICT (archive, chunk) DO UPDATE SET rows = excluded.rows, xact = excluded.xact, born = excluded.born
""")


@dataclass(frozen=True, slots=True)
class RestoredArchive:
    """An archive whose rows were restored into a chunk."""

    #: its job
    archive: UUID
    #: the other chunks that took rows of it: oid and the transaction that made the table (`oid/xid`), and the one (`xid8`)
    #: that brought the rows
    others: dict[str, str]


async def restored_into(conn: AsyncConnection[Any], chunk: Chunk) -> tuple[RestoredArchive, ...]:
    """The archives that were restored into `chunk`, as the transaction of `conn` sees it."""
    with source_errors():
        if not await mark_schema.has_table(conn, TABLE):
            return ()
        async with conn.cursor(row_factory=dict_row) as cur:
            await cur.execute(_IN_CHUNK, {"chunk": chunk.oid})
            return tuple(RestoredArchive(row["archive"], row["others"]) for row in await cur.fetchall())


async def companions(conn: AsyncConnection[Any], chunk: Chunk) -> list[Relation]:
    """The other chunks that hold rows of an archive that was restored into `chunk` and that are still there."""
    with source_errors():
        if not await mark_schema.has_table(conn, TABLE):
            return []
        async with conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(_COMPANIONS, {"chunk": chunk.oid})
            return [Relation(schema, name) for schema, name in await cur.fetchall()]


async def is_placed(conn: AsyncConnection[Any], archive: UUID) -> bool:
    """Whether the archive was restored, and every chunk that took its rows is still there."""
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(_IS_PLACED, {"archive": archive})).fetchone()
    return row is not None and bool(row[0])


async def first_table(conn: AsyncConnection[Any], archive: UUID) -> TableIdentity | None:
    """A table that the archive was restored into; `None` if there is none any more."""
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(_FIRST, {"archive": archive})).fetchone()
    return TableIdentity(oid=row[0], born=row[1]) if row else None


async def tables_ever(conn: AsyncConnection[Any], archive: UUID) -> list[tuple[int, str | None]]:
    """The tables that the archive was restored into, dropped ones included: oid, and the transaction that made the table."""
    with source_errors():
        if not await mark_schema.has_table(conn, TABLE):
            return []
        async with conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(_EVER, {"archive": archive})
            return await cur.fetchall()


async def restored_and_dropped(conn: AsyncConnection[Any], archives: Collection[UUID]) -> set[UUID]:
    """Those of `archives` that were restored and whose every table was dropped since."""
    with source_errors():
        if not archives or not await mark_schema.has_table(conn, TABLE):
            return set()
        async with conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(_ALL_DROPPED, {"archives": list(archives)})
            return {archive for (archive,) in await cur.fetchall()}


async def rows_of_others(conn: AsyncConnection[Any], archive: UUID, there: sql.Composable) -> int:
    """How many rows other archives have brought into the chunks of `there` (SQL: a table, and which of its rows)."""
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(_OF_OTHERS.format(archive=archive, there=there))).fetchone()
    assert row is not None
    return int(row[0])


async def record(conn: AsyncConnection[Any], archive: UUID, rows: int, there: sql.Composable) -> None:
    """Note where the archive's rows went, in the transaction that brings them."""
    await conn.execute(_RECORD.format(archive=archive, rows=rows, there=there))
