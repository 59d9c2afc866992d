"""The ledger's connections through restarts, failovers and silence: whoever wants one is served as soon as there is one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from archival_core.clients.postgres import pool as postgres_pool
from archival_core.clients.postgres.database import Database
from archival_core.errors import TransientError
from archival_core.ledger.pool import LedgerPool
from dev.servers.postgres import PostgresServer
from tests.faults.proxy import Weather, proxied
from tests.kit.copied_postgres import CopiedPostgres


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server of this module's own, which is restarted."""
    with CopiedPostgres(tmp_path_factory.mktemp("ledger")) as running:
        yield running


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[LedgerPool]:
    pool = LedgerPool(Database(url))
    try:
        yield pool
    finally:
        await pool.close()


async def use(pool: LedgerPool, count: int) -> list[int]:
    """Have so many connections at the same time; the server's processes behind them."""
    pids = []
    async with AsyncExitStack() as stack:
        for _ in range(count):
            connection = await stack.enter_async_context(pool.connection())
            row = await (await connection.execute("select pg_backend_pid() as pid")).fetchone()
            assert row is not None
            pids.append(row["pid"])
    return pids


def through(url: str, port: int) -> str:
    return url.replace(f":{urlsplit(url).port}/", f":{port}/")


async def test_four_dead_connections_cost_what_one_costs(server: PostgresServer) -> None:
    """All of them died with the server that failed over; nobody waits for each in turn."""
    async with opened(server.url) as pool:
        dead = await use(pool, 4)
        with psycopg.connect(server.url, autocommit=True) as admin:
            admin.execute("select pg_terminate_backend(pid, 5000) from unnest(%s::int[]) as pid", (dead,))
        began = time.monotonic()
        alive = await use(pool, 4)
        assert time.monotonic() - began < 3
        assert not set(dead) & set(alive)


@pytest.fixture
def unused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has used a connection for so long that it is believed no more."""
    monkeypatch.setattr(postgres_pool, "_BELIEVED_SECONDS", 0.0)


@pytest.mark.usefixtures("unused")
async def test_four_silent_connections_cost_what_one_costs(server: PostgresServer) -> None:
    """They are asked at the same time."""
    async with proxied(urlsplit(server.url).port or 0) as proxy, opened(through(server.url, proxy.port)) as pool:
        silent = await use(pool, 4)
        proxy.weather = Weather("black_hole", times=4)
        began = time.monotonic()
        # by one who is served, all are found out
        async with asyncio.timeout(30):
            await use(pool, 1)
        assert time.monotonic() - began < 8
        began = time.monotonic()
        assert not set(silent) & set(await use(pool, 4))
        assert time.monotonic() - began < 3


async def test_after_an_outage_the_first_who_asks_is_served(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it lasted: nobody waits for a pool's own back-off to be over."""
    async with proxied(urlsplit(server.url).port or 0) as proxy, opened(through(server.url, proxy.port)) as pool:
        await use(pool, 4)
        monkeypatch.setattr("archival_core.ledger.pool._WAIT_SECONDS", 3.0)
        proxy.weather = Weather("refuse")
        await proxy.close()  # what was there is reset
        with pytest.raises(TransientError) as away:
            async with asyncio.timeout(30):
                await asyncio.gather(*(pool.one("intake") for _ in range(4)))
        assert away.value.code == "database"
        proxy.heal()
        began = time.monotonic()
        await use(pool, 4)
        assert time.monotonic() - began < 3


async def test_a_restart_is_waited_for(tmp_path: Path) -> None:
    with CopiedPostgres(tmp_path / "restarted") as restarted:
        async with opened(restarted.url) as pool:
            before = await use(pool, 2)
            restart = asyncio.create_task(asyncio.to_thread(restarted.restart))
            lost = 0
            while not restart.done():
                try:
                    await pool.one("intake")
                except TransientError:  # what was on its way
                    lost += 1
            await restart
            assert lost <= 1
            assert not set(before) & set(await use(pool, 2))


