"""A server, or a network, that falls silent: every connection notices by itself, and a pool goes on without a silent one."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import Counter
from contextlib import suppress
from urllib.parse import urlsplit

import psycopg
import pytest

from archival_core.clients import network
from archival_core.clients.postgres.database import Database, cut_after
from archival_core.ledger.pool import LedgerPool
from archival_core.source.wire.driver import connected
from tests.faults.proxy import Weather, proxied

#: seconds of silence, between two questions, number of questions; milliseconds for what was sent
WATCHFUL = (1, 30, 10, 3, 60_000)


def watched(port: int) -> list[tuple[int, ...]]:
    """How each of this process's connections to `port` is watched by the system."""
    names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
    found = []
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208  the entries vanish while they are looked at
        with suppress(OSError, IndexError), socket.socket(fileno=os.dup(int(descriptor))) as end:
            if end.getpeername()[1] == port:
                found.append(
                    (
                        end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                        *(end.getsockopt(socket.SOL_TCP, n) for n in names),
                    )
                )
    return found


async def test_every_connection_of_every_driver_is_watched_alike(source_database_url: str) -> None:
    port = urlsplit(source_database_url).port
    assert port is not None
    pool, others = LedgerPool(Database(source_database_url)), Counter(watched(port))
    try:
        async with Database(source_database_url).connect(), pool.connection():
            with connected(source_database_url):
                found = Counter(watched(port)) - others
                # the Arrow driver's is known by a user time-out that is some milliseconds longer
                assert (
                    sorted((*options, milliseconds // 1000) for *options, milliseconds in found.elements())
                    == [(*WATCHFUL[:-1], WATCHFUL[-1] // 1000)] * 3
                )
    finally:
        await pool.close()


async def test_the_server_watches_its_side(source_database_url: str) -> None:
    """Else the locks of a host that is gone are held for two hours."""
    async with Database(source_database_url).connect() as connection:
        answer = await connection.execute(
            "select name, setting from pg_settings where name like 'tcp\\_keepalives%' or name = 'tcp_user_timeout'"
        )
        assert {row["name"]: row["setting"] for row in await answer.fetchall()} == {
            "tcp_keepalives_idle": "30",
            "tcp_keepalives_interval": "10",
            "tcp_keepalives_count": "3",
            # a reader that waits for the lake is slow, not gone
            "tcp_user_timeout": "0",
        }


def through(url: str, port: int) -> str:
    return url.replace(f":{urlsplit(url).port}/", f":{port}/")


async def test_a_pool_gives_up_a_silent_connection_and_goes_on(
    source_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nobody has used the connection for so long that it is believed no more
    monkeypatch.setattr("archival_core.clients.postgres.pool._BELIEVED_SECONDS", 0.0)
    async with proxied(urlsplit(source_database_url).port or 0) as proxy:
        pool = LedgerPool(Database(through(source_database_url, proxy.port)))
        try:
            before = await pool.one("intake")
            proxy.weather = Weather("black_hole", times=1)
            began = time.monotonic()
            async with asyncio.timeout(30):
                assert await pool.one("intake") == before
            assert proxy.weather.hits == 1
            assert 2 < time.monotonic() - began < 10
        finally:
            await pool.close()


async def test_a_ping_of_a_silent_server_ends(source_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "CONNECT_SECONDS", 1)
    async with proxied(urlsplit(source_database_url).port or 0) as proxy:
        database = Database(through(source_database_url, proxy.port))
        await database.prove_writable()
        # silent from the first statement of a session on, which connecting has in common with asking
        proxy.weather = Weather("black_hole", contains=b"pg_backend_pid")
        began = time.monotonic()
        with pytest.raises(Exception, match="database"):
            async with asyncio.timeout(30):
                await database.prove_writable()
        assert time.monotonic() - began < 6


async def test_what_waits_for_a_silent_server_is_cut_off(source_database_url: str) -> None:
    async with Database(source_database_url).connect() as connection:
        with pytest.raises(psycopg.OperationalError), cut_after(connection, 0.2):
            await asyncio.wait_for(connection.execute("select pg_sleep(20)"), 10)
        assert connection.closed
    async with Database(source_database_url).connect() as connection:
        with cut_after(connection, 0.2):
            await connection.execute("select 1")
        await asyncio.sleep(0.4)
        await connection.execute("select 1")
