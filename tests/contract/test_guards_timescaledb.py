"""Who would suffer if a chunk of a real TimescaleDB went, asked on an idle connection and under the lock of a removal."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
import pytest

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.source import catalog
from archival_core.source.catalog.partitioning.timescaledb_internals import compressed_rows, forms, invalidations
from archival_core.source.catalog.partitioning.tree import tree
from archival_core.source.removal import dropping, guards
from archival_core.source.state.fence import stored_at
from archival_core.source.state.snapshot.snapshot import ChunkFacts
from tests.contract.source_support import Connection
from tests.kit.log_records import codes
from tests.kit.rows import one

pytestmark = pytest.mark.timescaledb

TABLE = """
CREATE TABLE t (at timestamptz NOT NULL, device text, v float);
SELECT create_hypertable('t', 'at', chunk_time_interval => interval '1 day');
INSERT INTO t
SELECT timestamptz '2026-01-01 00:00Z' + i * interval '10 minutes', 'dev ' || i % 3, i FROM generate_series(0, 575) i;
"""
AGGREGATE = """
CREATE MATERIALIZED VIEW "Daily's" WITH (timescaledb.continuous) AS
SELECT time_bucket('1 day', at) AS day, count(*) AS n FROM t GROUP BY 1 WITH NO DATA
"""
REFRESH = """CALL refresh_continuous_aggregate('"Daily''s"', {}, {})"""
Ask = Callable[[Connection, Chunk], Awaitable[Any]]


@pytest.fixture
async def conn(timescaledb_url: str) -> AsyncIterator[Connection]:
    # nothing may depend on settings that a removal has not pinned yet
    options = "-c timezone=Asia/Kathmandu -c datestyle=German -c intervalstyle=sql_standard"
    async with await psycopg.AsyncConnection.connect(timescaledb_url, autocommit=True, options=options) as conn:
        yield conn


@pytest.fixture
async def schema(conn: Connection) -> AsyncIterator[str]:
    name = f"guards_{uuid.uuid4().hex[:12]}"
    await conn.execute(f"CREATE SCHEMA {name}".encode())
    await run(conn, name, TABLE)
    yield name
    await conn.execute(f"DROP SCHEMA {name} CASCADE".encode())


@pytest.fixture
async def aggregate(conn: Connection, schema: str) -> str:
    if await (await conn.execute(b"SHOW timescaledb.license")).fetchone() != ("timescale",):
        pytest.skip("continuous aggregates are not in the Apache edition")
    await run(conn, schema, AGGREGATE)
    return schema


async def run(conn: Connection, schema: str, *statements: str) -> None:
    await conn.execute(f"SET search_path = {schema}, public".encode())
    for statement in statements:
        await conn.execute(statement.encode())
    await conn.execute(b"RESET search_path")


async def chunks_of(conn: Connection, schema: str, until: str | int = "2100-01-01T00:00:00Z") -> list[Chunk]:
    return await catalog.chunks_ending_by(conn, Relation(schema, "t"), until)


async def refusal(conn: Connection, chunk: Chunk, ask: Ask = guards.check_all) -> PermanentError | None:
    """The same answer outside of a transaction and under the lock; the caller's transaction goes on."""
    found: list[PermanentError | None] = []
    for locked in (False, True):
        try:
            if locked:
                async with dropping.locked(conn, chunk):
                    await ask(conn, chunk)
                    assert await (await conn.execute(b"SHOW row_security")).fetchone() == ("off",)
            else:
                await ask(conn, chunk)
        except PermanentError as error:
            found.append(error)
        else:
            found.append(None)
    assert str(found[0]) == str(found[1])
    return found[0]


async def code(conn: Connection, chunk: Chunk, ask: Ask = guards.check_all) -> str | None:
    error = await refusal(conn, chunk, ask)
    return error.code if error else None


async def test_nothing_stands_in_the_way(conn: Connection, schema: str) -> None:
    assert [await code(conn, chunk) for chunk in await chunks_of(conn, schema)] == [None] * 4


