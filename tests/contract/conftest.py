"""What several of the contract tests need."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from archival_core.lake.client import LakehouseClient
from dev.lake_emulator import Emulator
from tests.contract.restore_support import Bench

#: A test that failed may have left a session of this process at work, which would be waited for without an end.
_PATIENCE = "SET lock_timeout = '30s'"


@pytest.fixture
def schema(source_database_url: str) -> Iterator[str]:
    """A schema of the test's own on PostgreSQL."""
    name = f"contract_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(source_database_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
        yield name
        connection.execute(f"{_PATIENCE}; DROP SCHEMA {name} CASCADE".encode())


async def open_bench(url: str, emulator: Emulator) -> AsyncIterator[Bench]:
    """A schema and a lake of the test's own."""
    lake = LakehouseClient.open(f"{emulator.url}/lake", emulator.key)
    await lake.ensure_filesystem()
    schema = f"restore_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
    yield Bench(url, schema, lake)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"{_PATIENCE}; DROP SCHEMA IF EXISTS {schema} CASCADE".encode())
    await lake.close()


@pytest.fixture
async def bench(source_database_url: str, emulator: Emulator) -> AsyncIterator[Bench]:
    """Archives and restores on PostgreSQL."""
    async for opened in open_bench(source_database_url, emulator):
        yield opened


@pytest.fixture
async def ts_bench(timescaledb_url: str, emulator: Emulator) -> AsyncIterator[Bench]:
    """The same on a real TimescaleDB."""
    async for opened in open_bench(timescaledb_url, emulator):
        yield opened
