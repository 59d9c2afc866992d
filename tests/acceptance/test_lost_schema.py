"""The ledger's schema is lost while a process lives: by a failover that lacks its migration, or a ledger put back to before
it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import psycopg
import pytest

from archival_core.clients.postgres.database import Database
from archival_core.errors import ArchivalError
from archival_core.ledger.pool import LedgerPool


async def _by_a_query(pool: LedgerPool) -> object:
    found = await pool.one("intake")
    assert found is not None
    return found["paused"]


async def _by_a_connection(pool: LedgerPool) -> object:
    async with pool.connection() as connection:
        return await (await connection.execute("select * from archival.job")).fetchall()


@pytest.mark.parametrize("ask", [_by_a_query, _by_a_connection])
async def test_what_is_lost_is_made_again(own_database_url: str, ask: Callable[[LedgerPool], Awaitable[object]]) -> None:
    pool = LedgerPool(Database(own_database_url))
    try:
        before = await ask(pool)
        async with await psycopg.AsyncConnection.connect(own_database_url, autocommit=True) as somebody:
            await somebody.execute("drop schema archival cascade")
        with pytest.raises(ArchivalError, match="does not exist"):
            await ask(pool)
        assert await ask(pool) == before
    finally:
        await pool.close()