async def test_siblings_under_the_lock(conn: Connection, schema: str) -> None:
    chunk, *_ = await chunks_of(conn, schema)
    assert await guards.siblings(conn, chunk) == []
    await run(
        conn,
        schema,
        "CREATE TABLE s (at int NOT NULL, device int); SELECT create_hypertable('s', 'at', chunk_time_interval => 100);"
        "SELECT add_dimension('s', 'device', number_partitions => 4); INSERT INTO s SELECT i, i FROM generate_series(0, 199) i",
    )
    spaced = await catalog.chunks_ending_by(conn, Relation(schema, "s"), 100)
    assert len(spaced) == 4
    async with dropping.locked(conn, spaced[0]):
        assert await guards.siblings(conn, spaced[0]) == sorted(other.relation for other in spaced[1:])


async def test_a_frozen_chunk_stays(conn: Connection, schema: str) -> None:
    chunk, other, *_ = await chunks_of(conn, schema)
    try:
        await run(conn, schema, f"SELECT _timescaledb_functions.freeze_chunk('{chunk.relation.sql}')")
    except psycopg.Error:
        pytest.skip("freezing is not in this edition")
    assert await code(conn, chunk) == await code(conn, chunk, guards.check_frozen) == "frozen"
    assert await code(conn, other) is None
    await run(conn, schema, f"SELECT _timescaledb_functions.unfreeze_chunk('{chunk.relation.sql}')")
    assert await code(conn, chunk) is None


async def test_a_foreign_key_to_the_hypertable_keeps_every_chunk(conn: Connection, schema: str) -> None:
    try:
        await run(conn, schema, 'ALTER TABLE t ADD PRIMARY KEY (at); CREATE TABLE "My notes" (at timestamptz REFERENCES t)')
    except psycopg.Error:
        pytest.skip("this version has no foreign keys to hypertables")
    first, *others = await chunks_of(conn, schema)
    error = await refusal(conn, first)
    assert error is not None
    assert (error.code, await code(conn, others[-1])) == ("removal-blocked", "removal-blocked")
    assert f'My notes_at_fkey of {schema}."My notes"' in str(error)
    # no row of the other table is in the way, and PostgreSQL drops the chunk none the less for that
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        await run(conn, schema, f"DROP TABLE {first.relation.sql}")
    await run(conn, schema, 'ALTER TABLE "My notes" DROP CONSTRAINT "My notes_at_fkey"')
    assert await code(conn, first) is None


async def test_an_unlogged_chunk_stays(conn: Connection, schema: str) -> None:
    chunk, *_ = await chunks_of(conn, schema)
    try:
        await run(conn, schema, f"ALTER TABLE {chunk.relation.sql} SET UNLOGGED")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this version keeps all chunks logged")
    error = await refusal(conn, chunk)
    assert error is not None
    assert (error.code, str(chunk.relation) in str(error)) == ("unlogged", True)


async def test_an_aggregate_that_was_never_refreshed(conn: Connection, aggregate: str) -> None:
    chunks = await chunks_of(conn, aggregate)
    assert [await code(conn, chunk) for chunk in chunks] == ["aggregate-not-refreshed"] * 4
    await run(conn, aggregate, REFRESH.format("null", "null"))
    assert [await code(conn, chunk) for chunk in chunks] == [None] * 4


async def test_what_the_refusal_says_to_run_helps(conn: Connection, aggregate: str) -> None:
    chunks = await chunks_of(conn, aggregate)
    await run(conn, aggregate, what_to_run(await refusal(conn, chunks[1])))
    assert [await code(conn, chunk) for chunk in chunks] == ["aggregate-not-refreshed", None, *["aggregate-not-refreshed"] * 2]


def what_to_run(error: PermanentError | None) -> str:
    call = re.search(r"CALL refresh_continuous_aggregate\(.*?\)(?= with)", str(error))
    assert call is not None
    return call[0]


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO t VALUES ('2026-01-02 12:00Z', 'late', 1)",
        "UPDATE t SET v = -1 WHERE at = '2026-01-02 12:00Z'",
        "DELETE FROM t WHERE at = '2026-01-02 12:00Z'",
    ],
)
async def test_changes_below_the_watermark(conn: Connection, aggregate: str, change: str) -> None:
    await run(conn, aggregate, REFRESH.format("null", "null"), change)
    chunks = await chunks_of(conn, aggregate)
    assert [await code(conn, chunk) for chunk in chunks] == [None, "aggregate-not-refreshed", None, None]
    # the refresh of another time takes note of the change, and does not look at it
    await run(conn, aggregate, REFRESH.format("'2026-01-04Z'", "'2026-01-05Z'"))
    assert [await code(conn, chunk) for chunk in chunks] == [None, "aggregate-not-refreshed", None, None]
    await run(conn, aggregate, REFRESH.format("'2026-01-02Z'", "'2026-01-03Z'"))
    assert [await code(conn, chunk) for chunk in chunks] == [None] * 4


