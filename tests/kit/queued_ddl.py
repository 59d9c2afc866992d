"""An application whose tables are altered while the service reads them: DDL that waits for a lock, and a SELECT behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

#: Nobody's statement hangs for longer, whatever the service does.
_PATIENCE = "SET statement_timeout = '40s'"
_IS_QUEUED = "SELECT FROM pg_locks WHERE pid = %s AND NOT granted"
_WHO_READS = """
SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.relation = to_regclass(%s) AND l.granted AND a.application_name = 'archival_service'
"""


@dataclass(frozen=True)
class Application:
    """Sessions of somebody else."""

    url: str

    async def until_read(self, table: str, sessions: int = 1) -> None:
        """Wait until so many of the service's sessions hold a lock of `table`."""
        async with asyncio.timeout(20), await self._connect() as connection:
            while True:
                row = await (await connection.execute(_WHO_READS, (table,))).fetchone()
                if row is not None and row[0] >= sessions:
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
