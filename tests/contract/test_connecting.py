"""Connecting costs one round trip more than libpq's own, and nothing of it is left in messages."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from archival_core.clients.postgres import settings as postgres_settings
from archival_core.clients.postgres import silence
from archival_core.clients.postgres.database import Database
from archival_core.errors import TransientError
from archival_core.source.wire.driver import connected


@dataclass
class RoundTrips:
    """How often a client spoke after the server had spoken."""

    port: int = 0
    count: int = 0
    open: int = 0


@asynccontextmanager
async def counted(target: int) -> AsyncIterator[RoundTrips]:
    """A way to 127.0.0.1:`target` that counts."""
    trips = RoundTrips()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        trips.open += 1
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", target)
        last = "down"

        async def pump(direction: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            nonlocal last
            while data := await source.read(65536):
                trips.count += (direction, last) == ("up", "down")
                last = direction
                sink.write(data)
            sink.close()

        await asyncio.gather(pump("up", reader, up_writer), pump("down", up_reader, writer), return_exceptions=True)
        trips.open -= 1

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    trips.port = server.sockets[0].getsockname()[1]
    try:
        yield trips
    finally:
        server.close()


def plain_psycopg(url: str) -> None:
    psycopg.connect(url, autocommit=True).close()


def our_psycopg(url: str) -> None:
    async def connect() -> None:
        async with Database(url).connect():
            pass

    asyncio.run(connect())


def our_adbc(url: str) -> None:
    with connected(url):
        pass


async def _trips(source_database_url: str, connect: Callable[[str], None]) -> int:
    target = urlsplit(source_database_url).port
    assert target is not None
    async with counted(target) as trips:
        url = source_database_url.replace(f":{target}/", f":{trips.port}/")
        found: list[int] = []

        def twice() -> None:
            for _ in range(2):  # what the driver reads but once is read by the first
                before = trips.count
                connect(url)
                time.sleep(0.1)
                while trips.open:  # until its farewell has come through
                    time.sleep(0.01)
                found.append(trips.count - before)

        thread = threading.Thread(target=twice)
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0.01)
        return found[1]


async def test_a_connection_costs_one_round_trip_more(source_database_url: str) -> None:
    plain = await _trips(source_database_url, plain_psycopg)
    assert await _trips(source_database_url, our_psycopg) == plain + 1
    assert await _trips(source_database_url, our_adbc) == plain + 1


@pytest.mark.parametrize("url", ["postgresql://me:s3cret@[", "postgresql://me:s3cret@h/db?nonsense=1"])
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(psycopg.ProgrammingError) as said:
        postgres_settings.conninfo(url)
    assert "s3cret" not in f"{said.value!r}"
    assert said.value.__suppress_context__


async def test_nor_is_it_by_a_database() -> None:
    with pytest.raises(TransientError, match="cannot be read") as said:
        await Database("postgresql://me:s3cret@h/db?nonsense=1").prove_writable()
    assert "s3cret" not in str(said.value)


def test_what_a_network_needs_its_url_may_say() -> None:
    given = conninfo_to_dict(
        postgres_settings.conninfo("postgresql://h/db?keepalives_idle=5&application_name=me&options=-crole%3Dr")
    )
    assert (given["keepalives_idle"], given["tcp_user_timeout"]) == ("5", "60000")
    assert (given["application_name"], given["client_encoding"]) == ("archival_service", "UTF8")
    assert str(given["options"]).startswith("-crole=r -c timezone=UTC ")
    assert r"-c datestyle=ISO,\ YMD" in str(given["options"])
    assert r"-c default_tablespace= " in str(given["options"])


def test_settings_of_one_connection_go_before_all_others() -> None:
    options = str(conninfo_to_dict(postgres_settings.conninfo("postgresql://h/db", {"jit": "on"}))["options"])
    assert "-c jit=off" not in options
    assert "-c jit=on" in options


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """The URL of a server that says nothing, and what is set when its first connection was closed by the other end.

    Meanwhile what the collector of reference cycles would close some time later stays open.
    """
    closed = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while await reader.read(1024):
                pass
        closed.set()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    gc.disable()
    try:
        yield f"postgresql://someone@127.0.0.1:{server.sockets[0].getsockname()[1]}/db?connect_timeout=2", closed
    finally:
        gc.enable()
        server.close()


@pytest.mark.parametrize("ends_by", ["time-out", "being called off"])
async def test_a_connection_that_is_half_made_is_closed_whoever_keeps_the_error(ends_by: str) -> None:
    async with silent() as (url, closed):
        connecting = asyncio.create_task(Database(url).opened())
        if ends_by == "being called off":
            await asyncio.sleep(0.3)
            connecting.cancel()
        await asyncio.wait({connecting})
        kept = None if connecting.cancelled() else connecting.exception()
        assert connecting.cancelled() or isinstance(kept, TransientError)
        async with asyncio.timeout(1):
            await closed.wait()


async def test_nor_does_one_stay_that_asked_whether_a_server_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "_ANSWER_SECONDS", 2)
    async with silent() as (url, closed):
        assert not await asyncio.to_thread(silence._answers, url)
        async with asyncio.timeout(1):
            await closed.wait()
