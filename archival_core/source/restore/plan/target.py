"""The table that an archive goes back to is found, or made.

A table is made before the rows come, since their proof needs the table's types. If a crash leaves an empty table behind,
the next attempt finds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, LiteralString

from psycopg import AsyncConnection, sql
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Relation
from archival_core.model.lake.manifest import Manifest
from archival_core.source.at_once import at_once
from archival_core.source.catalog.partitioning import timescaledb
from archival_core.source.restore.errors import restore_errors
from archival_core.source.session import TEXT_FORMS, pin_statement
from archival_core.source.statement import expression, name_of

_RELKIND: Final[LiteralString] = """
SELECT c.relkind::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
#: For two restores that make the same table: the second waits for the first, and finds the table made.
_LOCK: Final[LiteralString] = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%s, 0))"
#: Matched also to make sure that the text is the name of a type and nothing else, because it came out of the lake.
_IS_TYPE: Final[LiteralString] = "SELECT pg_catalog.to_regtype(%s) IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Target:
    """A table that takes an archive's rows."""

    relation: Relation
    kind: Literal["timescaledb", "native", "plain"]
    #: by this run
    is_new: bool = False


async def original_target(conn: AsyncConnection[Any], manifest: Manifest, table: Relation, *, recreate: bool) -> Target:
    """The hypertable or partitioned table that the archive was taken from; if it is gone, made by the manifest's DDL.

    `table` is what it is called now (`source.state.origin`), or was called then.

    Raises `PermanentError`: `table-gone` if it is gone and `recreate` is false, `another-table` if its name is now that of
    something else, `not-recreated` if the DDL does not run.
    """
    with restore_errors(table):
        found = await _find(conn, table)
        if found is None and not recreate:
            raise PermanentError(
                f"{table} is gone from the source database; ask for it to be recreated, which runs the SQL in the manifest"
                " (read it: it comes out of the lake), or restore into a table of its own",
                code="table-gone",
            )
        if found is None:
            found = await _recreate(conn, table, manifest.ddl)
    if found.kind == "plain":
        raise PermanentError(
            f"{table} is neither a hypertable nor partitioned by range any more; restore into a table of another name",
            code="another-table",
        )
    return found


async def own_target(conn: AsyncConnection[Any], manifest: Manifest, table: Relation) -> Target:
    """The table that was named to restore into; if it is not there, made with the archive's columns.

    Raises `PermanentError`: `another-table` for a view and its like, `unknown-type` for a column's type that is gone.
    """
    with restore_errors(table):
        return await _find(conn, table) or await _create(conn, table, manifest)


async def copy_target(conn: AsyncConnection[Any], manifest: Manifest, table: Relation) -> None:
    """Make a table with the archive's columns for a copy of its rows, which neither replicas nor backups get.

    Raises `PermanentError` (`unknown-type`) for a column's type that is gone.
    """
    with restore_errors(table):
        async with conn.transaction():
            # a heap is read by its pages
            await conn.execute(await _definition(conn, manifest, "CREATE UNLOGGED TABLE {} ({}) USING heap", table))


async def _find(conn: AsyncConnection[Any], table: Relation) -> Target | None:
    kind, is_hypertable = await at_once(conn, _kind_of(conn, table), timescaledb.is_hypertable(conn, table))
    if kind is None:
        return None
    if kind not in ("r", "p"):
        raise PermanentError(f"{table} is no table; restore into another one", code="another-table")
    if is_hypertable:
        return Target(table, "timescaledb")
    return Target(table, "native" if kind == "p" else "plain")


async def _kind_of(conn: AsyncConnection[Any], table: Relation) -> str | None:
    """The kind of relation by PostgreSQL's letter for it; `None` if there is none of that name."""
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(_RELKIND, (table.schema, table.name))).fetchone()
    return str(row[0]) if row else None


async def _recreate(conn: AsyncConnection[Any], table: Relation, ddl: str) -> Target:
    async with conn.transaction():
        await conn.execute(_LOCK, (f"archival_restore {table.sql}",))
        if found := await _find(conn, table):
            return found
        # the settings under which it was written
        await conn.execute(pin_statement(TEXT_FORMS))
        with restore_errors(table, failing="not-recreated"):
            await conn.execute(expression(ddl))
        made = await _find(conn, table)
    if made is None:
        raise PermanentError(f"the manifest's DDL does not make {table}", code="not-recreated")
    return Target(made.relation, made.kind, is_new=True)


async def _create(conn: AsyncConnection[Any], table: Relation, manifest: Manifest) -> Target:
    async with conn.transaction():
        await conn.execute(_LOCK, (f"archival_restore {table.sql}",))
        if found := await _find(conn, table):
            return found
        await conn.execute(await _definition(conn, manifest, "CREATE TABLE {} ({})", table))
    return Target(table, "plain", is_new=True)


async def _definition(
    conn: AsyncConnection[Any], manifest: Manifest, statement: LiteralString, table: Relation
) -> sql.Composed:
    """SQL that makes a table with the archive's columns, in the transaction that asks for it."""
    await conn.execute(pin_statement(TEXT_FORMS))
    for column in manifest.columns:
        async with conn.cursor(row_factory=tuple_row) as cur:
            if await (await cur.execute(_IS_TYPE, (column.postgresql_type,))).fetchone() != (True,):
                raise PermanentError(
                    f"type {column.postgresql_type} of column {column.name!r} is not in the source database; make it"
                    " first, the manifest's DDL has enums and domains",
                    code="unknown-type",
                )
    columns = [
        sql.SQL("{} {} NOT NULL" if column.not_null else "{} {}").format(
            sql.Identifier(column.name), expression(column.postgresql_type)
        )
        for column in manifest.columns
    ]
    return sql.SQL(statement).format(name_of(table), sql.SQL(", ").join(columns))
