"""Redis fails over, or falls silent, and the connections stay: the client goes on by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from archival_core.clients.redis import connection as redis_connection
from archival_core.clients.redis.messaging import MessagingClient
from archival_core.errors import AwayError, TransientError
from dev.servers.valkey import ValkeyServer
from tests.contract.test_silent_connections import WATCHFUL, watched
from tests.faults.proxy import Proxy, Weather, proxied
from tests.kit.redis_commands import command

NAMES: dict[str, Any] = {"events": "events", "group": "g", "results": "results", "dead": "dead"}


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


@dataclass
class Pair:
    """A primary, its replica, and the one address that leads to whichever is the primary."""

    first: Redis
    second: Redis
    ports: tuple[int, int]
    proxy: Proxy

    async def fail_over(self) -> None:
        """The replica becomes the primary; connections that are there stay with what has become the replica."""
        second = self.ports[1]
        await command(self.second, "REPLICAOF", "NO", "ONE")
        await command(self.first, "REPLICAOF", "127.0.0.1", str(second))
        self.proxy.target = second


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    with ValkeyServer(tmp_path / "one") as one, ValkeyServer(tmp_path / "two") as two:
        async with Redis.from_url(one.url) as first, Redis.from_url(two.url) as second, proxied(port_of(one.url)) as proxy:
            await first.config_set("repl-diskless-sync-delay", 0)
            await command(second, "REPLICAOF", "127.0.0.1", str(port_of(one.url)))
            yield Pair(first, second, (port_of(one.url), port_of(two.url)), proxy)


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await true():
            await asyncio.sleep(0.05)


@asynccontextmanager
async def client(port: int) -> AsyncIterator[MessagingClient]:
    opened = MessagingClient.open(f"redis://127.0.0.1:{port}/0", **NAMES)
    try:
        yield opened
    finally:
        await opened.close()


async def test_after_a_failover_the_client_finds_the_new_primary(pair: Pair) -> None:
    async with client(pair.proxy.port) as messaging:
        # more than one connection is open, and each of them is left behind
        await asyncio.gather(*(messaging.announce("t", str(number), {}, None) for number in range(4)))
        await pair.first.xadd("events", {"event": "before"})

        async def has_all() -> bool:
            return (await pair.second.xlen("results"), await pair.second.xlen("events")) == (4, 1)

        await until(has_all)
        await pair.fail_over()
        began = time.monotonic()
        for number in range(4):
            await messaging.announce("t", str(number), {}, None)
        assert await pair.second.xlen("results") == 8
        # scripts that read for a group are writes, too
        [entry] = await messaging.new("consumer", 10)
        assert entry.fields == {b"event": b"before"}
        await messaging.acknowledge([entry.entry_id])
        await messaging.bury(entry, "why")
        assert [letter.reason for letter in await messaging.newest_dead(10)] == ["why"]
        assert time.monotonic() - began < 5


async def test_a_replica_alone_is_said_to_be_one(pair: Pair) -> None:
    """Nobody is the primary yet: that is said soon, and the client goes on when there is one."""
    async with client(pair.proxy.port) as messaging:
        await messaging.announce("t", "s", {}, None)
        await command(pair.first, "REPLICAOF", "127.0.0.1", str(pair.ports[1]))
        began = time.monotonic()
        with pytest.raises(TransientError, match="ReadOnlyError"):
            await messaging.announce("t", "s", {}, None)
        assert time.monotonic() - began < 5
        await command(pair.first, "REPLICAOF", "NO", "ONE")
        await messaging.announce("t", "s", {}, None)


async def test_a_kept_connection_that_fell_silent_is_replaced(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_connection, "_ANSWER_SECONDS", 0.5)
    async with proxied(port_of(redis_url)) as proxy, client(proxy.port) as messaging:
        await messaging.prove_writable()
        proxy.weather = Weather("black_hole", times=1)
        async with asyncio.timeout(10):
            await messaging.prove_writable()
        assert proxy.weather.hits == 1


async def test_a_silent_redis_is_told_in_time(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Production's bound is ten times this one: three tries, and no more."""
    monkeypatch.setattr(redis_connection, "_ANSWER_SECONDS", 0.5)
    async with proxied(port_of(redis_url)) as proxy, client(proxy.port) as messaging:
        await messaging.prove_writable()
        proxy.weather = Weather("black_hole")
        began = time.monotonic()
        with pytest.raises(TransientError, match="Redis"):
            await messaging.prove_writable()
        assert time.monotonic() - began < 5


async def test_its_connections_are_watched_as_those_of_postgresql_are(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / "valkey") as server:
        async with client(port_of(server.url)) as messaging:
            await messaging.prove_writable()
            assert watched(port_of(server.url)) == [WATCHFUL]


async def test_a_full_redis_takes_no_writes_although_its_group_is_there(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / "valkey") as server:
        async with client(port_of(server.url)) as messaging, Redis.from_url(server.url) as redis:
            await messaging.prove_writable()
            await redis.config_set("maxmemory", 1)
            with pytest.raises(AwayError) as raised:
                await messaging.prove_writable()
            assert raised.value.code == "redis-full"
            assert await messaging.new("reader", 1) == [], "events that are there are read all the same"
            await redis.config_set("maxmemory", 0)
            await messaging.prove_writable()
