"""Connections that are kept from one chunk to the next: nothing of one chunk's session is left for the next one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from archival_core.clients.postgres.database import Connection, Database, process_of
from archival_core.errors import AwayError, GaveWayError, TransientError
from archival_core.source.reading_sessions import ReadingSessions
from tests.kit.databases import own_database

#: What code of a table's owner can leave in a session, since planning a statement may run it, and what then tells of it.
LEFT = {
    "a setting": ("set search_path = public", "select current_setting('search_path') <> 'pg_catalog, pg_temp'"),
    "a zone": ("set timezone = 'Asia/Tokyo'", "select current_setting('timezone') <> 'UTC'"),
    "a waiting time": ("set lock_timeout = 0", "select current_setting('lock_timeout') = '0'"),
    "a setting of its own": ("set evil.value = 'x'", "select coalesce(current_setting('evil.value', true), '') <> ''"),
    "a table": ("create temp table pg_class (oid int)", "select to_regclass('pg_temp.pg_class') is not null"),
    "a statement": ("prepare _pg3_0 as select 1", "select exists (select from pg_prepared_statements)"),
    "a cursor": ("declare c cursor with hold for select 1", "select exists (select from pg_cursors)"),
    "a lock": (
        "select pg_advisory_lock(42)",
        "select exists (select from pg_locks where locktype = 'advisory' and objid = 42)",
    ),
    "a channel": ("listen evil", "select exists (select from pg_listening_channels())"),
    "a role": ("set role pg_read_all_data", "select current_user <> session_user"),
    "a caution": ("set row_security = on", "select current_setting('row_security') <> 'off'"),
}


@pytest.fixture
async def sessions(source_database_url: str) -> AsyncIterator[ReadingSessions]:
    opened = ReadingSessions(Database(source_database_url))
    yield opened
    await opened.close()


async def tells(connection: Connection, question: str) -> bool:
    row = await (await connection.execute(question.encode())).fetchone()
    assert row is not None
    [answer] = row.values()
    return bool(answer)


@pytest.mark.parametrize("what", LEFT)
async def test_nothing_is_left_for_the_next_chunk(sessions: ReadingSessions, what: str) -> None:
    leave, question = LEFT[what]
    async with sessions.connect() as connection:
        process = process_of(connection)
        await connection.execute(leave.encode())
        assert await tells(connection, question)
    async with sessions.connect() as connection:
        assert process_of(connection) == process, "the connection is kept"
        assert not await tells(connection, question)


async def test_statements_that_come_again_and_again(sessions: ReadingSessions) -> None:
    """The driver would prepare them, and not notice that they are gone."""
    for _ in range(3):
        async with sessions.connect() as connection:
            for _ in range(8):
                assert await tells(connection, "select true")


@pytest.mark.parametrize("error", [TransientError("x", code="source-changed"), GaveWayError("x"), KeyboardInterrupt()])
async def test_a_session_in_which_anything_went_wrong_is_not_kept(sessions: ReadingSessions, error: BaseException) -> None:
    """Whoever ends it, because somebody waits for its locks, might be late, and must not end the next chunk's."""
    with pytest.raises(type(error)):
        async with sessions.connect() as connection:
            process = process_of(connection)
            raise error
    async with sessions.connect() as connection:
        assert process_of(connection) != process


async def test_what_a_chunk_left_is_gone_with_it(sessions: ReadingSessions, source_database_url: str) -> None:
    """And not when the next chunk comes: others would wait for a lock as long."""
    async with sessions.connect() as connection:
        process = process_of(connection)
        await connection.execute("select pg_advisory_lock(43)")
    async with Database(source_database_url).connect() as other:
        found = await other.execute("select from pg_locks where locktype = 'advisory' and pid = %s", [process])
        assert await found.fetchone() is None


async def test_a_session_that_does_not_end_is_not_kept(sessions: ReadingSessions) -> None:
    async with sessions.connect() as connection:
        process = process_of(connection)
        await connection.execute("begin")
    async with sessions.connect() as connection:
        assert process_of(connection) != process


async def test_a_source_that_is_away_is_told_at_once() -> None:
    away = ReadingSessions(Database("postgresql://postgres@127.0.0.1:1/postgres"))
    async with asyncio.timeout(5):
        with pytest.raises(AwayError):
            async with away.connect():
                raise AssertionError("there is no such server")


async def test_a_restore_of_the_database_is_noticed(source_database_url: str) -> None:
    """As `timescaledb_pre_restore` says it, which a connection that is there does not hear of."""
    with own_database(source_database_url) as own:
        sessions = ReadingSessions(Database(own))
        async with sessions.connect() as connection:
            name = urlsplit(own).path.strip("/")
            await connection.execute(f"alter database {name} set timescaledb.restoring = 'on'".encode())
        with pytest.raises(AwayError) as caught:
            async with sessions.connect():
                raise AssertionError("compressed chunks would look empty")
        await sessions.close()
    assert caught.value.code == "database-restoring"


async def test_a_session_that_was_ended_meanwhile(sessions: ReadingSessions, source_database_url: str) -> None:
    async with sessions.connect() as connection:
        process = process_of(connection)
    async with Database(source_database_url).connect() as other:
        await other.execute("select pg_terminate_backend(%s, 5000)", [process])
    async with sessions.connect() as connection:
        assert process_of(connection) != process
