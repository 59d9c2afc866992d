"""The tables in which a chunk's rows lie, by identities that cannot come back."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.source.translate import source_errors

# The catalog's row of the system column `tableoid` is written with its table and never again, so its xmin is the
# transaction that made the table. A plain table is no partition tree.
_TABLES: Final[LiteralString] = """
WITH tree AS (
    SELECT to_regclass(%(name)s)::oid AS oid
    UNION SELECT relid FROM pg_catalog.pg_partition_tree(to_regclass(%(name)s))
)
SELECT tree.oid::bigint, a.xmin::text FROM tree
JOIN pg_catalog.pg_attribute a ON a.attrelid = tree.oid AND a.attname = 'tableoid' AND a.attnum < 0
ORDER BY tree.oid
"""
_ONE: Final[LiteralString] = """
SELECT a.attrelid::bigint, a.xmin::text FROM pg_catalog.pg_attribute a
WHERE a.attrelid = to_regclass(%(name)s) AND a.attname = 'tableoid' AND a.attnum < 0
"""
_NAME: Final[LiteralString] = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tableoid' AND a.attnum < 0
WHERE c.oid = %s::bigint::oid AND a.xmin::text = %s
"""
_THERE: Final[LiteralString] = """
SELECT asked.oid, asked.born FROM unnest(%s::bigint[], %s::text[]) AS asked (oid, born)
JOIN pg_catalog.pg_attribute a ON a.attrelid = asked.oid::oid AND a.attname = 'tableoid' AND a.attnum < 0
WHERE asked.born IS NULL OR a.xmin::text = asked.born
"""
_NAMED: Final[LiteralString] = """
SELECT n.nspname, c.relname FROM unnest(%s::text[], %s::text[]) AS asked (schema, name)
JOIN pg_catalog.pg_namespace n ON n.nspname = asked.schema
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name
"""


async def tables_of(conn: AsyncConnection[Any], chunk: Chunk) -> tuple[TableIdentity, ...]:
    """The chunk's table by its oid; of a partition that is partitioned again, also every table below it.

    Guard LEAF: a tree is known by all its leaves. A leaf that was swapped for another table leaves the root and the count
    as they were.
    """
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            rows = await (await cur.execute(_TABLES, {"name": chunk.relation.sql})).fetchall()
    return tuple(TableIdentity(oid=oid, born=born) for oid, born in rows)


async def identity_of(conn: AsyncConnection[Any], table: Relation) -> TableIdentity | None:
    """The identity of one table; `None` if the table does not exist."""
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            row = await (await cur.execute(_ONE, {"name": table.sql})).fetchone()
    return TableIdentity(oid=row[0], born=row[1]) if row else None


async def name_of(conn: AsyncConnection[Any], table: TableIdentity) -> Relation | None:
    """What a table is called now; `None` if it is gone."""
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            row = await (await cur.execute(_NAME, (table.oid, table.born))).fetchone()
    return Relation(*row) if row else None


def born(tables: Collection[TableIdentity], oid: int) -> str:
    """The transaction that made the table `oid`, one of `tables`; empty if it is none of them."""
    return next((table.born for table in tables if table.oid == oid), "")


async def those_there(conn: AsyncConnection[Any], asked: Collection[tuple[int, str | None]]) -> set[tuple[int, str | None]]:
    """Those of `asked`, each an oid and the transaction that made the table (`None` if unknown), that are in the database."""
    if not asked:
        return set()
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(_THERE, ([oid for oid, _ in asked], [known for _, known in asked]))
            return set(await cur.fetchall())


async def names_there(conn: AsyncConnection[Any], asked: Collection[Relation]) -> set[Relation]:
    """Those of `asked` by whose name there is a table."""
    if not asked:
        return set()
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(_NAMED, ([table.schema for table in asked], [table.name for table in asked]))
            return {Relation(*row) for row in await cur.fetchall()}


async def still_there(conn: AsyncConnection[Any], asked: Collection[TableIdentity]) -> set[TableIdentity]:
    """Those of `asked` that are in the database."""
    found = await those_there(conn, {(table.oid, table.born) for table in asked})
    return {table for table in asked if (table.oid, table.born) in found}
