"""A server that hangs, while its system still acknowledges every packet: whoever waits for it gives up, and nobody else."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from archival_core.clients.postgres import silence as postgres_silence
from archival_core.clients.postgres.database import Database
from archival_core.errors import TransientError
from archival_core.source.translate import source_errors
from archival_core.source.wire.driver import arriving, connected, driver_errors
from dev.servers.postgres import PostgresServer
from tests.kit.copied_postgres import CopiedPostgres


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Production waits for a minute, and asks twice."""
    monkeypatch.setattr(postgres_silence, "_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(postgres_silence, "_SILENT_SECONDS", 0.5)
    monkeypatch.setattr(postgres_silence, "_ANSWER_SECONDS", 2)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with CopiedPostgres(tmp_path_factory.mktemp("hanging")) as running:
        yield running


@contextmanager
def frozen(server: PostgresServer) -> Iterator[None]:
    """Every process of the server stands still."""
    processes = [server.pid, *_children(server.pid)]
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def copy(url: str, server: PostgresServer) -> None:
    with connected(url) as connection, connection.cursor() as cursor:
        with driver_errors():
            cursor.execute("select pg_catalog.generate_series(1, 100000000), pg_catalog.repeat('x', 1000)")
            reader = cursor.fetch_record_batch()
        batches = arriving(reader)
        next(batches)
        with frozen(server):
            for _ in batches:
                pass


@pytest.mark.slow
async def test_a_copy_from_a_hanging_server_ends(server: PostgresServer) -> None:
    began = time.monotonic()
    with pytest.raises(TransientError) as ended:
        await asyncio.to_thread(copy, server.url, server)
    assert ended.value.code == "source-unreachable"
    assert time.monotonic() - began < 20


async def test_a_statement_that_a_hanging_server_owes_ends(server: PostgresServer) -> None:
    async with Database(server.url).connect() as connection:
        began = time.monotonic()
        with frozen(server), pytest.raises(TransientError), source_errors():
            await connection.execute("select 1")
        assert time.monotonic() - began < 20


@pytest.mark.slow
async def test_what_merely_takes_long_is_waited_for(server: PostgresServer) -> None:
    """Without a byte, from a server that answers others."""

    def wait() -> int:
        with connected(server.url) as connection, connection.cursor() as cursor:
            cursor.execute("select 1 as a from pg_catalog.pg_sleep(2)")
            return sum(batch.num_rows for batch in arriving(cursor.fetch_record_batch()))

    assert await asyncio.to_thread(wait) == 1
    async with Database(server.url).connect() as connection:
        await connection.execute("select pg_sleep(2)")


async def test_who_reads_slowly_is_no_hanging_server(server: PostgresServer) -> None:
    def read() -> int:
        with connected(server.url) as connection, connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": "65536"})
            cursor.execute("select pg_catalog.generate_series(1, 50000), pg_catalog.repeat('x', 1000)")
            reader = cursor.fetch_record_batch()
            batches = arriving(reader)
            first = next(batches)
            with frozen(server):
                time.sleep(2)
            return int(first.num_rows + sum(batch.num_rows for batch in batches))

    assert await asyncio.to_thread(read) == 50_000


def test_only_the_connection_s_own_sockets_are_ended(server: PostgresServer) -> None:
    """By their mark, whatever other connections lead to the same server."""
    with psycopg.connect(server.url) as other, connected(server.url), connected(server.url):
        assert other.execute("select 1").fetchone() == (1,)
        marks = {postgres_silence.marked("host=h tcp_user_timeout=60000")[1] for _ in range(5)}
        assert len(marks) == 5
