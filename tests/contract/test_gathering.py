"""Gathered rows are the rows, whatever the table is called, and however its pages are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, Relation, quote_identifier
from archival_core.model.chunks.part_range import TimeRange
from archival_core.source import catalog
from archival_core.source.session import ALONE, READ_SETTINGS, pinned
from archival_core.source.state.snapshot import parts
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from archival_core.source.wire.columns import Output, plan_columns
from archival_core.source.wire.extract import read_batches
from archival_core.source.wire.gathering import BY_PAGES, Gathering, gathered_pages
from tests.contract.source_support import assert_equal_rows, read_chunk, rows

Connection = psycopg.AsyncConnection[Any]


@pytest.fixture
async def conn(source_database_url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as conn:
        yield conn


async def chunk_of(conn: Connection, schema: str, statements: str, table: str = "t", chunk: str = "p") -> Chunk:
    await conn.execute(f"SET search_path = {schema}; {statements}".encode())
    return await catalog.find_chunk(conn, Relation(schema, table), Relation(schema, chunk))


def partition(columns: str, table: str = "t", chunk: str = "p") -> str:
    return f"""CREATE TABLE {table} (at int, {columns}) PARTITION BY RANGE (at);
        CREATE TABLE {chunk} PARTITION OF {table} FOR VALUES FROM (MINVALUE) TO (MAXVALUE);"""


async def pages_of(conn: Connection, chunk: Chunk, nulls: float = 0.0) -> int | None:
    columns = await catalog.columns(conn, chunk.hypertable)
    plan = plan_columns(columns, nulls=dict.fromkeys((column.name for column in columns), nulls))
    async with ReadSnapshot(conn, chunk):
        return gathered_pages(chunk, plan, await parts.storage(conn, chunk))


async def test_many_groups_with_nulls_and_holes(conn: Connection, schema: str, source_database_url: str) -> None:
    chunk = await chunk_of(
        conn,
        schema,
        partition("a text, b bool, c timestamptz, x float8, y int")
        + """INSERT INTO t SELECT i, nullif('text ' || i % 9, 'text 3'), nullif(i % 3, 1)::bool,
            timestamptz '2026-01-01' + i * interval '1 s', i * 1.5, nullif(i % 90, 1) FROM generate_series(1, 60000) i;
        DELETE FROM t WHERE at % 5 = 0 OR at BETWEEN 10000 AND 40000""",
    )
    pages = await pages_of(conn, chunk)
    assert pages is not None
    assert pages > 3 * 64
    gathered, facts = await read_chunk(source_database_url, conn, chunk)
    one_by_one, _ = await read_chunk(source_database_url, conn, chunk, gathered_pages=None)
    assert rows(gathered) == rows(one_by_one)
    assert facts.rows == gathered.num_rows == 24_000
    assert gathered.column("a").null_count > 2_000
    assert gathered.column("y").null_count > 200


async def test_names_that_the_query_uses_itself(conn: Connection, schema: str, source_database_url: str) -> None:
    for name in ("groups", "gathered", "chunk", "page"):
        statements = partition("page int, groups point, gathered text", f"{name}s", name)
        chunk = await chunk_of(conn, schema, f"{statements} INSERT INTO {name} VALUES (1, 7, '(1,2)', 'x')", f"{name}s", name)
        assert await pages_of(conn, chunk) == 1
        table, _ = await read_chunk(source_database_url, conn, chunk)
        assert table.to_pylist() == [{"at": 1, "page": 7, "groups": "(1,2)", "gathered": "x"}]


async def test_only_the_pages_of_a_group_are_read(conn: Connection, schema: str, source_database_url: str) -> None:
    """Else every group would read the whole chunk; the database's owner may have turned off what it takes."""
    chunk = await chunk_of(conn, schema, partition("v int") + "INSERT INTO t SELECT i, i FROM generate_series(1, 50000) i")
    plan = plan_columns(await catalog.columns(conn, chunk.hypertable), nulls={"at": 0.0, "v": 0.0})
    pages = await pages_of(conn, chunk)
    assert pages is not None
    database = conn.info.dbname
    await conn.execute(f"ALTER DATABASE {database} SET enable_tidscan = off".encode())
    try:
        before, sessions = await _pages_read(conn), await _sessions(conn)
        table, _ = await read_chunk(source_database_url, conn, chunk)
        while await _sessions(conn) - sessions:
            await asyncio.sleep(0.01)
        read = await _pages_read(conn) - before
    finally:
        await conn.execute(f"ALTER DATABASE {database} RESET enable_tidscan".encode())
    assert table.num_rows == 50_000
    # counted once and read once
    assert pages <= read < 3 * pages
    async with pinned(conn, **READ_SETTINGS | ALONE | BY_PAGES):
        query = f"EXPLAIN {Gathering(chunk.relation, plan.outputs, range(pages)).query}"
        assert "Tid Range Scan" in str(await (await conn.execute(query.encode())).fetchall())