@pytest.mark.parametrize(
    ("bucket", "late", "exactly"),
    [
        # Monday 2026-01-05 begins a week
        ("time_bucket('7 days', at)", [1, 1, 1, 1, 0, 0], True),
        ("time_bucket('2 days', at)", [0, 1, 1, 0, 0, 0], True),
        ("time_bucket('2 days', at, '2026-01-01Z'::timestamptz)", [0, 0, 1, 1, 0, 0], False),
        ("time_bucket('2 days', at, \"offset\" => interval '1 day')", [0, 0, 1, 1, 0, 0], False),
        ("time_bucket('1 day', at, 'Asia/Tokyo')", [0, 1, 1, 0, 0, 0], False),
        ("time_bucket('1 month', at)", [1] * 6, False),
    ],
)
async def test_a_change_in_the_rest_of_a_bucket(
    conn: Connection, aggregate: str, bucket: str, late: list[int], exactly: bool
) -> None:
    """A bucket of several chunks is aggregated anew as a whole: of the rows that are left, if one of the chunks is gone."""
    view = AGGREGATE.replace("Daily's", "other").replace("time_bucket('1 day', at)", bucket)
    await run(
        conn,
        aggregate,
        """DROP MATERIALIZED VIEW "Daily's" """,
        "INSERT INTO t VALUES ('2026-01-05 12:00Z', 'x', 1), ('2026-01-06 12:00Z', 'x', 1)",
        view,
        "CALL refresh_continuous_aggregate('other', null, null)",
    )
    chunks = await chunks_of(conn, aggregate)
    assert [await code(conn, chunk) for chunk in chunks] == [None] * 6
    await run(conn, aggregate, "INSERT INTO t VALUES ('2026-01-03 12:00Z', 'late', 1)")
    expected = ["aggregate-not-refreshed" if changed else None for changed in late]
    at_once = [await code(conn, chunk) for chunk in chunks]
    # a false alarm passes with the next refresh of whatever time; there is no false all-clear
    assert at_once == expected if exactly else all(now or not then for now, then in zip(at_once, expected, strict=True))
    await run(conn, aggregate, "CALL refresh_continuous_aggregate('other', '2025-02-01Z', '2025-06-01Z')")
    assert [await code(conn, chunk) for chunk in chunks] == expected


async def test_a_chunk_that_is_not_full_at_its_end(conn: Connection, aggregate: str) -> None:
    """What lies after the last row that was ever aggregated is never refreshed, and holds nothing."""
    await run(
        conn,
        aggregate,
        "DELETE FROM t WHERE at >= '2026-01-04 03:00Z'",
        'DROP MATERIALIZED VIEW "Daily\'s"',
        AGGREGATE.replace("1 day", "1 hour"),
        REFRESH.format("null", "null"),
    )
    chunks = await chunks_of(conn, aggregate)
    assert [await code(conn, chunk) for chunk in chunks] == [None] * 4
    await run(conn, aggregate, "INSERT INTO t VALUES ('2026-01-04 05:00Z', 'late', 1)")
    assert [await code(conn, chunk) for chunk in chunks] == [*[None] * 3, "aggregate-not-refreshed"]
    # and what lies before the first refresh
    await run(conn, aggregate, 'DROP MATERIALIZED VIEW "Daily\'s"', AGGREGATE, REFRESH.format("'2026-01-02Z'", "'2026-01-05Z'"))
    assert [await code(conn, chunk) for chunk in chunks] == ["aggregate-not-refreshed", *[None] * 3]


