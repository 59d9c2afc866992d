"""A connection pooler that shares its sessions is refused, by an error that names the way around it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from archival_core.clients.postgres import database as postgres
from archival_core.clients.postgres.database import Database, process_of
from archival_core.errors import TransientError
from archival_core.ledger.pool import LedgerPool
from archival_core.source.reading_sessions import ReadingSessions
from tests.contract.shared_sessions import shared_sessions
from tests.kit.pgbouncer import DATABASE, program
from tests.kit.pgbouncer import pgbouncer as before

REFUSAL = r"port {} of the database's host is a connection pooler.*5432.*SOURCE_DATABASE_URL and LEDGER_DATABASE_URL"


def through(url: str, port: int) -> str:
    return url.replace(f":{urlsplit(url).port}/", f":{port}/")


async def refused(database: Database, port: int) -> None:
    with pytest.raises(TransientError, match=REFUSAL.format(port)) as error:
        await database.prove_writable()
    assert error.value.code == "database-pooler"
    with pytest.raises(TransientError, match=REFUSAL.format(port)) as error:
        await LedgerPool(database).one("intake")
    assert error.value.code == "database-pooler"


@pytest.mark.parametrize(("sessions", "in_turn"), [(4, False), (4, True), (2, True), (1, False)])
async def test_sessions_that_are_shared_are_refused(source_database_url: str, sessions: int, in_turn: bool) -> None:
    async with shared_sessions(source_database_url, sessions, in_turn=in_turn) as pooler:
        await refused(Database(through(source_database_url, pooler.port)), pooler.port)


async def test_a_pooler_is_looked_behind_once(source_database_url: str) -> None:
    async with shared_sessions(source_database_url, 4) as pooler:
        database = Database(through(source_database_url, pooler.port))
        for _ in range(5):
            with pytest.raises(TransientError, match="pooler"):
                await database.prove_writable()
        assert pooler.clients == 6


async def test_without_a_pooler_nobody_looks(source_database_url: str) -> None:
    database = Database(source_database_url)
    await database.prove_writable()
    assert database._keeps_session is None


@contextmanager
def pgbouncer(url: str, folder: Path, **settings: str) -> Iterator[int]:
    """PgBouncer's port."""
    if program() is None:
        pytest.skip("needs PgBouncer: apt-get install pgbouncer")
    with before(url, folder, **settings) as port:
        yield port


def by_pgbouncer(port: int) -> Database:
    return Database(f"postgresql://anybody:@127.0.0.1:{port}/{DATABASE}")


@pytest.mark.parametrize("mode", ["transaction", "session", "statement"])
async def test_pgbouncer_as_it_comes_is_refused(source_database_url: str, tmp_path: Path, mode: str) -> None:
    """It takes no connection that names its settings."""
    with pgbouncer(source_database_url, tmp_path, pool_mode=mode) as port:
        await refused(by_pgbouncer(port), port)


@pytest.mark.parametrize(
    "settings",
    [
        {"pool_mode": "transaction"},
        {"pool_mode": "transaction", "server_round_robin": "1"},
        {"pool_mode": "transaction", "default_pool_size": "1"},
        {"pool_mode": "statement"},
    ],
)
async def test_pgbouncer_that_shares_sessions_is_refused(
    source_database_url: str, tmp_path: Path, settings: dict[str, str]
) -> None:
    with pgbouncer(source_database_url, tmp_path, ignore_startup_parameters="options", **settings) as port:
        # others work there, too
        others = [await psycopg.AsyncConnection.connect(await by_pgbouncer(port).url(), autocommit=True) for _ in range(3)]
        await asyncio.gather(*(other.execute("select pg_sleep(0.1)") for other in others))
        await refused(by_pgbouncer(port), port)
        for other in others:
            await other.close()


async def test_the_mode_of_a_pooler_may_change(
    source_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody restarts the service for that."""
    monkeypatch.setattr(postgres, "_BELIEVED_SECONDS", 0.0)
    settings = {"pool_mode": "transaction", "ignore_startup_parameters": "options", "admin_users": "anybody"}
    with pgbouncer(source_database_url, tmp_path, **settings) as port:
        database = by_pgbouncer(port)
        console = await psycopg.AsyncConnection.connect(
            f"postgresql://anybody:@127.0.0.1:{port}/pgbouncer", autocommit=True, cursor_factory=psycopg.AsyncClientCursor
        )
        others = [await psycopg.AsyncConnection.connect(await database.url(), autocommit=True) for _ in range(3)]
        await asyncio.gather(*(other.execute("select pg_sleep(0.1)") for other in others))
        for other in others:
            await other.close()
        for mode, is_taken in (("transaction", False), ("session", True), ("statement", False), ("session", True)):
            await console.execute(f"set pool_mode = '{mode}'".encode())
            if is_taken:
                await database.prove_writable()
            else:
                await refused(database, port)
        await console.close()


async def test_pgbouncer_that_keeps_sessions_is_taken(source_database_url: str, tmp_path: Path) -> None:
    settings = {"pool_mode": "session", "ignore_startup_parameters": "options"}
    with pgbouncer(source_database_url, tmp_path, **settings) as port:
        async with by_pgbouncer(port).connect() as connection:
            found = await (await connection.execute("select current_setting('datestyle') as style")).fetchone()
            assert found == {"style": "ISO, YMD"}


async def test_sessions_that_end_on_a_kept_connection_begin_alike(source_database_url: str, tmp_path: Path) -> None:
    """PgBouncer keeps what a client says with its connection to itself, and the server forgets it when a session ends."""
    told = "select current_setting('application_name') as name, current_setting('client_encoding') as encoding"
    with pgbouncer(source_database_url, tmp_path, pool_mode="session", ignore_startup_parameters="options") as port:
        sessions = ReadingSessions(by_pgbouncer(port))
        processes = set()
        for _ in range(2):
            async with sessions.connect() as connection:
                processes.add(process_of(connection))
                assert await (await connection.execute(told)).fetchone() == {"name": "archival_service", "encoding": "UTF8"}
        await sessions.close()
    assert len(processes) == 1
