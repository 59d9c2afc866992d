"""Stretches of a session end, and leave nothing behind, however what is inside them ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import PermanentError
from archival_core.source.at_once import at_once
from archival_core.source.session import _STRETCHES, pinned, piped
from tests.kit.trips import Ways

Stretch = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
async def connection(source_database_url: str) -> AsyncIterator[Connection]:
    async with Database(source_database_url).connect() as connection:
        yield connection


async def fails(connection: Connection) -> None:
    await connection.execute("SELECT 1 / 0")


async def shown(connection: Connection, setting: str, seconds: float = 0, times: int = 1) -> str:
    """The setting's value, asked one after the other so many times."""
    for _ in range(times):
        asked = "SELECT pg_catalog.current_setting(%s) AS value, pg_catalog.pg_sleep(%s)"
        row = await (await connection.execute(asked, (setting, seconds))).fetchone()
    assert row is not None
    return str(row["value"])


async def refuses(connection: Connection, reason: str, times: int) -> None:
    await shown(connection, "work_mem", times=times)
    raise PermanentError(reason, code="refused")


@pytest.mark.parametrize("stretch", [pinned, piped])
async def test_a_failed_stretch_does_not_reach_the_callers_transaction(connection: Connection, stretch: Stretch) -> None:
    async with connection.transaction():
        await connection.execute("CREATE TEMP TABLE kept (n int)")
        with pytest.raises(psycopg.errors.DivisionByZero):
            async with stretch(connection):
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


@pytest.mark.parametrize("stretch", [pinned, piped])
async def test_a_stretch_that_is_cancelled_ends(source_database_url: str, stretch: Stretch) -> None:
    async def ask(connection: Connection) -> None:
        async with stretch(connection), stretch(connection, work_mem="5MB"):
            await at_once(connection, shown(connection, "work_mem", 0.001), shown(connection, "work_mem", 0.001))

    for number in range(40):
        async with Database(source_database_url).connect() as connection:
            task = asyncio.create_task(ask(connection))
            await asyncio.sleep(number * 0.0002)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            # a session whose pipeline cannot be ended is closed
            assert connection.closed or connection.info.transaction_status is TransactionStatus.IDLE
            assert connection not in _STRETCHES


async def test_questions_that_are_asked_at_once_share_their_ways(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways, telling, wait = list[str](), Ways(), psycopg.AsyncConnection.wait

    async def counting(self: Any, work: Any, *arguments: Any, **options: Any) -> Any:
        if telling.goes(self, work.__qualname__):
            ways.append(work.__qualname__)
        return await wait(self, work, *arguments, **options)

    monkeypatch.setattr(psycopg.AsyncConnection, "wait", counting)

    async def nested() -> tuple[str, str]:
        return await at_once(connection, shown(connection, "work_mem"), shown(connection, "jit", times=3))

    async with piped(connection, work_mem="5MB"):
        answers = await at_once(connection, shown(connection, "work_mem"), nested(), shown(connection, "work_mem", times=2))
    assert answers == ("5MB", ("5MB", "off"), "5MB")
    # three questions that need each other's answers, and the end
    assert len(ways) == 4, ways


async def test_what_failed_at_the_server_is_told_and_not_what_it_brought_about(connection: Connection) -> None:
    async with connection.transaction():
        with pytest.raises(psycopg.errors.DivisionByZero):
            async with piped(connection):
                await at_once(
                    connection,
                    refuses(connection, "for what failed behind it", 2),
                    fails(connection),
                    shown(connection, "work_mem", times=2),
                )
        assert await shown(connection, "work_mem") == "4MB"
    assert connection not in _STRETCHES


async def test_what_failed_at_the_server_is_told_of_questions_in_questions(connection: Connection) -> None:
    async def nested(*questions: Any) -> Any:
        return await at_once(connection, *questions)

    async def fails_later() -> None:
        await shown(connection, "work_mem")
        await fails(connection)

    with pytest.raises(psycopg.errors.DivisionByZero):
        async with piped(connection):
            await at_once(
                connection,
                nested(shown(connection, "work_mem", times=4), nested(fails_later(), shown(connection, "jit", times=4))),
                shown(connection, "work_mem", times=3),
            )


@pytest.mark.parametrize("stretch", [pinned, piped])
async def test_of_several_refusals_the_first_is_told(connection: Connection, stretch: Stretch) -> None:
    async with stretch(connection):
        with pytest.raises(PermanentError, match="the first"):
            await at_once(connection, refuses(connection, "the first", 3), refuses(connection, "the second", 1))
        assert await shown(connection, "work_mem") == "4MB"


async def test_a_stretch_in_another_begins_no_transaction_of_its_own(connection: Connection) -> None:
    async with piped(connection, work_mem="5MB"):
        async with piped(connection, work_mem="6MB"):
            assert await shown(connection, "work_mem") == "6MB"
        assert await shown(connection, "work_mem") == "5MB"
    assert connection.info.transaction_status is TransactionStatus.IDLE
    assert await shown(connection, "work_mem") == "4MB"


async def test_a_failed_stretch_in_another_leaves_it_as_it_was(connection: Connection) -> None:
    async with piped(connection, work_mem="5MB"):
        with pytest.raises(psycopg.errors.DivisionByZero):
            async with piped(connection, work_mem="6MB"):
                await fails(connection)
        with pytest.raises(PermanentError):
            async with piped(connection, work_mem="7MB"):
                await refuses(connection, "no error of the server", 1)
        assert await shown(connection, "work_mem") == "5MB"
    assert connection.info.transaction_status is TransactionStatus.IDLE
