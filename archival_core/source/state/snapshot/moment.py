"""One moment of the whole source, in which several tables are read: its marks, its rows, and the tables in which rows lie.

PostgreSQL's snapshots do not hold a table together. A statement that begins after a chunk was dropped, detached, truncated or
compressed reads what is there now, and would miss rows that the snapshot has. So a moment knows in which tables its rows lay,
and whoever has begun to read, and so has locks, asks whether they still do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Final, LiteralString, Self
from uuid import UUID

from psycopg import AsyncConnection, IsolationLevel, sql
from psycopg import errors as postgres
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError, TransientError
from archival_core.model.chunks.chunk import Column, Relation, ServerIdentity
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.source.catalog import lookup
from archival_core.source.catalog.definition.defaults import Witness, witnesses
from archival_core.source.catalog.definition.enum_labels import Labels, labels_now
from archival_core.source.session import READ_SETTINGS, pin_statement
from archival_core.source.state.marks import copies, mark_schema, stand_ins
from archival_core.source.state.marks.copies import CopiesThere
from archival_core.source.state.marks.stand_ins import LastMark
from archival_core.source.state.snapshot.readable import NamedTable
from archival_core.source.state.snapshot.snapshot import EXPORT
from archival_core.source.state.snapshot.waiting import LOCK_TIMEOUT, locked_by_others
from archival_core.source.state.tables import identity_of, still_there
from archival_core.source.statement import name_of
from archival_core.source.translate import source_errors

_READABLE: Final[LiteralString] = """
SELECT a.attnum::int FROM pg_catalog.pg_attribute a
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
  AND pg_catalog.has_column_privilege(%(role)s, a.attrelid, a.attnum, 'SELECT')