async def test_an_empty_chunk(conn: Connection, schema: str, source_database_url: str) -> None:
    chunk = await chunk_of(conn, schema, partition("v text"))
    assert await pages_of(conn, chunk) == 0
    assert (await assert_equal_rows(source_database_url, conn, chunk)).rows == 0


async def test_values_that_compression_made_small(conn: Connection, schema: str, source_database_url: str) -> None:
    chunk = await chunk_of(
        conn, schema, partition("v text") + "INSERT INTO t SELECT i, repeat('ab', 50000) FROM generate_series(1, 300) i"
    )
    assert await pages_of(conn, chunk) is not None
    assert (await assert_equal_rows(source_database_url, conn, chunk)).rows == 300


@pytest.mark.parametrize(
    "statements",
    [
        partition("v int[]") + "INSERT INTO t VALUES (1, '{2,3}')",
        partition("v text") + "ALTER TABLE p ALTER v SET STORAGE EXTERNAL; INSERT INTO t VALUES (1, repeat('x', 9000))",
        partition("v int") + "INSERT INTO t VALUES (1, 2); ALTER TABLE t ADD d jsonb NOT NULL DEFAULT '{}'",
        partition("a inet, b inet, c inet, d inet") + "INSERT INTO t VALUES (1, '::1', '::2', '::3', '::4')",
        partition(", ".join(f"c{i} smallint" for i in range(256))) + "INSERT INTO t VALUES (1, 2)",
        partition("r numrange") + "INSERT INTO t VALUES (1, '[1e131071,2e131071)')",
        "CREATE DOMAIN doc AS jsonb;" + partition("d doc") + """INSERT INTO t VALUES (1, '{"a": 1e131071}')""",
        """CREATE TABLE t (at int, k int) PARTITION BY RANGE (at);
        CREATE TABLE p PARTITION OF t FOR VALUES FROM (0) TO (9) PARTITION BY HASH (k);
        CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE p1 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 1); INSERT INTO t VALUES (1, 1), (1, 2), (1, 5)""",
        """CREATE TABLE t (at int, k int) PARTITION BY RANGE (at);
        CREATE TABLE p PARTITION OF t FOR VALUES FROM (0) TO (9) PARTITION BY LIST (k);
        CREATE TABLE p0 PARTITION OF p FOR VALUES IN (1); INSERT INTO t VALUES (1, 1)""",
    ],
    ids=[
        "arrays",
        "values out of line",
        "a default",
        "many arrays",
        "many outputs",
        "ranges",
        "a domain of jsonb",
        "partitioned again",
        "one partition in a partition",
    ],
)
async def test_what_is_read_row_by_row(conn: Connection, schema: str, source_database_url: str, statements: str) -> None:
    chunk = await chunk_of(conn, schema, statements)
    assert await pages_of(conn, chunk, 0.01) is None
    table, _ = await read_chunk(source_database_url, conn, chunk, 0.01)
    names = ", ".join(f"CASE WHEN {n} IS NOT NULL THEN concat({n}) END" for n in map(quote_identifier, table.column_names))
    plain = await (await conn.execute(f"SELECT {names} FROM {chunk.relation.sql}".encode())).fetchall()
    as_text = pa.table([_as_text(column) for column in table.columns], table.column_names)
    assert rows(as_text) == sorted(plain, key=repr)


