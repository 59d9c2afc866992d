"""Connections to the source from which chunks are read, kept from one chunk to the next.

What a server has read of its catalogs it keeps for a connection. A small chunk whose connection is new waits longer for that
than for its rows. Planning a statement may run code of the table's owner, so a session ends with its chunk, and the next one
begins as on a new connection. Where anything went wrong, the connection ends too: whoever ends the session of a chunk, because
somebody waits for its locks, must not end that of another one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from archival_core import telemetry
from archival_core.clients.postgres.database import Connection, Database
from archival_core.clients.postgres.pool import ConnectionPool
from archival_core.source.state.marks import mark_schema
from archival_core.source.state.snapshot.waiting import BRIEFLY

#: More than an instance reads at a time.
_SIZE: Final = 32
#: Nobody waits for a connection: that the source is away is said at once.
_PATIENCE_SECONDS: Final = 0.0
#: The source's address may lead to another server by now, while the former one still answers: after this time it is asked no
#: more.
_LIFETIME_SECONDS: Final = 30.0


class ReadingSessions:
    """Sessions of one event loop with one source."""

    def __init__(self, source: Database) -> None:
        self._source, self._dependency = source, telemetry.Dependency("source", source.described)
        self._pool = ConnectionPool(source, _SIZE, BRIEFLY, lifetime_seconds=_LIFETIME_SECONDS, begins_anew=True)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """A session in autocommit mode, which waits only briefly for a lock; raises as `Database.connect`, and
        `PostponedError` (`connections-in-use`).
        """
        async with AsyncExitStack() as stack:
            with self._dependency.call("connect"):
                connection = await stack.enter_async_context(self._pool.connection(_PATIENCE_SECONDS))
            await stack.enter_async_context(self._source.watched(connection))
            mark_schema.forget(connection)
            yield connection
