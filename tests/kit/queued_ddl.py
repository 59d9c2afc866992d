"""An application whose tables are altered while the service reads them: DDL that waits for a lock, and a SELECT behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

#: Nobody's statement hangs for longer, whatever the service does.
_PATIENCE = "SET statement_timeout = '40s'"
_IS_QUEUED = "SELECT FROM pg_locks WHERE pid = %s AND NOT granted"
# A question to the catalog locks a table for a moment too. Who holds a snapshot holds the lock of its nonce as well.
_WHO_READS = """
SELECT count(DISTINCT l.pid), bool_or(nonce.pid IS NOT NULL)
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
LEFT JOIN pg_locks nonce ON nonce.pid = l.pid AND nonce.locktype = 'advisory'
WHERE l.relation = to_regclass(%s) AND l.granted AND a.application_name = 'archival_service'
"""


@dataclass(frozen=True)
class Application:
    """Sessions of somebody else."""

    url: str

    async def until_read(self, table: str, sessions: int = 1) -> None:
        """Wait until so many of the service's sessions hold a lock of `table`, one of them with a snapshot."""
        await self._until_locked(table, lambda locking, has_snapshot: locking >= sessions and has_snapshot)

    async def until_locked(self, table: str) -> None:
        """Wait until any of the service's sessions holds a lock of `table`."""
        await self._until_locked(table, lambda locking, _: locking > 0)

    async def _until_locked(self, table: str, is_enough: Callable[[int, bool], bool]) -> None:
        async with asyncio.timeout(20), await self._connect() as connection:
            while True:
                row = await (await connection.execute(_WHO_READS, (table,))).fetchone()
                if row is not None and is_enough(row[0], bool(row[1])):
                    return
                await asyncio.sleep(0.02)

    async def alter(self, ddl: str, select: str) -> float:
        """Queue `ddl`, which has to wait, then `select` behind it; returns, when both are done, how long `select` took."""
        async with self.queued(ddl) as altering:
            waited = await self._timed(select)
            await altering
        return waited

    @asynccontextmanager
    async def queued(self, ddl: str) -> AsyncIterator[asyncio.Task[object]]:
        """`ddl`, once the statement waits for a lock; to be waited for."""
        async with await self._connect() as connection, await self._connect() as looking:
            altering = asyncio.create_task(connection.execute(ddl.encode()))
            while not altering.done():
                if await (await looking.execute(_IS_QUEUED, (connection.info.backend_pid,))).fetchone() is not None:
                    break
                await asyncio.sleep(0.01)
            yield altering

    async def _timed(self, query: str) -> float:
        async with await self._connect() as connection:
            began = time.monotonic()
            await connection.execute(query.encode())
            return time.monotonic() - began

    async def _connect(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        connection = await psycopg.AsyncConnection.connect(self.url, autocommit=True)
        await connection.execute(_PATIENCE)
        return connection
