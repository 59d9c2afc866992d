"""Stretches of a session end, and leave nothing behind, however what is inside them ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from archival_core.clients.postgres.database import Connection, Database
from archival_core.source.session import _STRETCHES, pinned


@pytest.fixture
async def connection(source_database_url: str) -> AsyncIterator[Connection]:
    async with Database(source_database_url).connect() as connection:
        yield connection


async def fails(connection: Connection) -> None:
    await connection.execute("SELECT 1 / 0")


async def test_a_failed_stretch_does_not_reach_the_callers_transaction(connection: Connection) -> None:
    async with connection.transaction():
        await connection.execute("CREATE TEMP TABLE kept (n int)")
        with pytest.raises(psycopg.errors.DivisionByZero):
            async with pinned(connection):
                await fails(connection)
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            async with pinned(connection):
                with suppress(psycopg.errors.DivisionByZero):
                    await fails(connection)
                # cannot begin, and must not end the stretch around it in its own place
                async with pinned(connection, work_mem="5MB"):
                    pass
        await connection.execute("INSERT INTO kept VALUES (1)")
    assert await (await connection.execute("SELECT n FROM kept")).fetchall() == [{"n": 1}]


async def test_a_stretch_that_is_cancelled_ends(connection: Connection) -> None:
    async def ask() -> None:
        async with pinned(connection), pinned(connection, work_mem="5MB"):
            await connection.execute("SELECT pg_catalog.pg_sleep(0.001)")

    for number in range(40):
        task = asyncio.create_task(ask())
        await asyncio.sleep(number * 0.0001)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert connection.info.transaction_status is TransactionStatus.IDLE
        assert connection not in _STRETCHES
