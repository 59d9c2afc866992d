"""The servers of a session: real PostgreSQL, Valkey and Azurite, the lake's emulator, and a proxy before each of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from dev.lake_emulator import Emulator, serve
from dev.servers.azurite import AzuriteServer
from dev.servers.postgres import PostgresServer
from dev.servers.valkey import ValkeyServer
from tests.faults.loop_thread import LoopThread
from tests.faults.proxy import Proxy, proxied
from tests.kit.copied_postgres import CopiedPostgres

#: for recovery after a crash, on a busy machine
_UP_AGAIN_SECONDS = 120.0


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

    def administrator(self) -> psycopg.Connection:
        """A connection to the database `postgres`, once the server is up: a run may have brought it down."""
        deadline = time.monotonic() + _UP_AGAIN_SECONDS
        while True:
            try:
                return psycopg.connect(self.postgres_url, autocommit=True)
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    @property
    def redis_url(self) -> str:
        """Of database 0."""
        return self.valkey.url

    def heal(self) -> None:
        """Fine weather and a healthy lake."""
        self.emulator.faults.clear()
        for proxy in self.proxies.values():
            self.loop.loop.call_soon_threadsafe(proxy.heal)

    def silence(self, name: str, *, new_too: bool) -> int:
        """Every packet between the service and this server is swallowed, until `heal`; how many connections that are."""

        async def fall_silent() -> int:
            return self.proxies[name].fall_silent(new_too=new_too)

        return self.loop.run(fall_silent())

    def give_up_silent(self, name: str) -> None:
        """The server has noticed that its clients are silent, as it does after a minute of keepalives without an answer."""
        self.loop.loop.call_soon_threadsafe(self.proxies[name].server_gives_up)

    def cut(self, name: str) -> None:
        """Reset the connections between the service and this server."""
        self.loop.loop.call_soon_threadsafe(self.proxies[name].cut)


@contextmanager
def started(folder: Path) -> Iterator[Servers]:
    """Start all of them, with their data below `folder`."""
    # a worker that is killed leaves requests behind, which is what the runs are for
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        loop = stack.enter_context(LoopThread())
        postgres = stack.enter_context(CopiedPostgres(folder / "postgres"))
        valkey = stack.enter_context(ValkeyServer(folder / "valkey"))
        azurite = stack.enter_context(AzuriteServer(folder / "azurite"))
        emulator = loop.enter(serve(folder / "lake"))
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            # the embedded server forgets the last commits when it is killed; these runs kill it
            connection.execute("alter role postgres set synchronous_commit = on")
        queue_url = next(p for p in azurite.connection_string.split(";") if p.startswith("QueueEndpoint=")).partition("=")[2]
        ports = {
            "postgres": urlsplit(postgres.url).port,
            # of a ledger that is not in the source
            "ledger": urlsplit(postgres.url).port,
            "redis": urlsplit(valkey.url).port,
            "queue": urlsplit(queue_url).port,
            "lake": emulator.port,
        }
        proxies = {name: loop.enter(proxied(port)) for name, port in ports.items() if port is not None}
        yield Servers(folder, postgres, valkey, azurite.connection_string, emulator, proxies, loop)


@contextmanager
def with_own_source(shared: Servers, folder: Path) -> Iterator[Servers]:
    """The shared servers, but for a PostgreSQL server of one run, below `folder`, and a proxy before it."""
    with CopiedPostgres(folder) as postgres:
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute("alter role postgres set synchronous_commit = on")
        port = urlsplit(postgres.url).port
        assert port is not None
        opened = proxied(port)
        proxy = shared.loop.run(opened.__aenter__())
        try:
            yield replace(shared, postgres=postgres, proxies={**shared.proxies, "postgres": proxy})
        finally:
            shared.loop.run(opened.__aexit__(None, None, None))