async def test_a_refresh_that_is_not_finished(conn: Connection, aggregate: str) -> None:
    await run(conn, aggregate, REFRESH.format("null", "null"))
    begun = "_timescaledb_catalog.continuous_aggs_materialization_ranges"
    if await (await conn.execute(b"SELECT to_regclass(%s) IS NULL", (begun,))).fetchone() == (True,):
        pytest.skip("this version refreshes in one transaction")
    chunks = await chunks_of(conn, aggregate)
    async with conn.transaction(force_rollback=True):
        await conn.execute(
            f"INSERT INTO {begun} SELECT mat_hypertable_id, 1767398400000000, 1767484799999999"
            f" FROM _timescaledb_catalog.continuous_agg WHERE user_view_schema = '{aggregate}'".encode()
        )
        await guards.check_aggregates(conn, chunks[1])
        with pytest.raises(PermanentError) as caught:
            await guards.check_aggregates(conn, chunks[2])
    assert caught.value.code == "aggregate-not-refreshed"


@pytest.mark.parametrize("kind", ["bigint", "integer", "smallint", "date", "timestamp", "timestamptz", "uuid"])
async def test_every_kind_of_time(conn: Connection, aggregate: str, kind: str) -> None:
    is_integer = kind in ("bigint", "integer", "smallint")
    interval, width = ("100", "50::" + kind) if is_integer else ("interval '2 days'", "interval '1 day'")
    value = {"uuid": "to_uuidv7(timestamptz '2026-01-01 00:00Z' + i * interval '1 hour')"}.get(
        kind, f"(timestamp '2026-01-01' + i * interval '1 hour')::{kind}" if not is_integer else "i::" + kind
    )
    table = (
        f"CREATE TABLE k (at {kind} NOT NULL, v int); SELECT create_hypertable('k', 'at', chunk_time_interval => {interval})"
    )
    try:
        await run(conn, aggregate, table)
    except psycopg.Error:
        pytest.skip(f"this version takes no {kind} as time")
    if is_integer:
        clock = f"CREATE FUNCTION clock() RETURNS {kind} LANGUAGE sql STABLE AS 'SELECT 1000::{kind}'"
        await run(conn, aggregate, clock, "SELECT set_integer_now_func('k', 'clock')")
    await run(
        conn,
        aggregate,
        f"INSERT INTO k SELECT {value}, i FROM generate_series(0, 299) i",
        f"CREATE MATERIALIZED VIEW sums WITH (timescaledb.continuous) AS SELECT time_bucket({width}, at) AS b, sum(v) FROM k"
        " GROUP BY 1 WITH NO DATA",
    )
    hypertable = Relation(aggregate, "k")
    chunks = await catalog.chunks_ending_by(conn, hypertable, 30000 if is_integer else "2100-01-01T00:00:00Z")
    assert len(chunks) > 2
    assert {await code(conn, chunk) for chunk in chunks} == {"aggregate-not-refreshed"}
    for done in (1, 2):
        await run(conn, aggregate, what_to_run(await refusal(conn, chunks[done - 1])))
        codes = [await code(conn, chunk) for chunk in chunks]
        assert codes == [*[None] * done, *["aggregate-not-refreshed"] * (len(chunks) - done)]
    await run(conn, aggregate, "CALL refresh_continuous_aggregate('sums', null, null)")
    assert {await code(conn, chunk) for chunk in chunks} == {None}


async def test_a_policy_that_reaches_back_into_the_range(conn: Connection, aggregate: str) -> None:
    await run(
        conn,
        aggregate,
        REFRESH.format("null", "null"),
        """SELECT add_continuous_aggregate_policy('"Daily''s"', null, interval '1 hour', interval '1 hour')""",
    )
    chunk, *_ = await chunks_of(conn, aggregate)
    assert await code(conn, chunk) == "continuous-aggregate"


async def test_writes_that_are_only_in_the_log_of_the_server(conn: Connection, aggregate: str) -> None:
    """Continuous aggregates of 2.22 to 2.25 could read them there, by a slot of this name."""
    await run(conn, aggregate, REFRESH.format("null", "null"))
    chunk, *_ = await chunks_of(conn, aggregate)
    row = await (
        await conn.execute(b"SELECT 'ts_' || oid || '_cagg' FROM pg_database WHERE datname = current_database()")
    ).fetchone()
    await conn.execute(b"SELECT pg_create_physical_replication_slot(%s)", row)
    try:
        assert await code(conn, chunk) == "aggregate-not-refreshed"
    finally:
        await conn.execute(b"SELECT pg_drop_replication_slot(%s)", row)
    assert await code(conn, chunk) is None


