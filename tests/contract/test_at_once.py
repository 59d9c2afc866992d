"""Questions that are asked at once: each has the answer to its own statement, or an error, and none waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.source.at_once import at_once


@pytest.fixture
async def conn(source_database_url: str) -> AsyncIterator[AsyncConnection[Any]]:
    async with await AsyncConnection.connect(source_database_url, autocommit=True) as connection:
        yield connection


async def value(conn: AsyncConnection[Any], query: LiteralString, *values: object) -> Any:
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(query, values or None)
        [(found,)] = await cursor.fetchall()
    return found


async def test_a_question_with_a_time_limit_of_its_own_leaves_nobody_waiting(conn: AsyncConnection[Any]) -> None:
    async def patient() -> str:
        try:
            async with asyncio.timeout(0.2):
                return str(await value(conn, "SELECT pg_sleep(60)"))
        except TimeoutError:
            return "late"

    async with asyncio.timeout(20):
        with pytest.raises(psycopg.OperationalError):
            await at_once(conn, value(conn, "SELECT 1"), patient())
        assert await at_once(conn, value(conn, "SELECT 1"), value(conn, "SELECT 2")) == (1, 2)


async def test_nobody_takes_the_answer_to_another_question(conn: AsyncConnection[Any]) -> None:
    async def two_in_one() -> None:
        await conn.execute("SELECT 'a'; SELECT 'b'", prepare=False)

    with pytest.raises(RuntimeError, match="2 statements have 3 answers"):
        await at_once(conn, two_in_one(), value(conn, "SELECT 'mine'"))
    assert await at_once(conn, value(conn, "SELECT 1 -- a comment"), value(conn, "SELECT 2;")) == (1, 2)


async def test_texts_in_another_encoding(conn: AsyncConnection[Any]) -> None:
    """Code of a table's owner, a trigger, may have set it meanwhile."""
    await conn.execute("SET client_encoding = 'LATIN1'; SET standard_conforming_strings = off")
    text = "é\\'; SELECT 1 -- %s"
    assert await at_once(conn, value(conn, "SELECT %s", text), value(conn, "SELECT length('é')")) == (text, 1)


async def test_a_question_that_asks_nothing_at_once(conn: AsyncConnection[Any]) -> None:
    async def nothing() -> tuple[Any, ...]:
        return await at_once(conn, *[])

    async with asyncio.timeout(20):
        assert await at_once(conn, nothing(), value(conn, "SELECT 1")) == ((), 1)


async def test_who_is_cancelled_leaves_the_session_as_it_was(conn: AsyncConnection[Any]) -> None:
    asking = asyncio.create_task(at_once(conn, value(conn, "SELECT pg_sleep(60)"), value(conn, "SELECT 1")))
    await asyncio.sleep(0.2)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert conn.cursor_factory is psycopg.AsyncCursor
    assert await value(conn, "SELECT 1") == 1


@pytest.mark.parametrize("failing", [0, 1, 2])
async def test_an_error_is_that_of_whoever_asked(conn: AsyncConnection[Any], failing: int) -> None:
    """A table that is lacking in the ledger is another matter than one that is lacking in the source."""

    async def meant_as(name: str, query: LiteralString) -> None:
        try:
            await value(conn, query)
        except psycopg.Error as error:
            raise ValueError(name) from error

    queries: list[LiteralString] = ["SELECT 1", "SELECT 2", "SELECT 3"]
    queries[failing] = "SELECT 1 / (random() * 0)::int"
    with pytest.raises(ValueError, match=f"^{failing}$"):
        await at_once(conn, *[meant_as(str(place), query) for place, query in enumerate(queries)])
