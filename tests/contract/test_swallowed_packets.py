"""A network that swallows packets without a word, in the kernel: no work waits for ever, whichever driver it is with.

Production's parameters are those of `clients/network.py`, a minute; the URL here says seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pyarrow as pa
import pytest

from archival_core.clients.postgres.database import Database
from archival_core.errors import TransientError
from archival_core.source.translate import source_errors
from archival_core.source.wire.driver import arriving, connected, driver_errors
from tests.kit.silent_network import SilentNetwork, silent_network

SOON = "keepalives_idle=1&keepalives_interval=1&keepalives_count=2&tcp_user_timeout=3000"
LONG = "select pg_catalog.generate_series(1, 100000000), pg_catalog.repeat('x', 1000)"


def at(url: str, network: SilentNetwork) -> str:
    return f"{url.replace(f'@127.0.0.1:{urlsplit(url).port}', f'@{network.host}:{network.port}')}?{SOON}"


def copy_out(url: str, network: SilentNetwork) -> None:
    with connected(url) as connection, connection.cursor() as cursor:
        with driver_errors():
            cursor.execute(LONG)
            reader = cursor.fetch_record_batch()
        for number, _ in enumerate(arriving(reader)):
            if number == 3:
                network.cut()


def copy_in(url: str, network: SilentNetwork) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(10_000):
            yield pa.record_batch({"a": pa.array(["x" * 1000] * 1000)})
            if number == 3:
                network.cut()

    with connected(url) as connection, connection.cursor() as cursor, driver_errors():
        reader = pa.RecordBatchReader.from_batches(pa.schema([("a", pa.string())]), batches())
        cursor.adbc_ingest("silent", reader, mode="append", db_schema_name="public")


@pytest.mark.parametrize("work", [copy_out, pytest.param(copy_in, marks=pytest.mark.slow)])
async def test_a_copy_that_falls_silent_ends(source_database_url: str, work: object) -> None:
    with psycopg.connect(source_database_url, autocommit=True) as admin:
        admin.execute("create table if not exists public.silent (a text)")
        async with silent_network(urlsplit(source_database_url).port or 0) as network:
            began = time.monotonic()
            with pytest.raises(TransientError) as ended:
                await asyncio.to_thread(work, at(source_database_url, network), network)  # type: ignore[arg-type]
            assert ended.value.code == "source-unreachable"
            assert time.monotonic() - began < 20
        admin.execute("drop table public.silent")


async def test_a_statement_whose_answer_never_comes_ends(source_database_url: str) -> None:
    async with (
        silent_network(urlsplit(source_database_url).port or 0) as network,
        Database(at(source_database_url, network)).connect() as connection,
    ):
        began = time.monotonic()
        asyncio.get_running_loop().call_later(0.3, network.cut)
        with pytest.raises(TransientError), source_errors():
            await connection.execute("select pg_sleep(60)")
        assert time.monotonic() - began < 20
