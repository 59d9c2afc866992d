"""PostgreSQL's own range partitions as a source, on a real server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from archival_core.errors import PermanentError, TransientError
from archival_core.model.chunks.chunk import ChunkRange, Relation, quote_identifier
from archival_core.model.chunks.moment import FIRST_MICROSECOND, LAST_MICROSECOND
from archival_core.model.chunks.printed import read_moment
from archival_core.source import catalog
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from archival_core.source.wire.columns import plan_columns
from archival_core.source.wire.extract import read_batches
from tests.contract.source_support import Connection, assert_equal_rows, read_chunk, rows
from tests.kit.rows import one

#: the zone that pyarrow gives
UTC = ZoneInfo("UTC")


@pytest.fixture
async def conn(source_database_url: str) -> AsyncIterator[Connection]:
    # Other settings than the service pins: nothing may depend on them.
    options = "-c timezone=Asia/Kathmandu -c datestyle=German -c intervalstyle=iso_8601"
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True, options=options) as conn:
        yield conn


@pytest.fixture
async def schema(conn: Connection) -> AsyncIterator[str]:
    name = f"native_{uuid.uuid4().hex[:12]}"
    await conn.execute(f"CREATE SCHEMA {name}".encode())
    yield name
    await conn.execute(f"DROP SCHEMA {name} CASCADE".encode())


async def connect(url: str) -> Connection:
    return await psycopg.AsyncConnection.connect(url, autocommit=True)


async def run(conn: Connection, schema: str, statements: str) -> None:
    await conn.execute(f"SET search_path = {schema}, public".encode())
    await conn.execute(statements.encode())
    await conn.execute(b"RESET search_path")


CONDITIONS = """
CREATE TABLE conditions (time timestamptz NOT NULL, gone int, device text, value double precision) PARTITION BY RANGE (time);
CREATE TABLE late PARTITION OF conditions FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');
CREATE TABLE early PARTITION OF conditions FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00:00.5+00');
""".replace("'2026-02-01 00:00+00') TO", "'2026-02-01 00:00:00.5+00') TO")
OPEN = """
CREATE TABLE first PARTITION OF conditions FOR VALUES FROM (MINVALUE) TO ('2026-01-01 00:00+00');
CREATE TABLE future PARTITION OF conditions FOR VALUES FROM ('2026-03-01 00:00+00') TO (MAXVALUE);
CREATE TABLE rest PARTITION OF conditions DEFAULT;
"""
FILL = """
INSERT INTO conditions (time, device, value)
SELECT '2026-01-01 00:00+00'::timestamptz + i * interval '7 minutes', 'dev ' || i % 5, sqrt(i) FROM generate_series(0, 12000) i;
"""


async def test_partitions_are_chunks_in_the_order_of_their_ranges(conn: Connection, schema: str) -> None:
    await run(conn, schema, CONDITIONS + OPEN)
    table = Relation(schema, "conditions")
    chunks = await catalog.chunks_ending_by(conn, table, "2026-03-01T05:45:00+05:45")
    assert [(c.relation.name, c.range) for c in chunks] == [
        ("first", ChunkRange(None, "2026-01-01T00:00:00Z")),
        ("early", ChunkRange("2026-01-01T00:00:00Z", "2026-02-01T00:00:00.5Z")),
        ("late", ChunkRange("2026-02-01T00:00:00.5Z", "2026-03-01T00:00:00Z")),
    ]
    assert chunks == [await catalog.find_chunk(conn, table, c.relation) for c in chunks]
    assert {(c.kind, c.time_column, c.time_type, c.is_compressed) for c in chunks} == {
        ("native", "time", "timestamp with time zone", False)
    }
    assert [c.relation.name for c in await catalog.chunks_ending_by(conn, table, "2026-02-28T23:59:59Z")] == ["first", "early"]
    assert (await catalog.find_chunk(conn, table, Relation(schema, "future"))).range.end is None


@pytest.mark.parametrize(
    ("column", "bounds", "older_than", "ranges"),
    [
        ("date", ["'2026-01-01'", "'2026-01-02'"], "2026-01-02T00:00:00Z", ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
        ("timestamp", ["'0044-03-15 BC'", "'12026-01-01'"], "9999-01-01T00:00:00Z", []),
        ("timestamp", ["'-infinity'", "'1999-12-31 23:00'"], "2026-01-02T00:00:00Z", ["-infinity", "1999-12-31T23:00:00Z"]),
        ("bigint", ["-5000000000", "-7"], -7, ["-5000000000", "-7"]),
        ("integer", ["-10", "10"], 9, []),
        ("smallint", ["MINVALUE", "10"], 10, [None, "10"]),
    ],
)
async def test_time_types(
    conn: Connection, schema: str, column: str, bounds: list[str], older_than: Any, ranges: list[str]
) -> None:
    await run(
        conn,
        schema,
        f"""CREATE TABLE t (at {column}) PARTITION BY RANGE (at);
            SET datestyle = 'ISO, YMD'; SET timezone = 'UTC';
            CREATE TABLE p PARTITION OF t FOR VALUES FROM ({bounds[0]}) TO ({bounds[1]});
            RESET datestyle; RESET timezone""",
    )
    chunks = await catalog.chunks_ending_by(conn, Relation(schema, "t"), older_than)
    assert [[c.range.start, c.range.end] for c in chunks] == ([ranges] if ranges else [])


async def test_what_cannot_be_a_chunk_is_refused(conn: Connection, schema: str) -> None:
    await run(
        conn,
        schema,
        CONDITIONS
        + OPEN
        + """
        CREATE TABLE plain (time timestamptz);
        CREATE TABLE by_list (a int) PARTITION BY LIST (a);
        CREATE TABLE by_two (a int, b int) PARTITION BY RANGE (a, b);
        CREATE TABLE by_expression (a int) PARTITION BY RANGE ((a + 1));
        CREATE TABLE by_text (a text) PARTITION BY RANGE (a);
        """,
    )

    async def code(table: str, chunk: str) -> str:
        with pytest.raises(PermanentError) as caught:
            await catalog.find_chunk(conn, Relation(schema, table), Relation(schema, chunk))
        return caught.value.code

    assert await code("nothing", "early") == "unknown-hypertable"
    assert await code("plain", "early") == "unknown-hypertable"
    assert await code("conditions", "nothing") == "unknown-chunk"
    assert await code("conditions", "plain") == "unknown-chunk"
    assert await code("conditions", "rest") == "default-partition"
    assert [await code(name, "early") for name in ("by_list", "by_two", "by_expression")] == ["unsupported-partitioning"] * 3
    assert await code("by_text", "early") == "unsupported-time-type"
    with pytest.raises(PermanentError, match="RFC 3339") as caught:
        await catalog.chunks_ending_by(conn, Relation(schema, "conditions"), 5)
    assert caught.value.code == "wrong-bound"


async def test_columns_have_the_hypertables_order(conn: Connection, schema: str) -> None:
    await run(
        conn,
        schema,
        CONDITIONS
        + """
        CREATE TYPE mood AS ENUM ('good', 'it''s bad');
        CREATE DOMAIN price AS numeric(10, 2) CHECK (VALUE > 0);
        CREATE DOMAIN dear AS price;
        ALTER TABLE conditions DROP COLUMN gone, ADD COLUMN feeling mood, ADD COLUMN cost dear,
            ADD COLUMN n varchar(20)[] NOT NULL;
        """,
    )
    columns = await catalog.columns(conn, Relation(schema, "conditions"))
    assert [(c.name, c.type_name, c.not_null, c.base_type, c.is_array, c.modifier) for c in columns] == [
        ("time", "timestamp with time zone", True, "pg_catalog.timestamptz", False, -1),
        ("device", "text", False, "pg_catalog.text", False, -1),
        ("value", "double precision", False, "pg_catalog.float8", False, -1),
        ("feeling", f"{schema}.mood", False, f"{schema}.mood", False, -1),
        ("cost", f"{schema}.dear", False, "pg_catalog.numeric", False, (10 << 16 | 2) + 4),
        ("n", "character varying(20)[]", True, "pg_catalog.varchar", True, 24),
    ]


async def test_rows_are_read_in_batches_of_the_planned_schema(conn: Connection, schema: str, source_database_url: str) -> None:
    await run(conn, schema, CONDITIONS + OPEN + FILL)
    for name in ("early", "late", "first"):
        chunk = await catalog.find_chunk(conn, Relation(schema, "conditions"), Relation(schema, name))
        facts = await assert_equal_rows(source_database_url, conn, chunk)
        if name == "early":
            assert (facts.rows, facts.min_time, facts.max_time) == (6378, "2026-01-01T00:00:00Z", "2026-01-31T23:59:00Z")
        if name == "first":
            assert (facts.rows, facts.min_time, facts.max_time) == (0, None, None)
    early = await catalog.find_chunk(conn, Relation(schema, "conditions"), Relation(schema, "early"))
    table, _ = await read_chunk(source_database_url, conn, early, gathered_pages=None, batch_bytes=65536)
    assert table.column("time").num_chunks > 3
    assert await catalog.source_bytes(conn, early) > 6378 * 40


async def test_a_partition_with_another_column_order(conn: Connection, schema: str, source_database_url: str) -> None:
    await run(
        conn,
        schema,
        CONDITIONS
        + """
        CREATE TABLE odd (value double precision, x int, device text, gone int, time timestamptz NOT NULL);
        ALTER TABLE odd DROP COLUMN x;
        INSERT INTO odd VALUES (1.5, 'd', 7, '2026-04-01 00:00+00');
        ALTER TABLE conditions ATTACH PARTITION odd FOR VALUES FROM ('2026-04-01 00:00+00') TO ('2026-05-01 00:00+00');
        """,
    )
    chunk = await catalog.find_chunk(conn, Relation(schema, "conditions"), Relation(schema, "odd"))
    table, _ = await read_chunk(source_database_url, conn, chunk)
    assert rows(table) == [(datetime(2026, 4, 1, tzinfo=UTC), 7, "d", 1.5)]


async def test_far_timestamps_are_right_as_numbers(conn: Connection, schema: str, source_database_url: str) -> None:
    await run(
        conn,
        schema,
        """SET datestyle = 'ISO, YMD';
           CREATE TABLE t (at timestamptz, d date) PARTITION BY RANGE (at);
           CREATE TABLE p PARTITION OF t FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
           INSERT INTO t VALUES ('294246-12-31 23:59:59.999999+00', '5874897-12-31'),
                                ('4713-01-01 00:00+00 BC', '4713-01-01 BC');
           RESET datestyle""",
    )
    chunk = await catalog.find_chunk(conn, Relation(schema, "t"), Relation(schema, "p"))
    table, facts = await read_chunk(source_database_url, conn, chunk)
    cursor = await conn.execute(
        b"SELECT (extract(epoch FROM '294246-12-31 23:59:59.999999+00'::timestamptz) * 1000000)::bigint,"
        b" (extract(epoch FROM '4713-01-01 00:00+00 BC'::timestamptz) * 1000000)::bigint"
    )
    exact = [read_moment(text) for text in table.column("at exact").to_pylist()]
    assert exact == list(await one(cursor))
    assert table.column("at").cast("int64").to_pylist() == [LAST_MICROSECOND, FIRST_MICROSECOND]
    assert (facts.min_time, facts.max_time) == ("4713-01-01T00:00:00Z BC", "294246-12-31T23:59:59.999999Z")


async def test_the_copy_is_of_the_snapshot(conn: Connection, schema: str, source_database_url: str) -> None:
    await run(conn, schema, CONDITIONS + FILL.replace("12000", "100"))
    chunk = await catalog.find_chunk(conn, Relation(schema, "conditions"), Relation(schema, "early"))
    async with ReadSnapshot(conn, chunk) as snapshot:
        async with await connect(source_database_url) as other:
            await run(other, schema, FILL.replace("12000", "50"))
        plan = plan_columns(await catalog.columns(conn, chunk.hypertable))
        assert (await snapshot.measure()).rows == 101
        with closing(read_batches(source_database_url, snapshot.snapshot_id, chunk, plan)) as batches:
            assert sum(batch.num_rows for batch in batches) == 101
        stale = snapshot.snapshot_id
    assert conn.info.transaction_status.name == "IDLE"
    assert (conn.isolation_level, conn.read_only) == (None, None)
    with pytest.raises(TransientError) as caught:
        next(read_batches(source_database_url, stale, chunk, plan))
    assert caught.value.code == "snapshot-lost"


async def test_the_chunk_cannot_be_rewritten_under_a_snapshot(conn: Connection, schema: str, source_database_url: str) -> None:
    await run(conn, schema, CONDITIONS)
    chunk = await catalog.find_chunk(conn, Relation(schema, "conditions"), Relation(schema, "early"))
    async with await connect(source_database_url) as other, ReadSnapshot(conn, chunk):
        await other.execute(b"SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await other.execute(f"TRUNCATE {chunk.relation.sql}".encode())
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await other.execute(f"ALTER TABLE {chunk.hypertable.sql} ADD COLUMN more int".encode())


async def test_a_snapshot_waits_for_a_rewrite(conn: Connection, schema: str, source_database_url: str) -> None:
    # A snapshot taken before the commit would find the new storage empty: rewritten rows are newer than it.
    await run(conn, schema, CONDITIONS + FILL.replace("12000", "100"))
    chunk = await catalog.find_chunk(conn, Relation(schema, "conditions"), Relation(schema, "early"))
    async with await connect(source_database_url) as other:
        await run(other, schema, "BEGIN; ALTER TABLE conditions ALTER COLUMN value TYPE numeric")
        reading = asyncio.create_task(read_chunk(source_database_url, conn, chunk))
        await asyncio.sleep(0.3)
        assert not reading.done()
        await other.execute(b"COMMIT")
    table, facts = await reading
    assert facts.rows == 101
    assert table.schema.field("value").metadata[b"postgresql.type"] == b"numeric"


async def test_a_chunk_that_is_gone(conn: Connection, schema: str, source_database_url: str) -> None:
    await run(conn, schema, CONDITIONS)
    chunk = await catalog.find_chunk(conn, Relation(schema, "conditions"), Relation(schema, "early"))
    await run(conn, schema, "DROP TABLE early")
    with pytest.raises(PermanentError) as caught:
        async with ReadSnapshot(conn, chunk):
            pass
    assert caught.value.code == "unknown-chunk"
    assert conn.info.transaction_status.name == "IDLE"
    with pytest.raises(PermanentError, match="gone"):
        await catalog.source_bytes(conn, chunk)


async def test_closing_early_closes_the_connection(conn: Connection, schema: str, source_database_url: str) -> None:
    await run(conn, schema, CONDITIONS + FILL)
    chunk = await catalog.find_chunk(conn, Relation(schema, "conditions"), Relation(schema, "early"))
    async with ReadSnapshot(conn, chunk) as snapshot:
        plan = plan_columns(await catalog.columns(conn, chunk.hypertable))
        batches = read_batches(source_database_url, snapshot.snapshot_id, chunk, plan, batch_bytes=1024)
        next(batches)
        readers = b"SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE %s"
        mine = (f'%SELECT "time"%"{schema}"."early"%',)
        assert await (await conn.execute(readers, mine)).fetchone() == (1,)
        batches.close()
    async with asyncio.timeout(10):
        while await (await conn.execute(readers, mine)).fetchone() != (0,):
            await asyncio.sleep(0.05)


async def test_permission_denied_says_what_to_grant(conn: Connection, schema: str) -> None:
    await run(conn, schema, CONDITIONS)
    chunk = await catalog.find_chunk(conn, Relation(schema, "conditions"), Relation(schema, "early"))
    role = f"reader_{schema}"
    await conn.execute(f"CREATE ROLE {role}; GRANT USAGE ON SCHEMA {schema} TO {role}; SET ROLE {role}".encode())
    try:
        with pytest.raises(PermanentError, match="GRANT") as caught:
            async with ReadSnapshot(conn, chunk):
                pass
        assert caught.value.code == "source-permission-denied"
    finally:
        await conn.execute(f"RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}".encode())


async def test_nothing_is_left_in_the_callers_transaction(conn: Connection, schema: str) -> None:
    await run(conn, schema, CONDITIONS)
    async with conn.transaction():
        with pytest.raises(PermanentError):
            await catalog.find_chunk(conn, Relation(schema, "nothing"), Relation(schema, "early"))
        await catalog.columns(conn, Relation(schema, "conditions"))
        assert (await one(await conn.execute(b"SHOW timezone")))[0] == "Asia/Kathmandu"


async def test_server_identity(conn: Connection) -> None:
    identity = await catalog.server_identity(conn)
    assert identity.system_identifier.isdigit()
    assert identity.database == conn.info.dbname
    assert identity.server_version[:2].isdigit()


HOSTILE = "we\"ird. näme 'x' %s {漢}"


async def test_hostile_names(conn: Connection, schema: str, source_database_url: str) -> None:
    weird = quote_identifier(HOSTILE)
    part = quote_identifier("p; DROP")
    await run(
        conn,
        schema,
        f"""CREATE TABLE {weird} ({weird} timestamptz, "%" int DEFAULT 5 % 3) PARTITION BY RANGE ({weird});
            CREATE TABLE {part} PARTITION OF {weird} FOR VALUES FROM ('2026-01-01 00:00+00') TO (MAXVALUE);
            CREATE INDEX ON {weird} ("%");
            INSERT INTO {weird} VALUES ('2026-05-05 00:00+00')""",
    )
    table = Relation(schema, HOSTILE)
    chunk = await catalog.find_chunk(conn, table, Relation(schema, "p; DROP"))
    facts = await assert_equal_rows(source_database_url, conn, chunk)
    assert facts.rows == 1
    assert await catalog.source_bytes(conn, chunk) > 0
    await recreate(conn, table)


DDL = """
CREATE TYPE mood AS ENUM ('good', 'it''s bad');
CREATE DOMAIN price AS numeric(10, 2) CHECK (VALUE > 0) DEFAULT 1;
CREATE TABLE owner (id int PRIMARY KEY);
CREATE TABLE t (
    at timestamptz NOT NULL, id bigserial, m mood DEFAULT 'good', moods mood[], p price, name text COLLATE "C" NOT NULL,
    n int GENERATED ALWAYS AS IDENTITY, twice int GENERATED ALWAYS AS (1 + 1) STORED, owner int REFERENCES owner,
    PRIMARY KEY (at, id), CONSTRAINT "named %" CHECK (name <> 'x')
) PARTITION BY RANGE (at);
CREATE INDEX "on only" ON t (name) WHERE m = 'good';
CREATE UNIQUE INDEX ON t (at DESC, lower(name));
"""


async def test_ddl_makes_the_table_again(conn: Connection, schema: str) -> None:
    server = int((await one(await conn.execute(b"SHOW server_version_num")))[0])
    # An identity column in a partitioned table is possible from PostgreSQL 17.
    await run(conn, schema, DDL if server >= 170000 else DDL.replace("n int GENERATED ALWAYS AS IDENTITY", "n int"))
    ddl = await recreate(conn, Relation(schema, "t"))
    assert "PARTITION BY RANGE (at)" in ddl
    assert "'it''s bad'" in ddl


async def recreate(conn: Connection, table: Relation) -> str:
    """Run the DDL of a table in the place of the original; it must describe itself as before."""
    ddl = await catalog.describe_ddl(conn, table)
    owner = quote_identifier(table.schema) + ".owner"
    await conn.execute(f"ALTER SCHEMA {table.schema} RENAME TO {table.schema}_old".encode())
    try:
        await conn.execute(f"CREATE SCHEMA {table.schema}; CREATE TABLE {owner} (id int PRIMARY KEY)".encode())
        await conn.execute(ddl.encode())
        assert await catalog.describe_ddl(conn, table) == ddl
    finally:
        await conn.execute(f"DROP SCHEMA {table.schema}_old CASCADE".encode())
    return ddl
