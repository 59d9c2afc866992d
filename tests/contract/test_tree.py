"""Which tables a chunk's rows lie in, on both kinds of source."""

from __future__ import annotations

import asyncio
import functools
import uuid
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, Leaf, Relation
from archival_core.source import catalog
from archival_core.source.catalog.hypertables import source_tables
from archival_core.source.catalog.partitioning.tree import tree
from archival_core.source.removal.guards import check_leaves
from tests.contract.source_support import Connection
from tests.kit.databases import own_database
from tests.kit.rows import one

DEEP = """
CREATE TABLE t (at int, site int, v int) PARTITION BY RANGE (at);
CREATE TABLE plain PARTITION OF t FOR VALUES FROM (0) TO (100);
CREATE TABLE p PARTITION OF t FOR VALUES FROM (100) TO (200) PARTITION BY LIST (site);
CREATE TABLE a PARTITION OF p FOR VALUES IN (1);
CREATE TABLE b PARTITION OF p FOR VALUES IN (2) PARTITION BY HASH (v);
CREATE TABLE "b 0" PARTITION OF b FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE "b 1" PARTITION OF b FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO t SELECT i, 1 + i % 2, i FROM generate_series(0, 199) i;
"""
HYPERTABLE = """
CREATE TABLE t (at timestamptz NOT NULL, site int, v float);
SELECT create_hypertable('t', 'at', chunk_time_interval => interval '1 day');
INSERT INTO t SELECT timestamptz '2026-01-01 00:00Z' + i * interval '1 hour', i % 3, i FROM generate_series(0, 71) i;
"""