"""
_POLICIES: Final[LiteralString] = "SELECT c.relrowsecurity FROM pg_catalog.pg_class c WHERE c.oid = %s"
# The planner reads what is committed when a statement begins. A table is written anew under another relfilenode.
_MEMBERS: Final[LiteralString] = """
WITH RECURSIVE member (oid, leaving) AS (
    SELECT %s::bigint::oid, false
    UNION ALL
    SELECT child.oid, m.leaving OR child.leaving
    FROM member m CROSS JOIN LATERAL (
        SELECT i.inhrelid AS oid, coalesce((to_jsonb(i) ->> 'inhdetachpending')::boolean, false) AS leaving
        FROM pg_catalog.pg_inherits i WHERE i.inhparent = m.oid OFFSET 0
    ) child
)
SELECT c.oid::bigint, c.relfilenode::text || CASE WHEN m.leaving THEN ' leaving' ELSE '' END, c.relkind::text
FROM member m JOIN pg_catalog.pg_class c ON c.oid = m.oid
"""
_LEAVING: Final = " leaving"
_BELOW: Final[LiteralString] = """
WITH RECURSIVE member (oid) AS (
    SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = %(oid)s::bigint::oid
    UNION ALL
    SELECT i.inhrelid FROM member m JOIN pg_catalog.pg_inherits i ON i.inhparent = m.oid
)
SELECT n.nspname, c.relname, c.oid::bigint
FROM member m JOIN pg_catalog.pg_class c ON c.oid = m.oid AND c.relkind = 'p'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
"""
# Of a compressed chunk most rows lie in another table.
_COMPRESSED: Final[LiteralString] = """
SELECT to_regclass(pg_catalog.format('%%I.%%I', k.chunk_schema, k.chunk_name))::oid::bigint
FROM timescaledb_information.chunks k
WHERE k.hypertable_schema = %s AND k.hypertable_name = %s AND k.is_compressed
"""
_THERE_THEN: Final[LiteralString] = "SELECT FROM pg_catalog.pg_class WHERE oid = ANY(%s::bigint[]::oid[]) LIMIT 1"
# By names, since `to_regclass` of a schema that the session may not use is an error. Whoever renames a table or a schema writes
# its row anew.
_NAMES: Final[LiteralString] = """
SELECT n.nspname, c.relname, c.oid::bigint, a.xmin::text, c.xmin::text, n.xmin::text
FROM unnest(%s::text[], %s::text[]) AS asked (nspname, relname)
JOIN pg_catalog.pg_namespace n ON n.nspname = asked.nspname
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = asked.relname AND c.relkind IN ('r', 'p')
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tableoid' AND a.attnum < 0
"""
_LOCK_TIMEOUT: Final[LiteralString] = f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"
_LOCK: Final = sql.SQL("LOCK TABLE ONLY {} IN ACCESS SHARE MODE")
_STAND_INS: Final[LiteralString] = """
SELECT archive, hypertable, lake_path, manifest, born, xmin::text FROM archival_marks.stand_in
WHERE kind IN ('removed', 'dropped by others') AND (%(of)s::text IS NULL OR hypertable = %(of)s)
"""


@dataclass(frozen=True, slots=True)
class StandingArchive:
    """An archive that stands in for rows, as its mark says."""

    archive: UUID
    hypertable: str
    lake_path: str
    #: SHA-256 of its manifest
    manifest: str
    #: number of the transaction that made the chunk
    born: str
    #: number of the transaction that wrote the mark; of another count than `born` where the mark came with a dump
    marked: str


@dataclass(frozen=True, slots=True)
class Bearer:
    """The table that has a name."""

    table: TableIdentity
    #: numbers of the transactions that wrote the rows of the table and of its schema in the catalog: since the later one, at
    #: the latest, the table has had the name
    named: tuple[str, str]


@dataclass(frozen=True, slots=True)
class TableThen:
    """A table at one moment."""

    table: NamedTable
    identity: TableIdentity | None
    #: those that the role may read
    columns: tuple[Column, ...]
    #: of all columns, in the table's order
    names: tuple[str, ...]
    #: every table in which rows lie, and what tells that it was written anew
    members: Mapping[int, str]
    #: partitions that are partitioned again, by name: their oids
    below: Mapping[str, int]
    #: archives that were restored into tables of their own, which are among `members`
    copies: CopiesThere


class Moment:
    """A REPEATABLE READ, READ ONLY transaction, exported for other connections to join, and what it sees.

    `conn` is idle, and belongs to the moment. `beside` is another session, in autocommit mode, that sees what is committed
    since. Every table is locked in ACCESS SHARE mode before the snapshot, so that its columns stay as they are.
    """

    def __init__(
        self, conn: AsyncConnection[Any], beside: AsyncConnection[Any], tables: Sequence[NamedTable], role: str
    ) -> None:
        self._conn, self._beside, self._tables, self._role = conn, beside, tables, role
        self._stack = AsyncExitStack()
        self._asking = asyncio.Lock()
        #: for `SET TRANSACTION SNAPSHOT`; valid inside the context
        self.snapshot_id = ""
        self.server: ServerIdentity | None = None
        #: archives that stand in for rows, of whichever table
        self.standing: tuple[StandingArchive, ...] = ()
        self.then: tuple[TableThen, ...] = ()

    async def __aenter__(self) -> Self:
        async with self._stack as stack:
            with source_errors():
                await self._conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
                await self._conn.set_read_only(True)
                await stack.enter_async_context(self._conn.transaction(force_rollback=True))
                await self._begin()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, traceback)

    async def _begin(self) -> None:
        conn = self._conn
        await conn.execute(_LOCK_TIMEOUT)
        for named in self._tables:
            try:
                # a table that was renamed since has another oid under its name, or none
                await conn.execute(_LOCK.format(name_of(named.relation)))
            except postgres.LockNotAvailable as error:
                raise locked_by_others(named.relation) from error
            except (postgres.UndefinedTable, postgres.InvalidSchemaName) as error:
                raise passed() from error
            except postgres.WrongObjectType:
                continue  # a materialized view takes no lock by this statement, and has no columns to change
        await conn.execute(pin_statement(READ_SETTINGS))
        async with conn.cursor(row_factory=tuple_row) as cur:
            row = await (await cur.execute(EXPORT)).fetchone()
            assert row is not None
            self.snapshot_id = row[0]
        # Guard BYMARK: the snapshot that sees the live rows also says which archives stand in for rows. The ledger may know
        # more or less than that, and what is committed since belongs to another moment.
        self.standing = await standing(conn)
        self.server = await lookup.server_identity(conn)
        self.then = tuple([await self._table(named) for named in self._tables])

    async def _table(self, named: NamedTable) -> TableThen:
        identity = await identity_of(self._conn, named.relation)
        if identity is None or identity.oid != named.oid:
            raise passed()
        columns = await lookup.columns(self._conn, named.relation)
        members = await _members(self._conn, named)
        async with self._conn.cursor(row_factory=tuple_row) as cur:
            if await (await cur.execute(_POLICIES, (named.oid,))).fetchone() == (True,) and named.kind != "plain":
                raise PermanentError(
                    f"{named.relation} has row-level security, which archives cannot follow: it cannot be asked here",
                    code="row-security",
                )
            await cur.execute(_READABLE, {"oid": named.oid, "role": self._role})
            readable = {number for (number,) in await cur.fetchall()}
            await cur.execute(_BELOW, {"oid": named.oid})
            below = {str(Relation(schema, name)): oid for schema, name, oid in await cur.fetchall()}
        names = tuple(column.name for column in columns)
        columns = tuple(column for column in columns if column.number in readable)
        there = await self._copies(named, members)
        return TableThen(named, identity, columns, names, MappingProxyType(members), MappingProxyType(below), there)

    async def _copies(self, named: NamedTable, members: Mapping[int, str]) -> CopiesThere:
        # The snapshot that sees a copy among the live rows says as well of which archive it is the copy.
        if named.kind == "plain" or not self.standing:
            return CopiesThere()
        assert self.server is not None
        # no statement of this snapshot reads a partition that is being detached
        read = {oid: file for oid, file in members.items() if not file.endswith(_LEAVING)}
        return await copies.among(self._conn, self.server.system_identifier, read)

    async def bearers(self, names: Collection[str]) -> dict[str, Bearer]:
        """The tables that have these names, each `schema.name`, in the moment."""
        with source_errors():
            async with self._conn.cursor(row_factory=tuple_row) as cur:
                relations = [Relation.parse(name) for name in names]
                asked = ([one.schema for one in relations], [one.name for one in relations])
                rows = await (await cur.execute(_NAMES, asked)).fetchall()
        return {
            str(Relation(schema, name)): Bearer(TableIdentity(oid=oid, born=born), (table, of_schema))
            for schema, name, oid, born, table, of_schema in rows
        }

    async def there(self, asked: Collection[TableIdentity]) -> set[TableIdentity]:
        """Those of some tables that are in the database, in the moment."""
        return await still_there(self._conn, asked)

    async def last_mark(self, archives: Collection[UUID]) -> LastMark:
        """What was marked last of `archives`, all of which stand in for rows in the moment."""
        return await stand_ins.last_mark(self._conn, archives)

    async def witnesses(self, table: TableThen, columns: Collection[str]) -> dict[str, list[Witness]]:
        """By column: what the table's tree knows in the moment of rows that are older than the column."""
        return await witnesses(self._conn, table.table.oid, columns)

    async def labels(self, table: TableThen) -> dict[int, Labels]:
        """By attnum: the labels of the enums that the table's columns hold, in the moment."""
        return await labels_now(self._conn, table.table.oid)

    async def check(self, table: TableThen) -> None:
        """Raise `TransientError` (`moment-passed`) unless rows of `table` that the snapshot sees lie where they lay then.

        Asked by whoever has begun to read the table, and so has locks on all that is read: it stays true as long as they do.
        """
        async with self._asking:
            now = await _members(self._beside, table.table)
            if any(now.get(oid) != known for oid, known in table.members.items()):
                raise passed()
            added = [oid for oid in now if oid not in table.members]
            if added:
                # a table that was made since has no row that the snapshot sees; another one was attached
                async with self._conn.cursor(row_factory=tuple_row) as cur:
                    if await (await cur.execute(_THERE_THEN, (added,))).fetchone() is not None:
                        raise passed()


