"""Sessions with the source that the service keeps from one question to the next.

A new session reads the system catalogs anew, which takes longer than a small question. A question leaves nothing else in a
session: it reads in one transaction, which is rolled back. Rows are read in other sessions, under the rights of `QUERY_ROLE`,
and these are new for each question.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import MappingProxyType
from typing import Final, LiteralString, Self

from archival_core.clients.postgres.database import Connection, Database
from archival_core.clients.postgres.pool import ConnectionPool
from archival_core.errors import TransientError

APPLICATION: Final[LiteralString] = "archival_query"
_WHOSE: Final[Mapping[LiteralString, LiteralString]] = MappingProxyType({"application_name": APPLICATION})
#: Sessions of one question: the holder of the snapshot, the one beside it, one that looks who waits for them, and one that ends
#: those of the question's process.
_OF_A_QUESTION: Final = 4
#: A question may hold locks while it waits for a session, and whoever waits for these locks waits as long.
_PATIENCE_SECONDS: Final = 1.0
#: The source's address may lead to another server by now, while the former one still answers: after this time it is asked no
#: more.
_LIFETIME_SECONDS: Final = 30.0


class KeptSessions:
    """Sessions of one event loop for so many questions `at_a_time`, which say whose they are."""

    def __init__(self, source: Database, at_a_time: int) -> None:
        self._source = source
        self._pool = ConnectionPool(source, _OF_A_QUESTION * at_a_time, _WHOSE, lifetime_seconds=_LIFETIME_SECONDS)

    async def close(self) -> None:
        """Close the sessions."""
        await self._pool.close()

    def forget(self) -> None:
        """Have new sessions for the next question."""
        self._pool.forget()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """A session in autocommit mode; raises `TransientError`: `connections-in-use`, and as `Database.opened`."""
        async with self._pool.connection(_PATIENCE_SECONDS) as connection, self._source.watched(connection):
            yield connection


class LaterSession:
    """A kept session that is taken when it is wanted, and given back at the end."""

    def __init__(self, sessions: KeptSessions) -> None:
        self._sessions, self._stack = sessions, AsyncExitStack()
        self._opening: asyncio.Task[Connection] | None = None
        self._is_over = False

    def want(self) -> None:
        """Begin to take it, unless the question is over."""
        if not self._is_over:
            self._begun()

    async def get(self) -> Connection:
        """The session; raises what taking it raised, each time."""
        return await asyncio.shield(self._begun())

    def _begun(self) -> asyncio.Task[Connection]:
        if self._is_over:
            raise TransientError("the question was called off", code="query-called-off")
        if self._opening is None:
            self._opening = asyncio.create_task(self._stack.enter_async_context(self._sessions.connect()))
        return self._opening

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_over = True
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        await self._stack.aclose()
