"""The fence of a part that is read in a snapshot of its own: it has no row that the first snapshot did not see there."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import psycopg
import pytest

from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.model.chunks.part_range import PageRange
from archival_core.source import catalog
from archival_core.source.state.fence import holds_old_rows_alone
from archival_core.source.state.snapshot import parts
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from tests.contract.source_support import Connection

#: The first snapshot, and the file that it saw.
Mark = tuple[str, tuple[int, ...]]

TABLE = """
CREATE TABLE t (at int, v text) PARTITION BY RANGE (at);
CREATE TABLE p PARTITION OF t FOR VALUES FROM (0) TO (1000000);
INSERT INTO t SELECT i, repeat('x', 40) FROM generate_series(0, 4999) i
"""
#: some forty pages in two parts
FIRST, LAST = PageRange(first_page=0, end_page=20), PageRange(first_page=20)


@pytest.fixture
async def conn(source_database_url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
async def schema(conn: Connection) -> AsyncIterator[str]:
    name = f"pages_{uuid.uuid4().hex[:12]}"
    await conn.execute(f"CREATE SCHEMA {name}".encode())
    await conn.execute(f"SET search_path = {name}".encode())
    await conn.execute(TABLE.encode())
    yield name
    await conn.execute(f"DROP SCHEMA {name} CASCADE".encode())


@pytest.fixture
async def chunk(conn: Connection, schema: str) -> Chunk:
    return await catalog.find_chunk(conn, Relation(schema, "t"), Relation(schema, "p"))


async def mark_of(conn: Connection, chunk: Chunk) -> Mark:
    async with ReadSnapshot(conn, chunk) as snapshot:
        return (await snapshot.measure()).snapshot, (await parts.storage(conn, chunk)).files


async def proven(conn: Connection, chunk: Chunk, mark: Mark) -> tuple[bool, bool]:
    """What is said of both parts, each in a snapshot of its own."""
    found = []
    for pages in (FIRST, LAST):
        async with ReadSnapshot(conn, chunk):
            on_disk = await parts.storage(conn, chunk)
            found.append(await holds_old_rows_alone(conn, chunk, *mark, on_disk, pages))
    return found[0], found[1]


async def pages_of(conn: Connection, where: str) -> set[int]:
    cursor = await conn.execute(f"SELECT (ctid::text::point)[0]::int FROM t WHERE {where}".encode())
    return {page for (page,) in await cursor.fetchall()}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        # new rows and new versions of rows go to the end, where there is room
        ("INSERT INTO t VALUES (7, 'late')", (True, False)),
        ("UPDATE t SET v = v WHERE at = 7", (True, False)),
        ("DELETE FROM t WHERE at = 7; INSERT INTO t VALUES (7, 'as many as before')", (True, False)),
        ("BEGIN; SAVEPOINT s; INSERT INTO t VALUES (7, 'late'); RELEASE s; COMMIT", (True, False)),
        # into room that was made in the first pages
        ("DELETE FROM t WHERE at < 50; VACUUM p; INSERT INTO t SELECT i, '' FROM generate_series(0, 999) i", (False, False)),
        ("DELETE FROM t WHERE at < 50", (True, True)),
        ("DELETE FROM t WHERE at > 1000; VACUUM (TRUNCATE) p", (True, True)),
        ("DELETE FROM t WHERE at > 1000; VACUUM (TRUNCATE) p; INSERT INTO t SELECT i, repeat('y', 200) FROM"
         " generate_series(1001, 4999) i", (False, False)),
        ("VACUUM FULL p", (False, False)),
        ("CREATE INDEX i ON p (at); CLUSTER p USING i", (False, False)),
        ("ALTER TABLE t ALTER v TYPE varchar(50)", (False, False)),
        ("VACUUM (FREEZE) p", (True, True)),
        ("SELECT * FROM t WHERE at = 7 FOR UPDATE", (True, True)),
        ("BEGIN; INSERT INTO t VALUES (7, 'never'); ROLLBACK", (True, True)),
    ],
)  # fmt: skip
async def test_what_is_said_of_each_part(conn: Connection, chunk: Chunk, change: str, told: tuple[bool, bool]) -> None:
    mark = await mark_of(conn, chunk)
    assert await proven(conn, chunk, mark) == (True, True)
    for statement in change.split("; "):
        await conn.execute(statement.encode())
    assert await proven(conn, chunk, mark) == told


@pytest.mark.parametrize("prepared", [False, True])
async def test_what_was_open_then(
    conn: Connection, schema: str, chunk: Chunk, source_database_url: str, prepared: bool
) -> None:
    """It commits later: the first snapshot has not seen it, and a part's snapshot has."""
    name = f"p{schema}"
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as other:
        if prepared and await (await conn.execute("SHOW max_prepared_transactions")).fetchone() == ("0",):
            pytest.skip("the server prepares no transactions")
        await other.execute(f"SET search_path = {schema}".encode())
        await other.execute("BEGIN")
        await other.execute("INSERT INTO t VALUES (7, 'late')")
        if prepared:
            await other.execute(f"PREPARE TRANSACTION '{name}'".encode())
        mark = await mark_of(conn, chunk)
        assert await proven(conn, chunk, mark) == (True, True)
        await other.execute(f"COMMIT PREPARED '{name}'".encode() if prepared else b"COMMIT")
    assert await proven(conn, chunk, mark) == (True, False)


async def test_pages_of_a_server_that_gives_its_numbers_out_again(conn: Connection, chunk: Chunk) -> None:
    """It has not come as far as the snapshot: what it writes next has numbers that the snapshot takes for old."""
    snapshot, files = await mark_of(conn, chunk)
    ahead = int(snapshot.split(":")[1]) + 1000
    await conn.execute("INSERT INTO t VALUES (7, 'late')")
    assert await proven(conn, chunk, (f"{ahead}:{ahead}:", files)) == (False, False)


async def test_a_tree_is_no_single_table(conn: Connection, schema: str) -> None:
    """A page of the one is not a page of the other."""
    await conn.execute("CREATE TABLE whole PARTITION OF t FOR VALUES FROM (1000000) TO (2000000) PARTITION BY RANGE (at)")
    for name, start in (("a", 1000000), ("b", 1500000)):
        end = start + 500000
        await conn.execute(f"CREATE TABLE {name} PARTITION OF whole FOR VALUES FROM ({start}) TO ({end})".encode())
    tree = await catalog.find_chunk(conn, Relation(schema, "t"), Relation(schema, "whole"))
    mark = await mark_of(conn, tree)
    assert await proven(conn, tree, mark) == (False, False)
