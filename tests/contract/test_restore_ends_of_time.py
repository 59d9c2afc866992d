"""Rows at the ends of time come back like all others: infinities, and the last values of a type."""

from __future__ import annotations

import pytest

from archival_core.errors import PermanentError
from archival_core.model.lake.manifest import Manifest
from tests.contract.restore_support import Bench
from tests.kit.older_archives import earlier_forms, without_schema

INTERNAL = "_timescaledb_internal"


def last_chunk(bench: Bench) -> str:
    [(name,)] = bench.query(
        f"SELECT chunk_name FROM timescaledb_information.chunks WHERE hypertable_schema = '{bench.schema}'"
        " ORDER BY range_end DESC, range_end_integer DESC LIMIT 1"
    )
    return str(name)


def older(manifest: Manifest) -> Manifest:
    """The manifest as it was written when a hypertable's last chunk was said to end at infinity."""
    assert manifest.range_end is None
    return manifest.model_copy(update={"range_end": "infinity"})


async def comes_back_once(bench: Bench, manifest: Manifest, rows: int) -> None:
    """What is gone comes back, and not again; the same in a table of its own."""
    assert manifest.rows == rows
    assert (await bench.restore(manifest)).inserted == rows
    assert (await bench.restore(manifest)).inserted == 0
    assert (await bench.restore(manifest, into="own")).inserted == rows
    assert (await bench.restore(manifest, into="own")).inserted == 0


@pytest.mark.timescaledb
@pytest.mark.parametrize("as_before", [False, True])
@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
async def test_the_last_chunk_of_a_hypertable_holds_infinity(ts_bench: Bench, kind: str, as_before: bool) -> None:
    ts_bench.execute(
        f"CREATE TABLE t (at {kind} NOT NULL, v int);"
        "SELECT create_hypertable('t', 'at', chunk_time_interval => interval '1 day');"
        f"INSERT INTO t SELECT '2026-01-01', i FROM generate_series(0, 9) i;"
        f"INSERT INTO t SELECT 'infinity', i FROM generate_series(0, 99) i"
    )
    before, chunk = ts_bench.rows("t"), last_chunk(ts_bench)
    manifest = await ts_bench.archive("t", chunk, schema=INTERNAL)
    assert (manifest.min_time, manifest.max_time, manifest.range_end) == ("infinity", "infinity", None)
    # everything is there already, and is seen
    assert (await ts_bench.restore(manifest)).inserted == 0
    ts_bench.execute(f"DROP TABLE {INTERNAL}.{chunk}")
    await comes_back_once(ts_bench, older(manifest) if as_before else manifest, 100)
    assert ts_bench.rows("t") == before


@pytest.mark.timescaledb
@pytest.mark.parametrize("days", [1, 3, 7, 30])
@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
async def test_the_last_finite_moment(ts_bench: Bench, kind: str, days: int) -> None:
    """Its chunk may reach beyond, to where TimescaleDB takes no moment and before 2.28 no question."""
    ts_bench.execute(
        f"CREATE TABLE t (at {kind} NOT NULL, v int);"
        f"SELECT create_hypertable('t', 'at', chunk_time_interval => interval '{days} days');"
        "INSERT INTO t VALUES ('294246-12-31 23:59:59.999999', 1), ('infinity', 2)"
    )
    before = ts_bench.rows("t")
    [(chunk,)] = ts_bench.query("SELECT tableoid::regclass::text FROM t WHERE v = 1")
    manifest = await ts_bench.archive("t", chunk.partition(".")[2], schema=INTERNAL)
    ts_bench.execute(f"DROP TABLE {chunk}")
    await comes_back_once(ts_bench, manifest, manifest.rows)
    assert ts_bench.rows("t") == before


@pytest.mark.timescaledb
async def test_a_late_row_at_infinity_is_seen(ts_bench: Bench) -> None:
    ts_bench.execute(
        "CREATE TABLE t (at timestamptz NOT NULL, v int);"
        "SELECT create_hypertable('t', 'at', chunk_time_interval => interval '1 day');"
        "INSERT INTO t VALUES ('infinity', 1), ('infinity', 2)"
    )
    chunk = last_chunk(ts_bench)
    manifest = await ts_bench.archive("t", chunk, schema=INTERNAL)
    ts_bench.execute(f"DROP TABLE {INTERNAL}.{chunk}", "INSERT INTO t VALUES ('infinity', 3)")
    with pytest.raises(PermanentError, match="holds 1 rows") as caught:
        await ts_bench.restore(manifest)
    assert caught.value.code == "would-double"
    assert (await ts_bench.restore(manifest, beside=True)).inserted == 2
    assert ts_bench.query("SELECT v FROM t ORDER BY 1") == [(1,), (2,), (3,)]


@pytest.mark.timescaledb
@pytest.mark.parametrize("kind", ["smallint", "integer", "bigint"])
async def test_the_first_and_the_last_integer(ts_bench: Bench, kind: str) -> None:
    last = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}[kind] - 1
    ts_bench.execute(
        f"CREATE TABLE t (at {kind} NOT NULL, v int);"
        "SELECT create_hypertable('t', 'at', chunk_time_interval => 1000);"
        f"INSERT INTO t VALUES ({last}, 1), ({last - 1}, 2), ({-last - 1}, 3), ({-last}, 4)"
    )
    before, chunk = ts_bench.rows("t"), last_chunk(ts_bench)
    [(first,)] = ts_bench.query(f"SELECT tableoid::regclass::text FROM t WHERE at = {-last - 1}")
    manifests = [await ts_bench.archive("t", name, schema=INTERNAL) for name in (chunk, first.partition(".")[2])]
    ts_bench.execute(f"DROP TABLE {INTERNAL}.{chunk}, {first}")
    for manifest in manifests:
        assert (await ts_bench.restore(manifest)).inserted == 2
        assert (await ts_bench.restore(manifest)).inserted == 0
    assert ts_bench.rows("t") == before


