"""Connections to the ledger, and its statements by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncClientCursor
from psycopg.errors import (
    DeadlockDetected,
    InvalidSchemaName,
    UndefinedColumn,
    UndefinedFunction,
    UndefinedTable,
    UniqueViolation,
)

from archival_core import telemetry
from archival_core.clients.postgres.database import Connection, Database, translated
from archival_core.clients.postgres.pool import ConnectionPool
from archival_core.errors import TransientError
from archival_core.ledger.migrating import migrate
from archival_core.ledger.sql import queries

Row = dict[str, Any]

_TRIES = 4
#: for a connection of the pool, whoever else has them
_WAIT_SECONDS = 15.0
_SIZE = 4
#: What a ledger lacks that has lost migrations.
_MISSING = (InvalidSchemaName, UndefinedColumn, UndefinedFunction, UndefinedTable)


class LedgerPool:
    """One pool of connections; opened on first use, inside the running loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dependency = telemetry.Dependency("ledger", database.described)
        self._pool: ConnectionPool | None = None
        self._is_migrated = False
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        """Close the pool."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def migrate(self) -> None:
        """Bring schema `archival` up to date; raises as `migrating.migrate`."""
        async with self._database.connect() as connection:
            with translated("the ledger"):
                await migrate(connection)

    async def one(self, query: str, **parameters: Any) -> Row | None:
        """The first row of a statement."""
        with self._dependency.call(query):
            async with self.connection() as connection:
                return await execute(connection, query, parameters)

    async def all(self, query: str, **parameters: Any) -> list[Row]:
        """Every row of a statement."""
        with self._dependency.call(query):
            async with self.connection() as connection:
                cursor = await connection.execute(queries()[query], parameters)
                return await cursor.fetchall()

    async def each(self, query: str, parameters: Sequence[Row]) -> list[list[Row]]:
        """The rows of a statement for each of `parameters`, in one transaction.

        When another transaction was at the same rows, it is done again, and finds what that has left.
        """
        return await _again(lambda: self._each(query, parameters))

    async def all_again(self, query: str, **parameters: Any) -> list[Row]:
        """Every row of a statement. When another transaction was at the same rows, it is done again, as in `each`."""
        return await _again(lambda: self.all(query, **parameters))

    async def _each(self, query: str, parameters: Sequence[Row]) -> list[list[Row]]:
        with self._dependency.call(query):
            async with self.connection() as connection, connection.cursor() as cursor:
                quoting, statement = AsyncClientCursor(connection), queries()[query]
                # The statements of one message are a transaction, so that a host that is frozen keeps no row locked: the server
                # does not end a session that is frozen behind a pipeline.
                message = "\n;".join(quoting.mogrify(statement, values) for values in parameters)
                await cursor.execute(message.encode(connection.info.encoding), prepare=False)
                return [await result.fetchall() async for result in cursor.results()]

    @asynccontextmanager
    async def transaction(self, what: str) -> AsyncIterator[Connection]:
        """A transaction of several statements, timed as `what`; raises as `connection`."""
        with self._dependency.call(what):
            async with self.connection() as connection, connection.transaction():
                yield connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection of the pool; raises `TransientError` and `PermanentError`."""
        with translated("the ledger"):
            pool = await self._open()
            try:
                async with pool.connection(_WAIT_SECONDS) as connection:
                    yield connection
            except _MISSING:
                # a failover, or whoever put the ledger back, may have lost what this process has seen applied
                self._is_migrated = False
                raise

    async def _open(self) -> ConnectionPool:
        async with self._opening:
            if not self._is_migrated:
                await self.migrate()
                self._is_migrated = True
            if self._pool is None:
                self._pool = ConnectionPool(self._database, _SIZE)
            return self._pool


async def execute(connection: Connection, query: str, parameters: Row) -> Row | None:
    """The first row of a statement on `connection`, inside the caller's transaction if there is one."""
    cursor = await connection.execute(queries()[query], parameters)
    return await cursor.fetchone()


async def _again[Found](work: Callable[[], Awaitable[Found]]) -> Found:
    for left in reversed(range(_TRIES)):
        try:
            return await work()
        except TransientError as error:
            if not left or not isinstance(error.__cause__, UniqueViolation | DeadlockDetected):
                raise
    raise AssertionError("the last try returns or raises")
