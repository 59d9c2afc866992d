"""Partitions that are dropped while the catalog is read: PostgreSQL lists them, and has no bounds of them any more."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.source import catalog
from archival_core.source.catalog import sizes
from archival_core.source.catalog.hypertables import source_tables
from archival_core.source.catalog.partitioning.tree import readable_leaves, tree
from tests.contract.source_support import Connection

MONTHS = """
CREATE TABLE {0}.readings (time timestamptz NOT NULL, value int) PARTITION BY RANGE (time);
CREATE TABLE {0}.jan PARTITION OF {0}.readings FOR VALUES FROM ('2026-01-01Z') TO ('2026-02-01Z');
CREATE TABLE {0}.feb PARTITION OF {0}.readings FOR VALUES FROM ('2026-02-01Z') TO ('2026-03-01Z') PARTITION BY RANGE (value);
CREATE TABLE {0}.leaf PARTITION OF {0}.feb DEFAULT;
CREATE TABLE {0}.mar PARTITION OF {0}.readings FOR VALUES FROM ('2026-03-01Z') TO ('2026-04-01Z')
"""


@pytest.fixture
async def schema(source_database_url: str) -> AsyncIterator[str]:
    name = f"vanishing_{uuid.uuid4().hex[:12]}"
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as conn:
        await conn.execute(f"CREATE SCHEMA {name};{MONTHS.format(name)}".encode())
        yield name
        await conn.execute(f"DROP SCHEMA {name} CASCADE".encode())


@pytest.fixture
async def before(source_database_url: str, schema: str) -> AsyncIterator[Connection]:
    """A transaction whose snapshot is of before January and February were dropped."""
    async with await psycopg.AsyncConnection.connect(source_database_url) as conn:
        await conn.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await conn.execute(b"SELECT FROM pg_class LIMIT 1")
        async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as other:
            await other.execute(f"DROP TABLE {schema}.jan, {schema}.feb".encode())
        listed = "SELECT count(*) FROM pg_inherits WHERE inhparent = to_regclass(%s)"
        assert await (await conn.execute(listed.encode(), [f"{schema}.readings"])).fetchone() == (3,)
        yield conn
        await conn.rollback()


async def test_lists_leave_them_out(before: Connection, schema: str) -> None:
    table = Relation(schema, "readings")
    assert [chunk.relation.name for chunk in await catalog.chunks(before, table)] == ["mar"]
    assert [chunk.relation.name for chunk in await catalog.chunks_ending_by(before, table, "2027-01-01T00:00:00Z")] == ["mar"]
    assert table in {found.relation for found in await source_tables(before)}


@pytest.mark.parametrize("name", ["jan", "feb"])
async def test_one_is_unknown(before: Connection, schema: str, name: str) -> None:
    with pytest.raises(PermanentError) as caught:
        await catalog.find_chunk(before, Relation(schema, "readings"), Relation(schema, name))
    assert caught.value.code == "unknown-chunk"


@pytest.mark.parametrize("name", ["jan", "feb"])
async def test_what_was_found_before_is_gone(source_database_url: str, schema: str, name: str) -> None:
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as conn:
        chunk = await catalog.find_chunk(conn, Relation(schema, "readings"), Relation(schema, name))
        async with conn.transaction():
            await conn.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            await conn.execute(b"SELECT FROM pg_class LIMIT 1")
            async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as other:
                await other.execute(f"DROP TABLE {schema}.{name}".encode())
            # the snapshot still has what can be read of tables; whoever reads rows takes a lock, and finds the table gone
            for look in (tree, readable_leaves, catalog.source_bytes, ask_for_size):
                with suppress_unknown():
                    async with conn.transaction():
                        await look(conn, chunk)


async def ask_for_size(conn: Connection, chunk: Chunk) -> None:
    await sizes.estimates(conn, [chunk])


@contextmanager
def suppress_unknown() -> Iterator[None]:
    try:
        yield
    except PermanentError as error:
        assert error.code == "unknown-chunk"
