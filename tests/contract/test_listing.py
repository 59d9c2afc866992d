"""What can be archived, and how large it is, on both kinds of source."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from archival_core.model.chunks.chunk import Relation
from archival_core.source import catalog
from archival_core.source.catalog import sizes
from archival_core.source.catalog.hypertables import source_tables


@dataclass
class Source:
    kind: str
    connection: psycopg.AsyncConnection[Any]
    table: Relation


@pytest.fixture(params=["native", "timescaledb"])
async def source(request: pytest.FixtureRequest) -> AsyncIterator[Source]:
    """Three days of 24 rows each, one chunk a day."""
    url = request.getfixturevalue("source_database_url" if request.param == "native" else "timescaledb_url")
    table = Relation(f"listing_{uuid4().hex[:8]}", "Readings of all")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:

        async def execute(statement: str, *parameters: object) -> None:
            await connection.execute(statement.encode(), parameters or None)

        await execute(f"create schema {table.schema}")
        try:
            if request.param == "native":
                await execute(f"create table {table.sql} (time timestamptz not null, value int) partition by range (time)")
                for day in (1, 2, 3):
                    bounds = f"from ('2026-01-0{day}Z') to ('2026-01-0{day + 1}Z')"
                    await execute(f"create table {table.schema}.day_{day} partition of {table.sql} for values {bounds}")
            else:
                await execute(f"create table {table.sql} (time timestamptz not null, value int)")
                await execute("select create_hypertable(%s, 'time', chunk_time_interval => interval '1 day')", table.sql)
            await execute(
                f"insert into {table.sql} select t, 1 from generate_series(timestamptz '2026-01-01Z',"
                " '2026-01-03 23:00Z', '1 hour') t"
            )
            yield Source(request.param, connection, table)
        finally:
            await execute(f"drop schema {table.schema} cascade")


async def test_tables_are_listed_with_their_time_column(source: Source) -> None:
    [found] = [table for table in await source_tables(source.connection) if table.relation == source.table]
    assert (found.kind, found.time_column, found.time_type, found.chunks) == (
        source.kind,
        "time",
        "timestamp with time zone",
        3,
    )


async def test_every_chunk_has_a_size(source: Source) -> None:
    chunks = await catalog.chunks(source.connection, source.table)
    assert len(chunks) == 3
    await source.connection.execute(f"analyze {source.table.sql}".encode())
    found = await sizes.estimates(source.connection, chunks)
    for chunk in chunks:
        assert found[chunk.oid].rows == 24
        assert found[chunk.oid].bytes == await catalog.source_bytes(source.connection, chunk)


async def test_a_chunk_that_is_gone_has_none(source: Source) -> None:
    [first, *_] = chunks = await catalog.chunks(source.connection, source.table)
    await source.connection.execute(f"drop table {first.relation.sql}".encode())
    assert set(await sizes.estimates(source.connection, chunks)) == {chunk.oid for chunk in chunks} - {first.oid}
