"""Who would suffer if a chunk went: what a removal looks at besides the chunk's own rows.

Each question is asked in the caller's transaction. Facts that decide are looked up under the lock that keeps them true, so
each question is asked there again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, Leaf, Relation
from archival_core.source.at_once import at_once
from archival_core.source.catalog.partitioning import timescaledb
from archival_core.source.catalog.partitioning.timescaledb_internals.chunks import is_frozen
from archival_core.source.catalog.partitioning.tree import check_readable, tree
from archival_core.source.removal.aggregates import check_aggregates
from archival_core.source.translate import source_errors

__all__ = ["check_aggregates", "check_all", "check_frozen", "check_leaves", "check_references", "siblings"]

# The view costs as much for one chunk as for all chunks, so it is read once.
SIBLINGS: Final[LiteralString] = """
WITH chunks AS MATERIALIZED (
    SELECT chunk_schema, chunk_name, (chunk_schema, chunk_name) = (%(chunk_schema)s, %(chunk_name)s) AS is_this,
           ROW (range_start, range_end, range_start_integer, range_end_integer) AS range
    FROM timescaledb_information.chunks WHERE hypertable_schema = %(schema)s AND hypertable_name = %(name)s
)
SELECT s.chunk_schema, s.chunk_name FROM chunks c JOIN chunks s ON c.is_this AND NOT s.is_this AND s.range = c.range
ORDER BY 1, 2
"""

# Where a foreign key points to the hypertable, TimescaleDB gives each chunk a foreign key of its own.
REFERENCES: Final[LiteralString] = """
SELECT DISTINCT n.nspname, c.relname, coalesce(parent.conname, k.conname)
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_constraint k ON k.oid = d.objid AND k.contype = 'f' AND k.confrelid = d.refobjid
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_constraint parent ON parent.oid = k.conparentid
WHERE d.classid = 'pg_catalog.pg_constraint'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
  AND d.refobjid = %(chunk)s::bigint::oid AND k.conrelid <> k.confrelid
ORDER BY 1, 2, 3
"""


async def check_all(conn: AsyncConnection[Any], chunk: Chunk) -> None:
    """Raise `PermanentError`, as each of the checks here does, if something but the chunk's own rows would go with `chunk`."""
    _, _, _, leaves = await at_once(
        conn, check_frozen(conn, chunk), check_references(conn, chunk), check_aggregates(conn, chunk), tree(conn, chunk)
    )
    check_leaves(chunk, leaves)


async def siblings(conn: AsyncConnection[Any], chunk: Chunk) -> list[Relation]:
    """The other chunks of the same time range. A hypertable with a space dimension has several."""
    if chunk.kind == "native":
        return []
    names = {"chunk_schema": chunk.relation.schema, "chunk_name": chunk.relation.name}
    parent = {"schema": chunk.hypertable.schema, "name": chunk.hypertable.name}
    with source_errors():
        if await timescaledb.dimensions(conn, chunk.hypertable) == 1:
            return []
        async with conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(SIBLINGS, parent | names)
            return [Relation(schema, name) for schema, name in await cur.fetchall()]


async def check_frozen(conn: AsyncConnection[Any], chunk: Chunk) -> None:
    """Raise `PermanentError` (`frozen`) for a frozen chunk, which DROP TABLE would drop all the same.

    Raises `PermanentError` (`unknown-timescaledb`) where this version does not tell whether the chunk is frozen.
    """
    if chunk.kind == "native":
        return
    with source_errors():
        if await is_frozen(conn, chunk):
            raise PermanentError(f"{chunk.relation} is frozen and stays; unfreeze_chunk() lets it be removed", code="frozen")


async def check_references(conn: AsyncConnection[Any], chunk: Chunk) -> None:
    """Raise `PermanentError` (`removal-blocked`) if a foreign key points to a hypertable: PostgreSQL keeps the chunk then.

    `drop_chunks` would drop the key without a word. A native partition is detached before it is dropped, and the detachment
    fails only if a row of the partition is pointed to.
    """
    if chunk.kind == "native":
        return
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            found = await (await cur.execute(REFERENCES, {"chunk": chunk.oid})).fetchall()
    if found:
        keys = ", ".join(f"{name} of {Relation(schema, table)}" for schema, table, name in found)
        raise PermanentError(
            f"{chunk.relation} cannot be dropped while foreign keys point to {chunk.hypertable}: {keys}; drop the constraints,"
            " and let a trigger or the application check what they have checked",
            code="removal-blocked",
        )


def check_leaves(chunk: Chunk, leaves: Sequence[Leaf]) -> None:
    """Raise `PermanentError` (`unlogged`) if one of `leaves` is UNLOGGED: after a crash empties it, the archive may be all
    there is.

    Raises `foreign-partition`, `temporary-table` and `no-leaves` too, for what cannot have been archived.
    """
    check_readable(chunk, leaves)
    if unlogged := [str(leaf.relation) for leaf in leaves if leaf.persistence == "u"]:
        raise PermanentError(
            f"{chunk.relation} is not removed: {', '.join(unlogged)} is UNLOGGED, so a crash may have emptied it at any time;"
            " after ALTER TABLE … SET LOGGED it is archived anew, and can go",
            code="unlogged",
        )
