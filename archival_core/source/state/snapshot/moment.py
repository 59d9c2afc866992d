"""One moment of the whole source, in which several tables are read: its marks, its rows, and the tables in which rows lie.

PostgreSQL's snapshots do not hold a table together. A statement that begins after a chunk was dropped, detached, truncated or
compressed reads what is there now, and would miss rows that the snapshot has. So a moment knows in which tables its rows lay,
and whoever has begun to read, and so has locks, asks whether they still do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Final, LiteralString, Self
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, sql
from psycopg import errors as postgres
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError, TransientError
from archival_core.model.chunks.chunk import Column, Relation, ServerIdentity
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.source.at_once import at_once, together
from archival_core.source.catalog import lookup
from archival_core.source.catalog.definition.defaults import Witness, witnesses
from archival_core.source.catalog.definition.enum_labels import Labels, labels_now
from archival_core.source.session import READ_SETTINGS, counted_as_pinned, pin_statement
from archival_core.source.state.marks import copies, stand_ins
from archival_core.source.state.marks.copies import CopiesThere
from archival_core.source.state.marks.stand_ins import LastMark
from archival_core.source.state.marks.standing import StandingArchive, standing
from archival_core.source.state.snapshot.live_begin import LiveBegin, live_begin
from archival_core.source.state.snapshot.members import members, read_in_snapshot
from archival_core.source.state.snapshot.readable import NamedTable
from archival_core.source.state.snapshot.snapshot import EXPORT
from archival_core.source.state.snapshot.waiting import LOCK_TIMEOUT, locked_by_others
from archival_core.source.state.tables import identity_of, still_there
from archival_core.source.statement import name_of
from archival_core.source.translate import source_errors

_READABLE: Final[LiteralString] = """
SELECT a.attnum::int AS number FROM pg_catalog.pg_attribute a
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
  AND pg_catalog.has_column_privilege(%(role)s, a.attrelid, a.attnum, 'SELECT')