async def standing(conn: AsyncConnection[Any], of: str | None = None) -> tuple[StandingArchive, ...]:
    """Archives that stand in for rows; those alone that have the name of the hypertable `of`, where it is given."""
    if not await mark_schema.is_there(conn):
        return ()
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            return tuple(StandingArchive(*row) for row in await (await cur.execute(_STAND_INS, {"of": of})).fetchall())


def passed() -> TransientError:
    """What to say when tables were changed after the snapshot, so that another one has to be taken."""
    return TransientError("tables were changed while they were about to be read", code="moment-passed")


async def _members(conn: AsyncConnection[Any], named: NamedTable) -> dict[int, str]:
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            rows = await (await cur.execute(_MEMBERS, (named.oid,))).fetchall()
            if foreign := [oid for oid, _, kind in rows if kind == "f"]:
                raise PermanentError(
                    f"{named.relation} has foreign tables ({len(foreign)}), whose rows are in no snapshot of this database",
                    code="foreign-partition",
                )
            found = {oid: text for oid, text, _ in rows}
            if named.kind == "timescaledb":
                relation = named.relation
                for (oid,) in await (await cur.execute(_COMPRESSED, (relation.schema, relation.name))).fetchall():
                    if oid in found:
                        found[oid] += " compressed"
    return found