async def test_connections_that_a_failover_left_with_what_is_read_only_now(server: PostgresServer, tmp_path: Path) -> None:
    """Its address leads to the new primary, and so do new connections."""
    with CopiedPostgres(tmp_path / "demoted") as demoted:
        password = urlsplit(demoted.url).password
        async with proxied(urlsplit(demoted.url).port or 0) as proxy, opened(through(demoted.url, proxy.port)) as pool:
            await use(pool, 4)
            with psycopg.connect(demoted.url, autocommit=True) as admin:
                admin.execute("alter system set default_transaction_read_only = on")
                admin.execute("select pg_reload_conf()")
            with psycopg.connect(server.url, autocommit=True) as admin:
                admin.execute(f"alter role postgres password '{password}'".encode())
            try:
                proxy.target = urlsplit(server.url).port or 0
                refused = 0
                async with asyncio.timeout(10):
                    while not refused:
                        try:
                            async with pool.transaction("test") as connection:
                                await connection.execute("create table public.t ()")
                                await connection.execute("drop table public.t")
                        except TransientError as error:
                            assert error.code == "database-read-only"
                            refused += 1
                for _ in range(4):
                    async with pool.transaction("test") as connection:
                        await connection.execute("create table public.t ()")
                        await connection.execute("drop table public.t")
            finally:
                with psycopg.connect(through(demoted.url, urlsplit(server.url).port or 0), autocommit=True) as admin:
                    admin.execute(f"alter role postgres password '{urlsplit(server.url).password}'".encode())


async def test_a_pool_that_is_used_up_says_so(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archival_core.ledger.pool._WAIT_SECONDS", 0.2)
    async with opened(server.url) as pool, AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(pool.connection())
        with pytest.raises(TransientError, match="in use"):
            await pool.one("intake")
    # and nothing is left of the trouble
    async with opened(server.url) as pool:
        await use(pool, 4)


async def test_whoever_is_cancelled_leaves_the_others_their_places(server: PostgresServer) -> None:
    async with opened(server.url) as pool:
        await use(pool, 4)
        for _ in range(8):
            tasks = [asyncio.create_task(pool.one("intake")) for _ in range(6)]
            await asyncio.sleep(0.002)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert len(set(await use(pool, 4))) == 4


async def test_a_connection_is_given_back_as_it_was(server: PostgresServer) -> None:
    """Of one that is left inside a transaction nothing is kept."""
    async with opened(server.url) as pool:
        [before] = await use(pool, 1)
        assert await use(pool, 1) == [before]
        async with pool.connection() as connection:
            await connection.execute("begin")
        assert await use(pool, 1) != [before]


async def test_who_waits_holds_no_connection(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_pool, "_IDLE_SECONDS", 0.2)
    async with opened(server.url) as pool:
        pids = await use(pool, 4)
        with psycopg.connect(server.url, autocommit=True) as admin:
            async with asyncio.timeout(10):
                while admin.execute("select 1 from pg_stat_activity where pid = any(%s)", (pids,)).fetchall():
                    await asyncio.sleep(0.05)
        await use(pool, 1)


async def test_a_connection_that_is_old_is_not_used_again(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_pool, "_LIFETIME_SECONDS", 0.0)
    async with opened(server.url) as pool:
        assert await use(pool, 1) != await use(pool, 1)


async def test_a_connection_that_grew_old_while_nobody_used_it_is_not_used_again(server: PostgresServer) -> None:
    pool = postgres_pool.ConnectionPool(Database(server.url), 1, lifetime_seconds=1.0)
    pids = []
    for pause in (0.0, 1.1, 0.0):
        async with pool.connection(5.0) as connection:
            pids.append(connection.info.backend_pid)
        await asyncio.sleep(pause)
    await pool.close()
    assert pids[0] == pids[1] != pids[2]


async def test_every_connection_asks_for_a_token_of_its_own(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archival_core.clients.postgres.database._LOCAL_HOSTS", frozenset())
    parts = urlsplit(server.url)
    asked: list[str] = []

    def token() -> str:
        asked.append(str(parts.password))
        return asked[-1]

    pool = LedgerPool(Database(f"postgresql://{parts.username}@{parts.hostname}:{parts.port}{parts.path}", token))
    try:
        await pool.one("intake")
        asked.clear()
        pids = await use(pool, 3)
        assert len(asked) == len(set(pids)) - 1
        await use(pool, 3)
        assert len(asked) == 2
    finally:
        await pool.close()
