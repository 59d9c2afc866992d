"""Where restored rows are: which archive went into which chunks.

Written in the transaction that puts the rows into their table, and read in the snapshot that reads them out again, so it is
true of exactly the rows that are seen, whatever the ledger knows. It is never taken back: a chunk that is gone since took the
rows with it, and its oid says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row, tuple_row

from archival_core.model.chunk import Chunk, Relation
from archival_core.source.translate import source_errors

TABLE: Final[LiteralString] = "archival_restore.placed"

MAKE: Final[LiteralString] = """
CREATE TABLE IF NOT EXISTS archival_restore.placed (
    archive   uuid NOT NULL,
    chunk     bigint NOT NULL,
    rows      bigint NOT NULL,
    xact      xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (archive, chunk)
)
"""
_IS_THERE: Final[LiteralString] = "SELECT to_regclass(%s) IS NOT NULL"
#: Archives with rows in a chunk, and their other chunks.
_IN_CHUNK: Final[LiteralString] = """
SELECT p.archive,
       coalesce(jsonb_object_agg(p.chunk, p.xact::text) FILTER (WHERE p.chunk <> %(chunk)s), '{}') AS others
FROM archival_restore.placed p
WHERE p.archive IN (SELECT archive FROM archival_restore.placed WHERE chunk = %(chunk)s)
GROUP BY p.archive ORDER BY p.archive
"""
_COMPANIONS: Final[LiteralString] = """
SELECT DISTINCT n.nspname, c.relname
FROM archival_restore.placed mine
JOIN archival_restore.placed p ON p.archive = mine.archive AND p.chunk <> mine.chunk
JOIN pg_catalog.pg_class c ON c.oid = p.chunk::oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE mine.chunk = %(chunk)s ORDER BY 1, 2
"""
_IS_PLACED: Final[LiteralString] = """
SELECT count(*) > 0 AND bool_and(c.oid IS NOT NULL)
FROM archival_restore.placed p LEFT JOIN pg_catalog.pg_class c ON c.oid = p.chunk::oid
WHERE p.archive = %(archive)s
"""
#: Rows that are known to be of other archives, in the chunks that hold `condition`.
_OF_OTHERS = """
SELECT coalesce(sum(rows), 0) FROM (
    SELECT DISTINCT p.archive, p.rows FROM archival_restore.placed p
    WHERE p.archive <> %(archive)s AND p.chunk IN (SELECT DISTINCT tableoid::bigint FROM {there})
) others
"""
_RECORD = """
INSERT INTO archival_restore.placed (archive, chunk, rows)
SELECT DISTINCT %(archive)s::uuid, tableoid::bigint, %(rows)s FROM {there}
ON CONFLICT (archive, chunk) DO UPDATE SET rows = excluded.rows, xact = excluded.xact
"""


@dataclass(frozen=True, slots=True)
class PlacedArchive:
    """An archive whose rows were restored into a chunk."""

    #: its job
    archive: UUID
    #: the other chunks that took rows of it: oid, and the transaction (`xid8`) that brought them
    others: dict[str, str]


async def placed_in(conn: AsyncConnection[Any], chunk: Chunk) -> tuple[PlacedArchive, ...]:
    """The archives that were restored into `chunk`, as the transaction of `conn` sees it."""
    with source_errors():
        if not await _table_is_there(conn):
            return ()
        async with conn.cursor(row_factory=dict_row) as cur:
            await cur.execute(_IN_CHUNK, {"chunk": chunk.oid})
            return tuple(PlacedArchive(row["archive"], row["others"]) for row in await cur.fetchall())


async def companions(conn: AsyncConnection[Any], chunk: Chunk) -> list[Relation]:
    """The other chunks that hold rows of an archive that was restored into `chunk`, those that are still there."""
    with source_errors():
        if not await _table_is_there(conn):
            return []
        async with conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(_COMPANIONS, {"chunk": chunk.oid})
            return [Relation(schema, name) for schema, name in await cur.fetchall()]


async def is_placed(conn: AsyncConnection[Any], archive: UUID) -> bool:
    """Whether the archive was restored, and every chunk that took its rows is still there."""
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(_IS_PLACED, {"archive": archive})).fetchone()
    return row is not None and bool(row[0])


async def rows_of_others(conn: AsyncConnection[Any], archive: UUID, there: str) -> int:
    """How many rows other archives have brought into the chunks of `there` (SQL: a table, and which of its rows)."""
    async with conn.cursor(row_factory=tuple_row) as cur:
        query = _OF_OTHERS.format(there=_escaped(there))
        row = await (await cur.execute(query.encode(), {"archive": archive})).fetchone()
    assert row is not None
    return int(row[0])


async def record(conn: AsyncConnection[Any], archive: UUID, rows: int, there: str) -> None:
    """Note where the archive's rows went, in the transaction that brings them."""
    await conn.execute(_RECORD.format(there=_escaped(there)).encode(), {"archive": archive, "rows": rows})


async def _table_is_there(conn: AsyncConnection[Any]) -> bool:
    async with conn.cursor(row_factory=tuple_row) as cur:
        return (await (await cur.execute(_IS_THERE, (TABLE,))).fetchone()) == (True,)


def _escaped(there: str) -> str:
    # a name may hold what psycopg takes for a placeholder
    return there.replace("%", "%%")
