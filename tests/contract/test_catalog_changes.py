"""What the catalog says while somebody changes it: one table that goes away keeps no other from being listed.

The functions of PostgreSQL that print names and definitions look at the catalog of this very moment. In a transaction whose
snapshot is older than a DROP they print NULL for what the snapshot still shows, just as they do, by chance, in a single
statement.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator

import psycopg
import pytest

from archival_core.errors import PermanentError, TransientError
from archival_core.model.chunks.chunk import ChunkRange, Relation
from archival_core.source import catalog
from archival_core.source.catalog import sizes
from archival_core.source.catalog.hypertables import source_tables
from archival_core.source.catalog.partitioning import native
from tests.contract.source_support import Connection
from tests.kit.log_records import events

ALL = "2100-01-01T00:00:00Z"
NATIVE = """
CREATE TABLE t (at timestamptz PRIMARY KEY, v int DEFAULT 7, CONSTRAINT positive CHECK (v > 0)) PARTITION BY RANGE (at);
CREATE TABLE p1 PARTITION OF t FOR VALUES FROM ('2026-01-01 00:00Z') TO ('2026-01-02 00:00Z');
CREATE TABLE p2 PARTITION OF t FOR VALUES FROM ('2026-01-02 00:00Z') TO ('2026-01-03 00:00Z');
CREATE TABLE p3 PARTITION OF t FOR VALUES FROM ('2026-01-03 00:00Z') TO ('2026-01-04 00:00Z');
CREATE INDEX by_v ON t (v);
"""
HYPERTABLE = """
CREATE TABLE t (at timestamptz PRIMARY KEY, v int DEFAULT 7, CONSTRAINT positive CHECK (v > 0));
SELECT create_hypertable('t', 'at', chunk_time_interval => interval '1 day');
CREATE INDEX by_v ON t (v);
INSERT INTO t SELECT timestamptz '2026-01-01 00:00Z' + i * interval '1 hour' FROM generate_series(0, 71) i;
"""


class Source:
    """A table with three chunks, seen by a transaction whose snapshot is as old as the test."""

    def __init__(self, url: str, kind: str, schema: str, conn: Connection) -> None:
        self.url, self.kind, self.table, self.conn = url, kind, Relation(schema, "t"), conn

    async def meanwhile(self, *statements: str) -> None:
        """By somebody else."""
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as other:
            await other.execute(f"SET search_path = {self.table.schema}, public".encode())
            for statement in statements:
                await other.execute(statement.encode())


@pytest.fixture(params=["native", "timescaledb"])
async def source(request: pytest.FixtureRequest) -> AsyncIterator[Source]:
    url = request.getfixturevalue("source_database_url" if request.param == "native" else "timescaledb_url")
    schema = f"changes_{uuid.uuid4().hex[:12]}"
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        found = Source(url, request.param, schema, conn)
        await found.meanwhile(f"CREATE SCHEMA {schema}", NATIVE if request.param == "native" else HYPERTABLE)
        await conn.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        async with conn.transaction(force_rollback=True):
            await conn.execute(b"SELECT 1")
            yield found
        await found.meanwhile(f"DROP SCHEMA {schema} CASCADE")


async def test_a_chunk_that_goes_is_left_out(source: Source) -> None:
    [first, second, third] = chunks = await catalog.chunks_ending_by(source.conn, source.table, ALL)
    await source.meanwhile(f"DROP TABLE {second.relation.sql}")
    assert await catalog.chunks_ending_by(source.conn, source.table, ALL) == [first, third]
    assert sorted(c.oid for c in await catalog.chunks(source.conn, source.table)) == sorted([first.oid, third.oid])
    with pytest.raises(PermanentError) as caught:
        await catalog.find_chunk(source.conn, source.table, second.relation)
    assert caught.value.code == "unknown-chunk"
    assert await catalog.find_chunk(source.conn, source.table, third.relation) == third
    found = await sizes.estimates(source.conn, chunks)
    assert set(found) == {first.oid, third.oid}
    with pytest.raises(PermanentError) as caught:
        await catalog.source_bytes(source.conn, second)
    assert caught.value.code == "unknown-chunk"


async def test_a_table_that_goes(source: Source) -> None:
    chunks = await catalog.chunks_ending_by(source.conn, source.table, ALL)
    await source.meanwhile(f"DROP TABLE {source.table.sql} CASCADE")
    assert await catalog.chunks(source.conn, source.table) == []
    assert await catalog.chunks_ending_by(source.conn, source.table, ALL) == []
    for chunk in chunks:
        with pytest.raises(PermanentError) as caught:
            await catalog.find_chunk(source.conn, source.table, chunk.relation)
        assert caught.value.code == "unknown-chunk"
    assert await sizes.estimates(source.conn, chunks) == {}
    await source_tables(source.conn)
    with pytest.raises(TransientError) as changed:
        await catalog.describe_ddl(source.conn, source.table)
    assert changed.value.code == "source-changed"


@pytest.mark.parametrize("change", ["DROP INDEX by_v", "ALTER TABLE t RENAME TO u"])
async def test_a_definition_that_changes_is_not_half_described(source: Source, change: str) -> None:
    ddl = await catalog.describe_ddl(source.conn, source.table)
    assert "CHECK ((v > 0))" in ddl
    assert "by_v" in ddl
    # this one PostgreSQL prints as the snapshot has it
    await source.meanwhile("ALTER TABLE t DROP CONSTRAINT positive")
    assert await catalog.describe_ddl(source.conn, source.table) == ddl
    await source.meanwhile(change)
    with pytest.raises(TransientError) as caught:
        await catalog.describe_ddl(source.conn, source.table)
    assert caught.value.code == "source-changed"


@pytest.fixture
async def conn(source_database_url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as conn:
        yield conn


async def test_bounds_beyond_every_timestamp_are_compared(conn: Connection, schema: str) -> None:
    """Dates go further than timestamps, and one such partition ended the list of all."""
    await conn.execute(f"SET search_path = {schema}".encode())
    await conn.execute(
        b"CREATE TABLE t (at date) PARTITION BY RANGE (at);"
        b"CREATE TABLE far PARTITION OF t FOR VALUES FROM ('300000-01-01') TO ('5874897-12-31');"
        b"CREATE TABLE ever PARTITION OF t FOR VALUES FROM ('5874897-12-31') TO ('infinity');"
        b"CREATE TABLE old PARTITION OF t FOR VALUES FROM ('4713-02-01 BC') TO ('2026-01-01');"
        b"CREATE TABLE oldest PARTITION OF t FOR VALUES FROM ('-infinity') TO ('4713-02-01 BC')"
    )
    table = Relation(schema, "t")
    ended = await catalog.chunks_ending_by(conn, table, "2026-01-01T00:00:00+00:00")
    assert [chunk.relation.name for chunk in ended] == ["oldest", "old"]
    assert await catalog.chunks_ending_by(conn, table, "2026-01-01T00:00:00+00:01") == ended[:1]
    assert len(await catalog.chunks(conn, table)) == 4
    assert (await catalog.find_chunk(conn, table, Relation(schema, "far"))).range == ChunkRange(
        "300000-01-01T00:00:00Z", "5874897-12-31T00:00:00Z"
    )


async def test_bounds_that_nobody_can_read_are_told_and_left_out(
    conn: Connection, schema: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await conn.execute(f"SET search_path = {schema}".encode())
    await conn.execute(NATIVE.encode())
    unreadable = native.PARTITIONS.replace("pg_get_expr(c.relpartbound, c.oid)", _TOMORROWS_BOUND)
    monkeypatch.setattr(native, "PARTITIONS", unreadable)
    with caplog.at_level(logging.WARNING):
        chunks = await catalog.chunks(conn, Relation(schema, "t"))
    assert sorted(chunk.relation.name for chunk in chunks) == ["p1", "p3"]
    assert events(caplog, "archival.partition.unreadable") == [{"partition": "p2"}]


#: as a later PostgreSQL may print it
_TOMORROWS_BOUND = "CASE c.relname WHEN 'p2' THEN 'FOR VALUES SINCE (now)' ELSE pg_get_expr(c.relpartbound, c.oid) END"
