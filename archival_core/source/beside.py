"""Connections to the source that stay open, for short questions beside a reading.

An archive asks little of other sessions than its own: one leaves its mark, and one looks at the marks of others at the end. To
open a session takes longer than such a question. No code of a table's owner runs in these sessions, which could leave
something behind.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from archival_core.clients.postgres.database import Connection, Database
from archival_core.clients.postgres.pool import ConnectionPool
from archival_core.errors import TransientError
from archival_core.source.state.snapshot.waiting import BRIEFLY

_SIZE: Final = 2
#: in seconds, for a connection that others have; they have it for as long as a question takes
_PATIENCE: Final = 15.0


class Beside:
    """A few connections of one event loop to one source."""

    def __init__(self, source: Database) -> None:
        self._source, self._pool = source, ConnectionPool(source, _SIZE, BRIEFLY)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """A connection in autocommit mode, which waits only briefly for a lock; raises as `Database.connect`, and
        `PostponedError` (`connections-in-use`).
        """
        async with self._pool.connection(_PATIENCE) as connection, self._source.watched(connection):
            try:
                yield connection
            except TransientError as error:
                if error.code == "history-changed":
                    # The address may lead to another server by now, while the former one still answers. The pool forgets
                    # all of its connections once it is given back one that is closed.
                    await connection.close()
                raise
