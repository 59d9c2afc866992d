"""TimescaleDB hypertables as a source, on a real server of either edition."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import closing

import psycopg
import pytest

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, ChunkRange, Relation, quote_identifier
from archival_core.source import catalog
from archival_core.source.state.fence import is_unchanged, stored_at
from archival_core.source.state.snapshot import parts
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from archival_core.source.wire.columns import plan_columns
from archival_core.source.wire.extract import read_batches
from tests.contract.source_support import Connection, assert_equal_rows, plain_rows, read_chunk, rows
from tests.kit.rows import one

pytestmark = pytest.mark.timescaledb

CONDITIONS = """
CREATE TABLE conditions (
    time timestamptz NOT NULL, gone int, device text, value double precision, low real DEFAULT 0.5, level smallint
);
SELECT create_hypertable('conditions', 'time', chunk_time_interval => interval '1 day');
"""
FILL = """
INSERT INTO conditions (time, device, value)
SELECT '2026-01-01 00:00+00'::timestamptz + i * interval '1 minute', 'dev ' || i % 5, sqrt(i) FROM generate_series(0, 2999) i;
"""
COMPRESS = """
ALTER TABLE conditions SET (timescaledb.compress, timescaledb.compress_segmentby = 'device');
SELECT compress_chunk(c) FROM show_chunks('conditions') c;
"""


@pytest.fixture
async def conn(timescaledb_url: str) -> AsyncIterator[Connection]:
    options = "-c timezone=Asia/Kathmandu -c datestyle=German"
    async with await psycopg.AsyncConnection.connect(timescaledb_url, autocommit=True, options=options) as conn:
        yield conn


@pytest.fixture
async def schema(conn: Connection) -> AsyncIterator[str]:
    name = f"ts_{uuid.uuid4().hex[:12]}"
    await conn.execute(f"CREATE SCHEMA {name}".encode())
    yield name
    await conn.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE".encode())


@pytest.fixture
async def community(conn: Connection) -> None:
    row = await one(await conn.execute(b"SHOW timescaledb.license"))
    if row[0] != "timescale":
        pytest.skip("compression is not in the Apache edition")


async def run(conn: Connection, schema: str, statements: str) -> None:
    await conn.execute(f"SET search_path = {schema}, public".encode())
    await conn.execute(statements.encode())
    await conn.execute(b"RESET search_path")


async def all_chunks(conn: Connection, schema: str, older_than: str | int = "2100-01-01T00:00:00Z") -> list[Chunk]:
    return await catalog.chunks_ending_by(conn, Relation(schema, "conditions"), older_than)


async def test_chunks_by_range(conn: Connection, schema: str, timescaledb_url: str) -> None:
    await run(conn, schema, CONDITIONS + FILL)
    chunks = await all_chunks(conn, schema)
    assert [c.range for c in chunks] == [
        ChunkRange(f"2026-01-0{day}T00:00:00Z", f"2026-01-0{day + 1}T00:00:00Z") for day in (1, 2, 3)
    ]
    assert chunks == [await catalog.find_chunk(conn, c.hypertable, c.relation) for c in chunks]
    assert {(c.kind, c.time_column, c.time_type, c.is_compressed) for c in chunks} == {
        ("timescaledb", "time", "timestamp with time zone", False)
    }
    assert await all_chunks(conn, schema, "2026-01-03T00:00:00Z") == chunks[:2]
    assert await all_chunks(conn, schema, "2026-01-02T23:59:59.999999Z") == chunks[:1]
    facts = [await assert_equal_rows(timescaledb_url, conn, chunk) for chunk in chunks]
    assert [f.rows for f in facts] == [1440, 1440, 120]
    assert (facts[0].min_time, facts[0].max_time) == ("2026-01-01T00:00:00Z", "2026-01-01T23:59:00Z")
    assert await catalog.source_bytes(conn, chunks[0]) > 1440 * 40


async def test_unknown_names(conn: Connection, schema: str) -> None:
    await run(conn, schema, CONDITIONS + FILL + "CREATE TABLE plain (time timestamptz);")
    await run(conn, schema, (CONDITIONS + FILL).replace("conditions", "others"))
    (mine, *_), (other, *_) = (
        await all_chunks(conn, schema),
        await catalog.chunks_ending_by(conn, Relation(schema, "others"), "2100-01-01T00:00:00Z"),
    )
    for hypertable, chunk, code in [
        (Relation(schema, "nothing"), mine.relation, "unknown-hypertable"),
        (Relation(schema, "plain"), mine.relation, "unknown-hypertable"),
        (mine.hypertable, other.relation, "unknown-chunk"),
        (mine.hypertable, Relation("_timescaledb_internal", "_hyper_0_0_chunk"), "unknown-chunk"),
    ]:
        with pytest.raises(PermanentError) as caught:
            await catalog.find_chunk(conn, hypertable, chunk)
        assert caught.value.code == code
    with pytest.raises(PermanentError, match="RFC 3339") as caught:
        await all_chunks(conn, schema, 5)
    assert caught.value.code == "wrong-bound"


@pytest.mark.usefixtures("community")
async def test_compressed_and_partially_compressed(conn: Connection, schema: str, timescaledb_url: str) -> None:
    await run(conn, schema, CONDITIONS + FILL)
    before = await catalog.source_bytes(conn, (await all_chunks(conn, schema))[0])
    await run(conn, schema, COMPRESS)
    chunks = await all_chunks(conn, schema)
    assert all(chunk.is_compressed for chunk in chunks)
    assert [(await assert_equal_rows(timescaledb_url, conn, chunk)).rows for chunk in chunks] == [1440, 1440, 120]
    assert 0 < await catalog.source_bytes(conn, chunks[0]) != before
    await run(conn, schema, FILL.replace("2999", "9"))
    chunks = await all_chunks(conn, schema)
    assert chunks[0].is_compressed
    facts = await assert_equal_rows(timescaledb_url, conn, chunks[0])
    assert facts.rows == 1440 + 10


@pytest.mark.usefixtures("community")
@pytest.mark.parametrize("time_type", ["timestamptz", "timestamp", "date", "bigint"])
async def test_parts_of_a_compressed_chunk(conn: Connection, schema: str, timescaledb_url: str, time_type: str) -> None:
    value = f"(timestamp '2026-01-01' + i * interval '7 minutes')::{time_type}" if time_type != "bigint" else "i - 3000"
    interval = "10000" if time_type == "bigint" else "interval '400 days'"
    await run(
        conn,
        schema,
        f"""CREATE TABLE t (at {time_type} NOT NULL, device int, v int);
            SELECT create_hypertable('t', 'at', chunk_time_interval => {interval});
            INSERT INTO t SELECT {value}, i % 3, i FROM generate_series(0, 9999) i;
            ALTER TABLE t SET (timescaledb.compress, timescaledb.compress_segmentby = 'device');
            SELECT compress_chunk(c) FROM show_chunks('t') c;
            INSERT INTO t SELECT {value}, 9, -i FROM generate_series(1, 100) i""",
    )
    end = 2**62 if time_type == "bigint" else "2100-01-01T00:00:00Z"
    rows, most = 0, 0
    for chunk in await catalog.chunks_ending_by(conn, Relation(schema, "t"), end):
        assert chunk.is_compressed
        async with ReadSnapshot(conn, chunk) as snapshot:
            plan = plan_columns(await catalog.columns(conn, chunk.hypertable))
            facts, storage = await snapshot.measure(), await parts.storage(conn, chunk)
            ranges = await parts.plan_parts(conn, chunk, storage, facts, plan.schema, 20_000)
            most = max(most, len(ranges))
            for part in ranges:
                with closing(read_batches(timescaledb_url, snapshot.snapshot_id, chunk, plan, part)) as batches:
                    rows += sum(batch.num_rows for batch in batches)
    assert most > 3
    assert rows == 10_100


@pytest.mark.usefixtures("community")
@pytest.mark.parametrize(
    "change",
    [
        "",
        "VACUUM (FREEZE) conditions",
        "INSERT INTO conditions SELECT * FROM conditions LIMIT 1",
        "DELETE FROM conditions WHERE device = 'dev 4'",
        "UPDATE conditions SET value = 5 WHERE device = 'dev 4' AND value > 2",
        "SELECT decompress_chunk(c) FROM show_chunks('conditions') c",
        "SELECT decompress_chunk(c) FROM show_chunks('conditions') c;" + COMPRESS,
    ],
)
async def test_the_fence_of_a_compressed_chunk(conn: Connection, schema: str, change: str) -> None:
    await run(conn, schema, CONDITIONS + FILL + COMPRESS)
    (chunk, *_) = await all_chunks(conn, schema)
    async with ReadSnapshot(conn, chunk) as snapshot:
        facts, storage = await snapshot.measure(), await parts.storage(conn, chunk)
        stored = await stored_at(conn, chunk, facts, storage.files)
    assert stored is not None
    for statement in filter(None, change.split(";")):
        try:
            await run(conn, schema, statement)
        except psycopg.errors.InternalError_:
            pytest.skip("TimescaleDB before 2.11 refuses to change a compressed chunk")
    (chunk, *_) = await all_chunks(conn, schema)
    async with ReadSnapshot(conn, chunk):
        unchanged = await is_unchanged(conn, chunk, facts.snapshot, stored, (await parts.storage(conn, chunk)).files)
    assert unchanged == (change in ("", "VACUUM (FREEZE) conditions"))


@pytest.mark.usefixtures("community")
async def test_rows_deleted_from_a_compressed_chunk(conn: Connection, schema: str, timescaledb_url: str) -> None:
    await run(conn, schema, CONDITIONS + FILL + COMPRESS)
    try:
        await run(conn, schema, "DELETE FROM conditions WHERE device = 'dev 4'")
    except psycopg.errors.InternalError_:
        pytest.skip("TimescaleDB before 2.11 refuses to delete from a compressed chunk")
    (chunk, *_) = await all_chunks(conn, schema)
    assert (await assert_equal_rows(timescaledb_url, conn, chunk)).rows == 1440 - 288


@pytest.mark.usefixtures("community")
async def test_compression_waits_for_a_snapshot(conn: Connection, schema: str, timescaledb_url: str) -> None:
    await run(conn, schema, CONDITIONS + FILL)
    (chunk, *_) = await all_chunks(conn, schema)
    async with ReadSnapshot(conn, chunk), await psycopg.AsyncConnection.connect(timescaledb_url, autocommit=True) as other:
        await other.execute(b"SET lock_timeout = '300ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await run(other, schema, COMPRESS)


@pytest.mark.usefixtures("community")
async def test_a_snapshot_waits_for_compression(conn: Connection, schema: str, timescaledb_url: str) -> None:
    await run(conn, schema, CONDITIONS + FILL)
    (chunk, *_) = await all_chunks(conn, schema)
    async with await psycopg.AsyncConnection.connect(timescaledb_url, autocommit=True) as other:
        await run(other, schema, "BEGIN;" + COMPRESS)
        # what the catalog said of the chunk is not true any more
        reading = asyncio.create_task(read_chunk(timescaledb_url, conn, chunk, gathered_pages=None))
        await asyncio.sleep(0.5)
        assert not reading.done()
        await other.execute(b"COMMIT")
    _, facts = await reading
    assert facts.rows == 1440


@pytest.mark.parametrize("time_type", ["smallint", "integer", "bigint"])
async def test_integer_time_may_be_negative(conn: Connection, schema: str, timescaledb_url: str, time_type: str) -> None:
    await run(
        conn,
        schema,
        f"""CREATE TABLE conditions (time {time_type} NOT NULL, value int);
            SELECT create_hypertable('conditions', 'time', chunk_time_interval => 100);
            INSERT INTO conditions SELECT i, i FROM generate_series(-150, 149) i""",
    )
    chunks = await all_chunks(conn, schema, 100)
    assert [(c.range.start, c.range.end) for c in chunks] == [("-200", "-100"), ("-100", "0"), ("0", "100")]
    assert [c.relation for c in await all_chunks(conn, schema, -100)] == [chunks[0].relation]
    facts = await assert_equal_rows(timescaledb_url, conn, chunks[0])
    assert (facts.rows, facts.min_time, facts.max_time) == (50, "-150", "-101")
    with pytest.raises(PermanentError, match="64-bit integer"):
        await all_chunks(conn, schema)


@pytest.mark.parametrize("time_type", ["timestamp", "date"])
async def test_other_time_types(conn: Connection, schema: str, timescaledb_url: str, time_type: str) -> None:
    await run(conn, schema, CONDITIONS.replace("timestamptz", time_type) + FILL)
    chunks = await all_chunks(conn, schema)
    assert {c.range.start for c in chunks} >= {"2026-01-02T00:00:00Z"}
    for chunk in chunks:
        await assert_equal_rows(timescaledb_url, conn, chunk)


async def test_space_partitions_share_their_range(conn: Connection, schema: str, timescaledb_url: str) -> None:
    await run(conn, schema, CONDITIONS + "SELECT add_dimension('conditions', 'device', number_partitions => 3);" + FILL)
    chunks = await all_chunks(conn, schema)
    first = [c for c in chunks if c.range.start == "2026-01-01T00:00:00Z"]
    assert len(first) > 1
    assert chunks[: len(first)] == first
    assert sum([(await assert_equal_rows(timescaledb_url, conn, chunk)).rows for chunk in first]) == 1440


async def test_chunks_older_than_a_column(conn: Connection, schema: str, timescaledb_url: str) -> None:
    await run(
        conn,
        schema,
        CONDITIONS
        + FILL
        + """ALTER TABLE conditions DROP COLUMN gone, ADD COLUMN added int DEFAULT 7, DROP COLUMN device,
                 ADD COLUMN "device" jsonb;
             INSERT INTO conditions (time, value, added, device)
             VALUES ('2026-02-01 00:00+00', 2.5, 8, '{}'), ('2026-01-01 00:00+00', NULL, NULL, NULL);""",
    )
    names = [c.name for c in await catalog.columns(conn, Relation(schema, "conditions"))]
    assert names == ["time", "value", "low", "level", "added", "device"]
    for chunk in await all_chunks(conn, schema):
        table, _ = await read_chunk(timescaledb_url, conn, chunk)
        assert table.column_names == names
        plain = await plain_rows(conn, chunk, names[:-1])
        assert rows(table.drop_columns(["device"])) == plain


async def test_an_empty_chunk(conn: Connection, schema: str, timescaledb_url: str) -> None:
    await run(conn, schema, CONDITIONS + FILL + "DELETE FROM conditions")
    (chunk, *_) = await all_chunks(conn, schema)
    facts = await assert_equal_rows(timescaledb_url, conn, chunk)
    assert (facts.rows, facts.min_time, facts.max_time) == (0, None, None)


async def test_hostile_names(conn: Connection, schema: str, timescaledb_url: str) -> None:
    name = "we\"ird. näme 'x' %s {漢}"
    weird = quote_identifier(name)
    literal = f"{weird}".replace("'", "''")
    await run(
        conn,
        schema,
        f"""CREATE TABLE {weird} ({weird} timestamptz NOT NULL, "%" int DEFAULT 5 % 3);
            SELECT create_hypertable('{literal}', '{name.replace("'", "''")}', associated_schema_name => '{schema}',
                                     associated_table_prefix => 'p"; x');
            INSERT INTO {weird} VALUES ('2026-05-05 00:00+00')""",
    )
    (chunk,) = await catalog.chunks_ending_by(conn, Relation(schema, name), "2100-01-01T00:00:00Z")
    assert chunk.relation.schema == schema
    assert chunk.relation.name.startswith('p"; x')
    assert await catalog.find_chunk(conn, Relation(schema, name), chunk.relation) == chunk
    assert (await assert_equal_rows(timescaledb_url, conn, chunk)).rows == 1
    assert await catalog.source_bytes(conn, chunk) > 0


async def test_row_level_security_never_hides_rows(conn: Connection, schema: str, timescaledb_url: str) -> None:
    await run(conn, schema, CONDITIONS + FILL + "ALTER TABLE conditions ENABLE ROW LEVEL SECURITY")
    (chunk, *_) = await all_chunks(conn, schema)
    assert (await assert_equal_rows(timescaledb_url, conn, chunk)).rows == 1440


async def test_ddl_makes_the_hypertable_again(conn: Connection, schema: str) -> None:
    await run(
        conn,
        schema,
        CONDITIONS
        + """SELECT add_dimension('conditions', 'device', number_partitions => 3);
             ALTER TABLE conditions ADD PRIMARY KEY (time, device);
             CREATE INDEX "by value" ON conditions (value) WHERE value > 0;""",
    )
    ddl = await catalog.describe_ddl(conn, Relation(schema, "conditions"))
    assert "chunk_time_interval => INTERVAL '1 day'" in ddl
    await conn.execute(f"DROP SCHEMA {schema} CASCADE".encode())
    await conn.execute(ddl.encode())
    assert await catalog.describe_ddl(conn, Relation(schema, "conditions")) == ddl


async def test_native_partitions_beside_the_extension(conn: Connection, schema: str, timescaledb_url: str) -> None:
    await run(
        conn,
        schema,
        """CREATE TABLE t (at int) PARTITION BY RANGE (at); CREATE TABLE p PARTITION OF t FOR VALUES FROM (-5) TO (5);
           INSERT INTO t VALUES (0)""",
    )
    (chunk,) = await catalog.chunks_ending_by(conn, Relation(schema, "t"), 5)
    assert chunk.kind == "native"
    assert (await assert_equal_rows(timescaledb_url, conn, chunk)).rows == 1


async def test_server_identity(conn: Connection) -> None:
    identity = await catalog.server_identity(conn)
    assert identity.timescaledb_version is not None
    assert identity.timescaledb_version.startswith("2.")