async def test_an_aggregate_of_another_hypertable(conn: Connection, aggregate: str) -> None:
    await run(conn, aggregate, TABLE.replace("TABLE t ", "TABLE t2 ").replace("'t'", "'t2'").replace("INTO t\n", "INTO t2\n"))
    other, *_ = await catalog.chunks_ending_by(conn, Relation(aggregate, "t2"), "2100-01-01T00:00:00Z")
    assert await code(conn, other) is None


#: Also where an edition makes no continuous aggregates, its tables for them are there, in the form of its version.
FORGED = """
INSERT INTO _timescaledb_catalog.{table} SELECT forged.* FROM _timescaledb_catalog.hypertable h,
    jsonb_populate_record(NULL::_timescaledb_catalog.{table}, jsonb_build_object(
        'mat_hypertable_id', h.id, 'raw_hypertable_id', h.id, 'user_view_schema', 'forged', 'user_view_name', 'Some "view"',
        'partial_view_schema', 'p', 'partial_view_name', 'p', 'direct_view_schema', 'd', 'direct_view_name', 'd',
        'materialized_only', false, 'finalized', true, 'bucket_width', '{width}', 'experimental', false, 'name', 'time_bucket',
        'origin', '', 'timezone', '', 'bucket_func', 'time_bucket(interval,timestamptz)', 'bucket_fixed_width', {is_fixed},
        'hypertable_id', h.id, 'materialization_id', h.id, 'lowest_modified_value', {at}, 'greatest_modified_value', {at}
    )) forged
WHERE h.schema_name = '{schema}' AND h.table_name = 't'
"""
#: 2026-01-02 12:00 UTC, in microseconds
NOON = 1_767_355_200_000_000
DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("log", "is_fixed", "days"),
    [
        ("continuous_aggs_hypertable_invalidation_log", True, [0, 1, 0, 0]),
        ("continuous_aggs_hypertable_invalidation_log", False, [1, 1, 1, 1]),
        ("continuous_aggs_materialization_invalidation_log", True, [0, 1, 0, 0]),
        ("continuous_aggs_materialization_invalidation_log", False, [0, 1, 0, 0]),
    ],
)
async def test_pending_changes_in_the_form_of_each_version(
    conn: Connection, schema: str, log: str, is_fixed: bool, days: list[int]
) -> None:
    old = await has_column(conn, "continuous_agg", "bucket_width")
    # before 2.15 the width of a fixed bucket is in microseconds with the aggregate
    widths = {
        "continuous_agg": str(DAY if is_fixed else -1),
        "continuous_aggs_bucket_function": "1 day" if is_fixed else "1 month",
    }
    tables = ["continuous_agg", *([] if old and is_fixed else ["continuous_aggs_bucket_function"]), log]
    async with conn.transaction(force_rollback=True):
        await conn.execute(b"SET LOCAL search_path = public")
        for table in tables:
            values = {"table": table, "schema": schema, "at": NOON, "is_fixed": str(is_fixed).lower()}
            await conn.execute(FORGED.format(width=widths.get(table, ""), **values).encode())
        found = [
            await invalidations.pending(conn, Relation(schema, "t"), start, start + DAY - 1, is_integer=False)
            for start in (NOON + (day - 1) * DAY - DAY // 2 for day in range(4))
        ]
        assert [len(entries) for entries in found] == days
        assert found[1] == [invalidations.Pending('forged."Some ""view"""', NOON, NOON)]


async def test_the_compressed_table_in_the_form_of_each_version(conn: Connection, schema: str) -> None:
    chunk, other, *_ = await chunks_of(conn, schema)
    by_name = await has_column(conn, "chunk", "compressed_chunk_id")
    forged = (
        "UPDATE _timescaledb_catalog.chunk SET compressed_chunk_id = ("
        f"SELECT id FROM _timescaledb_catalog.chunk WHERE table_name = '{other.relation.name}'"
        f") WHERE table_name = '{chunk.relation.name}'"
        if by_name
        else f"INSERT INTO _timescaledb_catalog.compression_settings (relid, compress_relid) VALUES ({chunk.oid}, {other.oid})"
    )
    async with conn.transaction(force_rollback=True):
        await conn.execute(forged.encode())
        assert [leaf.oid for leaf in await tree(conn, chunk)] == sorted([chunk.oid, other.oid])
        assert (await compressed_rows.compressed_table(conn, chunk))[0] == other.relation
    assert [leaf.oid for leaf in await tree(conn, chunk)] == [chunk.oid]


@pytest.mark.parametrize(
    ("change", "ask"),
    [
        ("ALTER TABLE _timescaledb_catalog.chunk RENAME COLUMN status TO state", guards.check_frozen),
        ("ALTER TABLE _timescaledb_catalog.chunk RENAME TO pieces", guards.check_frozen),
        ("ALTER TABLE _timescaledb_catalog.chunk RENAME TO pieces", guards.check_all),
    ],
    ids=["a column", "a table", "all"],
)
async def test_a_form_that_nobody_knows_keeps_the_chunk(
    conn: Connection, schema: str, caplog: pytest.LogCaptureFixture, change: str, ask: Ask
) -> None:
    chunk, *_ = await chunks_of(conn, schema)
    async with conn.transaction(force_rollback=True):
        await conn.execute(change.encode())
        with pytest.raises(PermanentError, match="update the service") as caught:
            await ask(conn, chunk)
        assert caught.value.code == forms.UNKNOWN
        assert forms.UNKNOWN in codes(caplog)
        # what is not compressed has its rows in its own table, whatever the form
        assert [leaf.oid for leaf in await tree(conn, chunk)] == [chunk.oid]


async def test_an_unknown_form_of_compressed_chunks(conn: Connection, schema: str) -> None:
    if await (await conn.execute(b"SHOW timescaledb.license")).fetchone() != ("timescale",):
        pytest.skip("compression is not in the Apache edition")
    await run(conn, schema, "ALTER TABLE t SET (timescaledb.compress); SELECT compress_chunk(c) FROM show_chunks('t') c")
    chunk, *_ = await chunks_of(conn, schema)
    assert len(await tree(conn, chunk)) == 2
    columns = b"SELECT relname::text, attname::text FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n"
    columns += b" ON n.oid = relnamespace WHERE nspname = '_timescaledb_catalog' "
    columns += b" AND attname IN ('compressed_chunk_id', 'compress_relid')"
    columns += b" AND relname IN ('chunk', 'compression_settings')"
    known = await (await conn.execute(columns)).fetchall()
    assert known
    async with conn.transaction(force_rollback=True):
        facts = await measured(conn, chunk)
        for table, column in known:
            await conn.execute(f"ALTER TABLE _timescaledb_catalog.{table} RENAME COLUMN {column} TO elsewhere".encode())
        with pytest.raises(PermanentError) as caught:
            await tree(conn, chunk)
        assert caught.value.code == forms.UNKNOWN
        # it is archived all the same, with a hash of its content in place of the mark
        assert await stored_at(conn, chunk, facts, ()) is None


async def test_an_unknown_form_of_invalidations(conn: Connection, aggregate: str) -> None:
    chunk, *_ = await chunks_of(conn, aggregate)
    async with conn.transaction(force_rollback=True):
        await conn.execute(
            b"ALTER TABLE _timescaledb_catalog.continuous_aggs_materialization_invalidation_log"
            b" RENAME COLUMN lowest_modified_value TO lowest"
        )
        with pytest.raises(PermanentError) as caught:
            await guards.check_aggregates(conn, chunk)
    assert caught.value.code == forms.UNKNOWN


async def has_column(conn: Connection, table: str, column: str) -> bool:
    query = "SELECT FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s"
    return await (await conn.execute(query, (f"_timescaledb_catalog.{table}", column))).fetchone() is not None


async def measured(conn: Connection, chunk: Chunk) -> ChunkFacts:
    query = f"SELECT count(*), pg_current_snapshot()::text FROM {chunk.relation.sql}"
    row = await one(await conn.execute(query.encode()))
    return ChunkFacts(row[0], None, None, row[1])