"""
_POLICIES: Final[LiteralString] = "SELECT c.relrowsecurity FROM pg_catalog.pg_class c WHERE c.oid = %(oid)s"
_BELOW: Final[LiteralString] = """
WITH RECURSIVE member (oid) AS (
    SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = %(oid)s::bigint::oid
    UNION ALL
    SELECT i.inhrelid FROM member m JOIN pg_catalog.pg_inherits i ON i.inhparent = m.oid
)
SELECT n.nspname AS schema, c.relname AS name, c.oid::bigint AS oid
FROM member m JOIN pg_catalog.pg_class c ON c.oid = m.oid AND c.relkind = 'p'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
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
_BEGIN: Final = sql.SQL("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
_ROLLBACK: Final = sql.SQL("ROLLBACK")
_LOCK_TIMEOUT: Final[LiteralString] = f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"
_LOCK: Final = sql.SQL("LOCK TABLE ONLY {} IN ACCESS SHARE MODE")


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
    #: `None` where nobody knows it
    begin: LiveBegin | None


class Moment:
    """A REPEATABLE READ, READ ONLY transaction, exported for other connections to join, and what it sees.

    `conn` is idle, in autocommit mode, and belongs to the moment. `beside` gives another such session, which sees what is
    committed since; it is asked for one when that is to be looked at. Every table is locked in ACCESS SHARE mode before the
    snapshot, so that its columns stay as they are.
    """

    def __init__(
        self,
        conn: AsyncConnection[Any],
        beside: Callable[[], Awaitable[AsyncConnection[Any]]],
        tables: Sequence[NamedTable],
        role: str,
    ) -> None:
        self._conn, self._beside, self._tables, self._role = conn, beside, tables, role
        self._asking = asyncio.Lock()
        #: for `SET TRANSACTION SNAPSHOT`; valid inside the context
        self.snapshot_id = ""
        self.server: ServerIdentity | None = None
        #: archives that stand in for rows, of whichever table
        self.standing: tuple[StandingArchive, ...] = ()
        self.then: tuple[TableThen, ...] = ()
        self._has_copies = False

    async def __aenter__(self) -> Self:
        with source_errors():
            try:
                await self._begin()
                with counted_as_pinned(self._conn, READ_SETTINGS):
                    await self._look()
            except BaseException:
                await self._end(has_failed=True)
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with source_errors():
            await self._end(has_failed=error is not None)

    async def _begin(self) -> None:
        """Lock the tables, then take the snapshot, in one way to the server."""
        conn = self._conn
        # a materialized view takes no lock by this statement, and has no columns to change
        locks = [(named, conn.cursor()) for named in self._tables if not named.is_materialized]
        try:
            async with conn.pipeline():
                await conn.execute(_BEGIN, prepare=False)
                await conn.execute(_LOCK_TIMEOUT, prepare=False)
                for named, lock in locks:
                    # a table that was renamed since has another oid under its name, or none
                    await lock.execute(_LOCK.format(name_of(named.relation)), prepare=False)
                await conn.execute(pin_statement(READ_SETTINGS))
                exported = await conn.cursor(row_factory=tuple_row).execute(EXPORT)
        except postgres.LockNotAvailable as error:
            # the server passes over what stands behind the lock that was not to be had
            waited = [named for named, lock in locks if lock.statusmessage is None]
            raise locked_by_others(waited[0].relation) from error
        except (postgres.UndefinedTable, postgres.InvalidSchemaName) as error:
            raise passed() from error
        row = await exported.fetchone()
        assert row is not None
        self.snapshot_id = row[0]

    async def _look(self) -> None:
        conn = self._conn
        async with conn.pipeline():
            # Guard BYMARK: the snapshot that sees the live rows also says which archives stand in for rows. The ledger may know
            # more or less than that, and what is committed since belongs to another moment.
            self.standing, self.server, self._has_copies = await at_once(
                conn, standing(conn), lookup.server_identity(conn), copies.is_there(conn)
            )
            self.then = tuple([await self._table(named) for named in self._tables])

    async def _end(self, *, has_failed: bool) -> None:
        if self._conn.closed:
            return
        if self._conn.pgconn.pipeline_status:
            # psycopg does not always leave a pipeline that was cancelled; to close the session ends its transaction
            await self._conn.close()
            return
        # what went wrong before says more than a session that is lost
        with suppress(*((psycopg.Error,) if has_failed else ())):
            await self._conn.execute(_ROLLBACK, prepare=False)

    async def _table(self, named: NamedTable) -> TableThen:
        identity, columns, lie_in, (readable, below), begin = await at_once(
            self._conn,
            self._identity(named),
            lookup.columns(self._conn, named.relation),
            members(self._conn, named),
            self._rights(named),
            live_begin(self._conn, named),
        )
        return TableThen(
            table=named,
            identity=identity,
            columns=tuple(column for column in columns if column.number in readable),
            names=tuple(column.name for column in columns),
            members=MappingProxyType(lie_in),
            below=MappingProxyType(below),
            copies=await self._copies(named, lie_in),
            begin=begin,
        )

    async def _identity(self, named: NamedTable) -> TableIdentity:
        identity = await identity_of(self._conn, named.relation)
        if identity is None or identity.oid != named.oid:
            raise passed()
        return identity

    async def _rights(self, named: NamedTable) -> tuple[set[int], dict[str, int]]:
        """Numbers of the columns that the role may read, and the partitions that are partitioned again."""
        values = {"oid": named.oid, "role": self._role}
        [policies], columns, below = await together(self._conn, (_POLICIES, _READABLE, _BELOW), values)
        if policies["relrowsecurity"] and named.kind != "plain":
            raise PermanentError(
                f"{named.relation} has row-level security, which archives cannot follow: it cannot be asked here",
                code="row-security",
            )
        readable = {column["number"] for column in columns}
        return readable, {str(Relation(found["schema"], found["name"])): found["oid"] for found in below}

    async def _copies(self, named: NamedTable, lie_in: Mapping[int, str]) -> CopiesThere:
        # The snapshot that sees a copy among the live rows says as well of which archive it is the copy.
        if named.kind == "plain" or not self.standing or not self._has_copies:
            return CopiesThere()
        assert self.server is not None
        return await copies.among(self._conn, self.server.system_identifier, read_in_snapshot(lie_in))

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
            beside = await self._beside()
            now = await members(beside, table.table)
            # statements find tables by their names, and a schema is renamed whoever reads its tables
            named = await identity_of(beside, table.table.relation)
            if named != table.identity or any(now.get(oid) != known for oid, known in table.members.items()):
                raise passed()
            added = [oid for oid in now if oid not in table.members]
            if added:
                # a table that was made since has no row that the snapshot sees; another one was attached
                async with self._conn.cursor(row_factory=tuple_row) as cur:
                    if await (await cur.execute(_THERE_THEN, (added,))).fetchone() is not None:
                        raise passed()


def passed() -> TransientError:
    """What to say when tables were changed after the snapshot, so that another one has to be taken."""
    return TransientError("tables were changed while they were about to be read", code="moment-passed")
