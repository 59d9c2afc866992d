"""The fence: what a later reader must notice, and what must not alarm it; and parts that hold every row once."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.source import catalog
from archival_core.source.session import pinned
from archival_core.source.state.fence import Stored, hash_content, is_unchanged, stored_at
from archival_core.source.state.snapshot import parts
from archival_core.source.state.snapshot.parts import by_pages
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from archival_core.source.wire.columns import plan_columns
from archival_core.source.wire.extract import read_batches
from archival_core.source.wire.gathering import gathered_pages
from tests.contract.source_support import Connection

#: a snapshot, and how the chunk was stored then
Mark = tuple[str, Stored]

TABLE = """
CREATE TABLE t (at int, v text) PARTITION BY RANGE (at);
CREATE TABLE "p %s" PARTITION OF t FOR VALUES FROM (0) TO (1000000);
INSERT INTO t SELECT i, repeat('x', i % 50) FROM generate_series(0, 4999) i;
"""
#: the same rows in another table of the same name
REPLACED = """
CREATE TABLE q (LIKE t); INSERT INTO q SELECT * FROM "p %s"; ALTER TABLE t DETACH PARTITION "p %s"; DROP TABLE "p %s";
ALTER TABLE q RENAME TO "p %s"; ALTER TABLE t ATTACH PARTITION "p %s" FOR VALUES FROM (0) TO (1000000)
"""


@pytest.fixture
async def conn(source_database_url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
async def schema(conn: Connection) -> AsyncIterator[str]:
    name = f"fence_{uuid.uuid4().hex[:12]}"
    await conn.execute(f"CREATE SCHEMA {name}".encode())
    await conn.execute(f"SET search_path = {name}".encode())
    await conn.execute(TABLE.encode())
    yield name
    await conn.execute(f"DROP SCHEMA {name} CASCADE".encode())


async def chunk_of(conn: Connection, schema: str) -> Chunk:
    return await catalog.find_chunk(conn, Relation(schema, "t"), Relation(schema, "p %s"))


async def mark_of(conn: Connection, chunk: Chunk) -> Mark:
    async with ReadSnapshot(conn, chunk) as snapshot:
        facts, storage = await snapshot.measure(), await parts.storage(conn, chunk)
        stored = await stored_at(conn, chunk, facts, storage.files)
    assert stored is not None
    return facts.snapshot, stored


async def unchanged(conn: Connection, chunk: Chunk, mark: Mark) -> bool:
    async with ReadSnapshot(conn, chunk):
        return await is_unchanged(conn, chunk, *mark, (await parts.storage(conn, chunk)).files)


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO t VALUES (7, 'late')",
        "UPDATE t SET v = 'new' WHERE at = 4000",
        "UPDATE t SET v = v WHERE at = 4000",
        "DELETE FROM t WHERE at = 4000",
        "DELETE FROM t WHERE at = 4000; INSERT INTO t VALUES (4000, 'other')",
        "BEGIN; SAVEPOINT s; INSERT INTO t VALUES (7, 'late'); RELEASE s; DELETE FROM t WHERE at = 3; COMMIT",
        'VACUUM FULL "p %s"',
        'TRUNCATE "p %s"',
        REPLACED,
    ],
)
async def test_a_change_is_noticed(conn: Connection, schema: str, change: str) -> None:
    chunk = await chunk_of(conn, schema)
    mark = await mark_of(conn, chunk)
    assert await unchanged(conn, chunk, mark)
    await conn.execute(change.encode())
    assert not await unchanged(conn, chunk, mark)


async def test_a_transaction_that_was_open_then_is_noticed_when_it_commits(
    conn: Connection, schema: str, source_database_url: str
) -> None:
    chunk = await chunk_of(conn, schema)
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as other:
        await other.execute(f"SET search_path = {schema}".encode())
        await other.execute("BEGIN")
        await other.execute("DELETE FROM t WHERE at = 1")
        await other.execute("INSERT INTO t VALUES (1, 'as many as before')")
        mark = await mark_of(conn, chunk)
        await other.execute("COMMIT")
    assert not await unchanged(conn, chunk, mark)


@pytest.mark.parametrize(
    "harmless",
    [
        "SELECT 1",
        'VACUUM (FREEZE) "p %s"',
        "ANALYZE t",
        "BEGIN; INSERT INTO t VALUES (7, 'never'); ROLLBACK",
        "CREATE INDEX ON t (at)",
        "CREATE TABLE more PARTITION OF t FOR VALUES FROM (1000000) TO (2000000); INSERT INTO t VALUES (1000000, 'elsewhere')",
    ],
)
async def test_what_changes_no_row_is_no_alarm(conn: Connection, schema: str, harmless: str) -> None:
    chunk = await chunk_of(conn, schema)
    mark = await mark_of(conn, chunk)
    for statement in harmless.split(";"):
        await conn.execute(statement.encode())
    assert await unchanged(conn, chunk, mark)


@pytest.mark.parametrize("gathered", [True, False])
@pytest.mark.parametrize("part_bytes", [8192, 50_000, 10**9])
async def test_every_row_is_in_one_part(
    conn: Connection, schema: str, source_database_url: str, part_bytes: int, gathered: bool
) -> None:
    chunk = await chunk_of(conn, schema)
    # holes in the pages, and pages at the end that hold nothing any more
    await conn.execute("DELETE FROM t WHERE at % 7 = 0 OR at BETWEEN 1000 AND 2500 OR at > 4500")
    async with ReadSnapshot(conn, chunk) as snapshot:
        plan = plan_columns(await catalog.columns(conn, chunk.hypertable))
        on_disk = await parts.storage(conn, chunk)
        ranges, pages = by_pages(on_disk, part_bytes), gathered_pages(chunk, plan, on_disk)
        assert pages is not None
        reading = (source_database_url, snapshot.snapshot_id, chunk, plan)
        found: list[Any] = []
        for part in ranges:
            with closing(read_batches(*reading, part, gathered_pages=pages if gathered else None)) as batches:
                for batch in batches:
                    found += batch.column("at").to_pylist()
        facts = await snapshot.measure()
    assert len(ranges) > 1 or part_bytes == 10**9
    assert len(found) == len(set(found)) == facts.rows


async def test_a_partition_that_is_partitioned_again(conn: Connection, schema: str, source_database_url: str) -> None:
    await conn.execute("""
        CREATE TABLE u (at int, k int) PARTITION BY RANGE (at);
        CREATE TABLE u1 PARTITION OF u FOR VALUES FROM (0) TO (100000) PARTITION BY HASH (k);
        CREATE TABLE u1a PARTITION OF u1 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE u1b PARTITION OF u1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        INSERT INTO u SELECT i, CASE WHEN i < 9000 THEN 1 ELSE i END FROM generate_series(0, 9999) i""")
    chunk = await catalog.find_chunk(conn, Relation(schema, "u"), Relation(schema, "u1"))
    async with ReadSnapshot(conn, chunk) as snapshot:
        plan = plan_columns(await catalog.columns(conn, chunk.hypertable))
        ranges = by_pages(await parts.storage(conn, chunk), 50_000)
        rows = 0
        for part in ranges:
            with closing(read_batches(source_database_url, snapshot.snapshot_id, chunk, plan, part)) as batches:
                rows += sum(batch.num_rows for batch in batches)
    assert len(ranges) > 3
    assert rows == 10_000


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("regproc", "'abs(int4)'::regprocedure", "'abs(int8)'::regprocedure"),
        ("regoper[]", "ARRAY['+(int4,int4)'::regoperator]", "ARRAY['+(int8,int8)'::regoperator]"),
        ("xml", "'<a/>'", "'<?xml version=\"1.0\"?><a/>'"),
        ("numeric", "1.0", "1.00"),
    ],
    ids=lambda value: value if value.isidentifier() else "",
)
async def test_the_hash_tells_values_that_are_equal_or_printed_alike(
    conn: Connection, schema: str, kind: str, first: str, second: str
) -> None:
    await conn.execute(f"ALTER TABLE t ADD COLUMN w {kind}".encode())
    chunk, hashes = await chunk_of(conn, schema), set()
    columns = await catalog.columns(conn, chunk.hypertable)
    for value in (first, second, "NULL", first):
        try:
            await conn.execute(f"UPDATE t SET w = {value} WHERE at = 1".encode())
        except psycopg.errors.FeatureNotSupported:
            pytest.skip("the server is built without XML")
        async with pinned(conn):
            hashes.add(await hash_content(conn, chunk, columns))
    assert len(hashes) == 3
