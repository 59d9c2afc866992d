"""The servers of a session: real PostgreSQL, Valkey and Azurite, the lake's emulator, and a proxy before each of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from dev.lake_emulator import Emulator, serve
from dev.servers.azurite import AzuriteServer
from dev.servers.postgres import PostgresServer
from dev.servers.valkey import ValkeyServer
from tests.faults.loop_thread import LoopThread
from tests.faults.proxy import Proxy, proxied


@dataclass(slots=True)
class Servers:
    """They are shared by all runs; each run has fresh names in them."""

    folder: Path
    postgres: PostgresServer
    valkey: ValkeyServer
    storage_connection: str
    emulator: Emulator
    proxies: dict[str, Proxy]
    loop: LoopThread

    @property
    def postgres_url(self) -> str:
        """Of the database `postgres`."""
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        """Of database 0."""
        return self.valkey.url

    def heal(self) -> None:
        """Fine weather and a healthy lake."""
        self.emulator.faults.clear()
        for proxy in self.proxies.values():
            self.loop.loop.call_soon_threadsafe(proxy.heal)


@contextmanager
def started(folder: Path) -> Iterator[Servers]:
    """Start all of them, with their data below `folder`."""
    # a worker that is killed leaves requests behind, which is what the runs are for
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        loop = stack.enter_context(LoopThread())
        postgres = stack.enter_context(PostgresServer(folder / "postgres"))
        valkey = stack.enter_context(ValkeyServer(folder / "valkey"))
        azurite = stack.enter_context(AzuriteServer(folder / "azurite"))
        emulator = loop.enter(serve(folder / "lake"))
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            # the embedded server forgets the last commits when it is killed; these runs kill it
            connection.execute("alter role postgres set synchronous_commit = on")
        queue_url = next(p for p in azurite.connection_string.split(";") if p.startswith("QueueEndpoint=")).partition("=")[2]
        ports = {
            "postgres": urlsplit(postgres.url).port,
            "redis": urlsplit(valkey.url).port,
            "queue": urlsplit(queue_url).port,
            "lake": emulator.port,
        }
        proxies = {name: loop.enter(proxied(port)) for name, port in ports.items() if port is not None}
        yield Servers(folder, postgres, valkey, azurite.connection_string, emulator, proxies, loop)