@pytest.mark.timescaledb
async def test_infinity_in_a_compressed_chunk(ts_bench: Bench) -> None:
    if ts_bench.plain("SHOW timescaledb.license") != "timescale":
        pytest.skip("compression is not in the Apache edition")
    ts_bench.execute(
        "CREATE TABLE t (at timestamptz NOT NULL, v int);"
        "SELECT create_hypertable('t', 'at', chunk_time_interval => interval '3650 days');"
        "INSERT INTO t SELECT CASE i % 2 WHEN 0 THEN 'infinity' ELSE '294246-12-01 00:00Z' END::timestamptz, i"
        " FROM generate_series(0, 4999) i;"
        "ALTER TABLE t SET (timescaledb.compress); SELECT compress_chunk(c) FROM show_chunks('t') c"
    )
    before, chunk = ts_bench.rows("t"), last_chunk(ts_bench)
    manifest = await ts_bench.archive("t", chunk, schema=INTERNAL, part_bytes=20_000)
    assert (manifest.was_compressed, manifest.min_time, manifest.max_time) == (True, "294246-12-01T00:00:00Z", "infinity")
    ts_bench.execute(f"DROP TABLE {INTERNAL}.{chunk}")
    await comes_back_once(ts_bench, manifest, 5000)
    assert ts_bench.rows("t") == before


@pytest.mark.parametrize(
    "kind", ["timestamptz", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("timestamp", "date"))]
)
@pytest.mark.parametrize(
    ("bounds", "values"),
    [
        ("FROM ('2026-01-01') TO (MAXVALUE)", ["infinity", "2026-01-01"]),
        ("FROM (MINVALUE) TO ('2026-01-01')", ["-infinity", "2025-12-31"]),
        ("FROM ('-infinity') TO ('2026-01-01')", ["-infinity", "2025-12-31"]),
        ("FROM ('infinity') TO (MAXVALUE)", ["infinity"]),
        ("FROM ('2026-01-01') TO ('infinity')", ["2026-01-01"]),
        ("FROM (MINVALUE) TO (MAXVALUE)", ["-infinity", "infinity", "2026-01-01"]),
    ],
)
async def test_native_partitions_that_reach_to_the_ends_of_time(
    bench: Bench, kind: str, bounds: str, values: list[str]
) -> None:
    bench.execute(
        f"CREATE TABLE t (at {kind}, v int) PARTITION BY RANGE (at)",
        f"CREATE TABLE p PARTITION OF t FOR VALUES {bounds}",
        f"INSERT INTO t VALUES {', '.join(f'({value!r}, {i})' for i, value in enumerate(values))}",
    )
    before = bench.rows("t")
    bound = bench.query("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'p'")
    manifest = await bench.archive("t", "p")
    bench.execute("DROP TABLE p")
    await comes_back_once(bench, manifest, len(values))
    assert bench.rows("t") == before
    assert bench.query("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'p'") == bound


async def test_dates_beyond_every_timestamp(bench: Bench) -> None:
    bench.execute(
        "CREATE TABLE t (at date, v int) PARTITION BY RANGE (at)",
        "CREATE TABLE p PARTITION OF t FOR VALUES FROM ('300000-01-01') TO ('5874897-12-31')",
        "INSERT INTO t VALUES ('5874897-12-30', 1), ('300000-01-01', 2)",
    )
    before = bench.rows("t")
    manifest = await bench.archive("t", "p")
    bench.execute("DROP TABLE p")
    await comes_back_once(bench, manifest, 2)
    assert bench.rows("t") == before


async def test_infinities_of_archives_from_before_tables_had_a_schema(bench: Bench) -> None:
    values = ["'infinity'", "'-infinity'", "'4714-11-24 BC'", "'0044-03-15 BC'", "'2026-01-01'", "'20000-01-01'", "NULL"]
    bench.execute(
        "CREATE TABLE readings (at date NOT NULL, d date, t timestamp, z timestamptz, ds date[], zs timestamptz[])"
        " PARTITION BY RANGE (at);"
        "CREATE TABLE jan PARTITION OF readings FOR VALUES FROM (MINVALUE) TO (MAXVALUE)",
        *(
            f"INSERT INTO readings VALUES ({at}, {value}, {value}, {value}, ARRAY[{value}, {value}]::date[],"
            f" ARRAY[NULL, {value}]::timestamptz[])"
            for value, at in zip(values, [*values[:-1], "'2026-01-02'"], strict=True)
        ),
    )
    before = bench.rows("jan")
    with earlier_forms():
        archived = without_schema(await bench.archive("readings", "jan"))
    assert (archived.min_time, archived.max_time) == ("-infinity", "infinity")
    bench.execute("DROP TABLE jan")
    await comes_back_once(bench, archived, len(values))
    assert bench.rows("readings") == bench.rows("own") == before