def test_the_last_range_of_pages_has_no_end() -> None:
    ranges = parts.by_pages(parts.Storage(2**30, 1000, True, False, True, (1,)), 2**28)
    assert [part.pages(1200) for part in ranges] == [range(250), range(250, 500), range(500, 750), range(750, 1200)]


async def test_a_range_of_time_has_no_pages_to_gather(conn: Connection, schema: str, source_database_url: str) -> None:
    chunk = await chunk_of(conn, schema, partition("a text"))
    part = TimeRange(from_time=None, before_time="2026-01-01")
    plan = plan_columns(await catalog.columns(conn, chunk.hypertable))
    with pytest.raises(ValueError, match="range of time"):
        next(read_batches(source_database_url, "1", chunk, plan, part, gathered_pages=10))


def test_outputs_that_do_not_belong_together_are_noticed() -> None:
    columns = [pa.array([0, 64]), pa.array([2, 1]), pa.array([[1, 2], [3]]), pa.array([["a"], ["b", "c"]])]
    groups = pa.RecordBatch.from_arrays(columns, ["page", "rows", "a", "b"])
    with pytest.raises(PermanentError, match="as many"):
        Gathering(Relation("s", "t"), (Output("a"), Output("b")), range(99)).rows(groups)


def test_groups_that_come_in_another_order_are_noticed() -> None:
    def groups(*pages: int) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([pa.array(pages), pa.array([1] * len(pages))], ["page", "rows"])

    gathering = Gathering(Relation("s", "t"), (), range(7, 300))
    assert gathering.behind(groups(7, 71, 263)).pages == range(327, 300)
    assert gathering.behind(groups(71)).pages == range(135, 300)
    for wrong in ((71, 7), (7, 7), (0, 64), (7, 70)):
        with pytest.raises(PermanentError, match="another order"):
            gathering.behind(groups(*wrong))


def _as_text(column: pa.ChunkedArray) -> list[str | None]:
    """As PostgreSQL prints what these tests have."""
    if pa.types.is_list(column.type):
        return ["{" + ",".join(map(str, value)) + "}" for value in column.to_pylist()]
    return [None if value is None else str(value) for value in column.to_pylist()]


async def test_arrays_in_arrays_go_as_their_text(source_database_url: str, conn: Connection, schema: str) -> None:
    long = "{" + "a" * 50 + "," + "b" * 50 + "}"
    chunk = await chunk_of(
        conn,
        schema,
        "CREATE DOMAIN dn AS name[]; CREATE DOMAIN di AS int[];"
        + partition("n dn[], i di[]")
        + f"INSERT INTO t VALUES (1, ARRAY['{long}'::dn], ARRAY['{{1,2}}'::di])",
    )
    read, _ = await read_chunk(source_database_url, conn, chunk)
    assert rows(read.drop(["at"])) == [(f'{{"{long}"}}', '{"{1,2}"}')]


async def _sessions(conn: Connection) -> set[int]:
    return {pid for (pid,) in await (await conn.execute("SELECT pid FROM pg_stat_activity")).fetchall()}


async def _pages_read(conn: Connection) -> int:
    """What this session, and those that are over, have read of tables so far."""
    await conn.execute("SELECT pg_stat_force_next_flush()")
    await conn.execute("SELECT pg_stat_clear_snapshot()")
    row = await (await conn.execute("SELECT sum(heap_blks_read + heap_blks_hit)::bigint FROM pg_statio_user_tables")).fetchone()
    assert row is not None
    return int(row[0])