@pytest.fixture
async def conn(source_database_url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
async def ts_conn(timescaledb_url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(timescaledb_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
async def schema(conn: Connection) -> AsyncIterator[str]:
    async for name in make_schema(conn):
        await run(conn, name, DEEP)
        yield name


@pytest.fixture
async def ts_schema(ts_conn: Connection) -> AsyncIterator[str]:
    async for name in make_schema(ts_conn):
        await run(ts_conn, name, HYPERTABLE)
        yield name


async def make_schema(conn: Connection) -> AsyncIterator[str]:
    name = f"tree_{uuid.uuid4().hex[:12]}"
    await conn.execute(f"CREATE SCHEMA {name}".encode())
    yield name
    await conn.execute(f"DROP SCHEMA {name} CASCADE".encode())


async def run(conn: Connection, schema: str, statements: str) -> None:
    await conn.execute(f"SET search_path = {schema}, public".encode())
    await conn.execute(statements.encode())
    await conn.execute(b"RESET search_path")


async def partition(conn: Connection, schema: str, name: str) -> Chunk:
    [found] = [c for c in await catalog.chunks(conn, Relation(schema, "t")) if c.relation.name == name]
    return found


async def first_chunk(conn: Connection, schema: str) -> Chunk:
    return (await catalog.chunks_ending_by(conn, Relation(schema, "t"), "2100-01-01T00:00:00Z"))[0]


def names(leaves: tuple[Leaf, ...]) -> set[str]:
    return {leaf.relation.name for leaf in leaves}


def code(chunk: Chunk, leaves: tuple[Leaf, ...]) -> str:
    with pytest.raises(PermanentError) as caught:
        check_leaves(chunk, leaves)
    return caught.value.code


async def refusal(conn: Connection, chunk: Chunk) -> PermanentError:
    """Why the chunk is not archived."""
    with pytest.raises(PermanentError) as caught:
        await catalog.find_chunk(conn, chunk.hypertable, chunk.relation)
    return caught.value


async def test_a_plain_partition_is_its_own_leaf(conn: Connection, schema: str) -> None:
    chunk = await partition(conn, schema, "plain")
    [leaf] = await tree(conn, chunk)
    assert (leaf.relation, leaf.oid, leaf.persistence, leaf.is_foreign) == (chunk.relation, chunk.oid, "p", False)
    assert leaf.relfilenode > 0
    check_leaves(chunk, (leaf,))


async def test_the_leaves_of_a_partition_that_is_partitioned_again(conn: Connection, schema: str) -> None:
    chunk = await partition(conn, schema, "p")
    leaves = await tree(conn, chunk)
    assert names(leaves) == {"a", "b 0", "b 1"}
    assert [leaf.oid for leaf in leaves] == sorted(leaf.oid for leaf in leaves)
    # the swap of one leaf, two levels down, shows
    await run(
        conn,
        schema,
        """CREATE TABLE other (LIKE "b 1"); INSERT INTO other SELECT at, site, v FROM "b 1";
           ALTER TABLE b DETACH PARTITION "b 1"; DROP TABLE "b 1"; ALTER TABLE other RENAME TO "b 1";
           ALTER TABLE b ATTACH PARTITION "b 1" FOR VALUES WITH (MODULUS 2, REMAINDER 1)""",
    )
    assert names(await tree(conn, chunk)) == names(leaves)
    assert [leaf.oid for leaf in await tree(conn, chunk)] != [leaf.oid for leaf in leaves]


async def test_rows_that_are_written_anew_have_another_file(conn: Connection, schema: str) -> None:
    chunk = await partition(conn, schema, "p")
    before = {leaf.relation.name: leaf for leaf in await tree(conn, chunk)}
    await run(conn, schema, "VACUUM FULL a")
    await run(conn, schema, 'ALTER TABLE "b 0" ADD CHECK (true)')
    after = {leaf.relation.name: leaf for leaf in await tree(conn, chunk)}
    assert [name for name in before if before[name] != after[name]] == ["a"]
    assert (before["a"].oid, before["a"].created) == (after["a"].oid, after["a"].created)


async def test_the_tree_is_that_of_the_callers_transaction(conn: Connection, schema: str, source_database_url: str) -> None:
    chunk = await partition(conn, schema, "p")
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as other, conn.transaction():
        await run(conn, schema, "LOCK TABLE p IN ACCESS EXCLUSIVE MODE; ALTER TABLE t DETACH PARTITION p; TRUNCATE a")
        mine = {leaf.relation.name: leaf.relfilenode for leaf in await tree(conn, chunk)}
        theirs = {leaf.relation.name: leaf.relfilenode for leaf in await tree(other, chunk)}
        assert {name for name in mine if mine[name] != theirs[name]} == {"a"}


FOREIGN = """
CREATE EXTENSION IF NOT EXISTS file_fdw; CREATE SERVER "{0}" FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE elsewhere {1} SERVER "{0}" OPTIONS (filename '/dev/null')
"""


@pytest.mark.parametrize(
    ("parent", "bounds"),
    [("p", "FOR VALUES IN (3)"), ("b", "FOR VALUES WITH (MODULUS 2, REMAINDER 1)")],
    ids=["one level down", "two levels down"],
)
async def test_a_foreign_table_among_the_leaves_is_refused(conn: Connection, schema: str, parent: str, bounds: str) -> None:
    if await (await conn.execute(b"SELECT FROM pg_available_extensions WHERE name = 'file_fdw'")).fetchone() is None:
        pytest.skip("this server has no foreign data wrapper")
    if parent == "b":
        await run(conn, schema, 'DROP TABLE "b 1"')
    await run(conn, schema, FOREIGN.format(schema, f"PARTITION OF {parent} {bounds}"))
    try:
        chunk = await partition(conn, schema, "p")
        error = await refusal(conn, chunk)
        assert error.code == "foreign-partition"
        assert f"{schema}.elsewhere" in str(error)
        leaves = await tree(conn, chunk)
        assert [leaf.relation.name for leaf in leaves if leaf.is_foreign] == ["elsewhere"]
        assert code(chunk, leaves) == "foreign-partition"
        # the others are listed all the same
        assert len(await catalog.chunks(conn, chunk.hypertable)) == 2
    finally:
        await conn.execute(f'DROP SERVER "{schema}" CASCADE'.encode())


async def test_a_partition_without_leaves_is_refused(conn: Connection, schema: str) -> None:
    await run(conn, schema, "DROP TABLE a, b; CREATE TABLE c PARTITION OF p FOR VALUES IN (3) PARTITION BY LIST (v)")
    chunk = await partition(conn, schema, "p")
    assert (await refusal(conn, chunk)).code == "no-leaves"
    assert await tree(conn, chunk) == ()
    assert code(chunk, ()) == "no-leaves"


async def test_a_temporary_table_is_refused_and_not_listed(conn: Connection, schema: str, source_database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as other:
        await other.execute(b"CREATE TEMP TABLE hidden (at int) PARTITION BY RANGE (at)")
        await other.execute(b"CREATE TEMP TABLE part PARTITION OF hidden FOR VALUES FROM (0) TO (9)")
        row = await one(await other.execute(b"SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()"))
        table = Relation(row[0], "hidden")
        assert table not in {found.relation for found in await source_tables(conn)}
        with pytest.raises(PermanentError) as caught:
            await catalog.find_chunk(conn, table, Relation(row[0], "part"))
        assert caught.value.code == "unknown-hypertable"


async def test_an_unlogged_leaf_is_archived_and_never_removed(conn: Connection, schema: str) -> None:
    await run(conn, schema, 'ALTER TABLE "b 1" SET UNLOGGED')
    chunk = await partition(conn, schema, "p")
    assert await catalog.find_chunk(conn, chunk.hypertable, chunk.relation) == chunk
    leaves = await tree(conn, chunk)
    assert {leaf.relation.name: leaf.persistence for leaf in leaves} == {"a": "p", "b 0": "p", "b 1": "u"}
    assert code(chunk, leaves) == "unlogged"
    await run(conn, schema, 'ALTER TABLE "b 1" SET LOGGED')
    check_leaves(chunk, await tree(conn, chunk))


@pytest.fixture
def alone(source_database_url: str) -> Iterator[str]:
    """The URL of a database with the tables, of which no other test has a transaction."""
    with own_database(source_database_url) as url:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute(DEEP.encode())
        yield url


# detaching waits for every transaction in the database
async def test_a_leaf_that_is_being_detached_is_refused(alone: str) -> None:
    connect = functools.partial(psycopg.AsyncConnection.connect, alone, autocommit=True)
    async with await connect() as conn, await connect() as other, await connect() as third:
        if conn.info.server_version < 140000:
            pytest.skip("DETACH CONCURRENTLY is there from PostgreSQL 14 on")
        chunk = await partition(conn, "public", "p")
        async with other.transaction():
            await other.execute(f"SELECT FROM {chunk.relation.sql}".encode())
            detaching = asyncio.create_task(run(conn, "public", "ALTER TABLE p DETACH PARTITION a CONCURRENTLY"))
            # its first half is committed, and the second waits for whoever reads
            pending = b"SELECT FROM pg_inherits WHERE inhdetachpending AND inhparent = %s"
            async with asyncio.timeout(10):
                while await (await third.execute(pending, (chunk.oid,))).fetchone() is None:
                    await asyncio.sleep(0.02)
            await conn.cancel_safe()
            with pytest.raises(psycopg.errors.QueryCanceled):
                await detaching
        with pytest.raises(PermanentError) as caught:
            await tree(other, chunk)
        assert caught.value.code == (await refusal(other, chunk)).code == "detach-pending"
        await run(other, "public", "ALTER TABLE p DETACH PARTITION a FINALIZE")
        assert names(await tree(other, chunk)) == {"b 0", "b 1"}


async def test_a_table_that_is_gone(conn: Connection, schema: str) -> None:
    chunk = await partition(conn, schema, "p")
    await run(conn, schema, "DROP TABLE p")
    with pytest.raises(PermanentError) as caught:
        await tree(conn, chunk)
    assert caught.value.code == "unknown-chunk"


@pytest.mark.timescaledb
async def test_a_chunk_is_its_own_leaf(ts_conn: Connection, ts_schema: str) -> None:
    chunk = await first_chunk(ts_conn, ts_schema)
    [leaf] = await tree(ts_conn, chunk)
    assert (leaf.relation, leaf.oid, leaf.persistence, leaf.is_foreign) == (chunk.relation, chunk.oid, "p", False)


@pytest.mark.timescaledb
async def test_a_compressed_chunk_is_two_tables(ts_conn: Connection, ts_schema: str) -> None:
    await only_community(ts_conn)
    before = await first_chunk(ts_conn, ts_schema)
    [plain] = await tree(ts_conn, before)
    await compress(ts_conn, ts_schema, before)
    # also for a description of before the compression
    leaves = await tree(ts_conn, before)
    assert leaves == await tree(ts_conn, await first_chunk(ts_conn, ts_schema))
    [own] = [leaf for leaf in leaves if leaf.oid == plain.oid]
    [other] = [leaf for leaf in leaves if leaf.oid != plain.oid]
    assert own.relfilenode != plain.relfilenode
    assert own.created == plain.created
    batches = await one(await ts_conn.execute(f"SELECT count(*) FROM {other.relation.sql}".encode()))
    assert batches[0] > 0
    await run(ts_conn, ts_schema, f"SELECT decompress_chunk('{before.relation.sql}')")
    assert [leaf.oid for leaf in await tree(ts_conn, before)] == [plain.oid]


@pytest.mark.timescaledb
async def test_an_unlogged_chunk_is_never_removed(ts_conn: Connection, ts_schema: str) -> None:
    chunk = await first_chunk(ts_conn, ts_schema)
    await set_unlogged(ts_conn, chunk)
    assert await catalog.find_chunk(ts_conn, chunk.hypertable, chunk.relation) == chunk
    assert code(chunk, await tree(ts_conn, chunk)) == "unlogged"


@pytest.mark.timescaledb
async def test_the_compressed_table_of_an_unlogged_chunk_is_unlogged(ts_conn: Connection, ts_schema: str) -> None:
    await only_community(ts_conn)
    chunk = await first_chunk(ts_conn, ts_schema)
    await set_unlogged(ts_conn, chunk)
    await compress(ts_conn, ts_schema, chunk)
    leaves = await tree(ts_conn, chunk)
    assert "u" in {leaf.persistence for leaf in leaves}
    assert code(chunk, leaves) == "unlogged"


@pytest.mark.timescaledb
async def test_a_merged_chunk_keeps_its_oid_and_has_another_file(ts_conn: Connection, ts_schema: str) -> None:
    await only_community(ts_conn)
    if await (await ts_conn.execute(b"SELECT FROM pg_proc WHERE proname = 'merge_chunks'")).fetchone() is None:
        pytest.skip("this version merges no chunks")
    first, second, _ = await catalog.chunks_ending_by(ts_conn, Relation(ts_schema, "t"), "2100-01-01T00:00:00Z")
    [before] = await tree(ts_conn, first)
    await run(ts_conn, ts_schema, f"CALL merge_chunks('{first.relation.sql}', '{second.relation.sql}')")
    [after] = await tree(ts_conn, first)
    assert (after.oid, after.created, after.relation) == (before.oid, before.created, before.relation)
    assert after.relfilenode != before.relfilenode
    with pytest.raises(PermanentError):
        await tree(ts_conn, second)
    merged = await catalog.find_chunk(ts_conn, first.hypertable, first.relation)
    assert (merged.range.start, merged.range.end) == (first.range.start, second.range.end)


async def set_unlogged(conn: Connection, chunk: Chunk) -> None:
    try:
        await conn.execute(f"ALTER TABLE {chunk.relation.sql} SET UNLOGGED".encode())
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this version keeps all chunks logged")


async def only_community(conn: Connection) -> None:
    if await (await conn.execute(b"SHOW timescaledb.license")).fetchone() != ("timescale",):
        pytest.skip("not in the Apache edition")


async def compress(conn: Connection, schema: str, chunk: Chunk) -> None:
    await run(
        conn,
        schema,
        "ALTER TABLE t SET (timescaledb.compress, timescaledb.compress_segmentby = 'site');"
        f"SELECT compress_chunk('{chunk.relation.sql}')",
    )
