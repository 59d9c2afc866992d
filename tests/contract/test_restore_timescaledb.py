"""Archives of hypertables come back, on a real server of either edition."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Relation
from tests.contract.restore_support import Bench
from tests.contract.type_values import TYPES

pytestmark = pytest.mark.timescaledb

INTERNAL = "_timescaledb_internal"
CONDITIONS = """
CREATE TABLE conditions (
    time timestamptz NOT NULL, gone int, id bigint GENERATED ALWAYS AS IDENTITY, device text, value double precision,
    doubled double precision GENERATED ALWAYS AS (value * 2) STORED
);
SELECT create_hypertable('conditions', 'time', chunk_time_interval => interval '1 day');
ALTER TABLE conditions DROP COLUMN gone;
INSERT INTO conditions (time, device, value)
SELECT '2026-01-01 00:00+00'::timestamptz + i * interval '1 minute', 'dev ' || i % 5, sqrt(i) FROM generate_series(0, 2999) i;
"""
COMPRESS = """
ALTER TABLE conditions SET (timescaledb.compress, timescaledb.compress_segmentby = 'device');
SELECT compress_chunk(c) FROM show_chunks('conditions') c;
"""


def chunks(bench: Bench, table: str = "conditions") -> list[tuple[str, bool]]:
    """Name of each chunk by time, and whether it is compressed."""
    return bench.query(
        "SELECT chunk_name, is_compressed FROM timescaledb_information.chunks"
        f" WHERE hypertable_schema = '{bench.schema}' AND hypertable_name = '{table}'"
        " ORDER BY range_start, range_start_integer, chunk_name"
    )


def remove(bench: Bench, chunk: str) -> None:
    bench.execute(f"DROP TABLE {INTERNAL}.{chunk}")


async def archive_first(bench: Bench, table: str = "conditions", **options: Any) -> Any:
    return await bench.archive(table, chunks(bench, table)[0][0], schema=INTERNAL, **options)


@pytest.fixture
def community(ts_bench: Bench) -> None:
    if ts_bench.plain("SHOW timescaledb.license") != "timescale":
        pytest.skip("compression is not in the Apache edition")


async def test_a_chunk_comes_back_once(ts_bench: Bench) -> None:
    ts_bench.execute(CONDITIONS)
    before = ts_bench.rows("conditions")
    manifest = await archive_first(ts_bench, part_bytes=8 * 8192)
    assert (await ts_bench.restore(manifest)).inserted == 0
    remove(ts_bench, chunks(ts_bench)[0][0])
    assert sorted(r.inserted for r in await asyncio.gather(*(ts_bench.restore(manifest) for _ in range(3)))) == [0, 0, 1440]
    assert ts_bench.rows("conditions") == before
    assert len(chunks(ts_bench)) == 3
    await ts_bench.restore(manifest, into="own")
    assert ts_bench.query("SELECT count(*) FROM own") == [(1440,)]
    for own in (Relation(ts_bench.schema, "conditions"), Relation(INTERNAL, chunks(ts_bench)[1][0])):
        with pytest.raises(PermanentError, match="is the table that the archive was taken from") as caught:
            await ts_bench.restore(manifest, into=own)
        assert caught.value.code == "into-its-table"
    ts_bench.execute("UPDATE conditions SET device = 'x' WHERE id = 1")
    with pytest.raises(PermanentError, match="holds 1440 rows") as caught:
        await ts_bench.restore(manifest)
    assert caught.value.code == "would-double"
    assert ts_bench.staging() == []


@pytest.mark.usefixtures("community")
async def test_compressed_again(ts_bench: Bench) -> None:
    ts_bench.execute(CONDITIONS, COMPRESS)
    before = ts_bench.rows("conditions")
    manifest = await archive_first(ts_bench)
    assert manifest.was_compressed
    remove(ts_bench, chunks(ts_bench)[0][0])
    restored = await ts_bench.restore(manifest)
    assert (restored.inserted, restored.not_compressed) == (1440, None)
    assert [compressed for _, compressed in chunks(ts_bench)] == [True, True, True]
    assert ts_bench.rows("conditions") == before
    assert (await ts_bench.restore(manifest)).inserted == 0


@pytest.mark.usefixtures("community")
async def test_a_table_that_is_gone(ts_bench: Bench) -> None:
    ts_bench.execute(CONDITIONS, COMPRESS)
    before = ts_bench.rows("conditions")
    manifests = [await ts_bench.archive("conditions", name, schema=INTERNAL) for name, _ in chunks(ts_bench)]
    ts_bench.execute("DROP TABLE conditions")
    with pytest.raises(PermanentError) as caught:
        await ts_bench.restore(manifests[0])
    assert caught.value.code == "table-gone"
    restored = await asyncio.gather(*(ts_bench.restore(manifest, recreate=True) for manifest in manifests))
    assert sum(r.inserted for r in restored) == 3000
    # the DDL has no compression, and the restore says so
    assert all(r.not_compressed for r in restored)
    assert ts_bench.rows("conditions") == before
    assert len(chunks(ts_bench)) == 3
    ts_bench.execute("INSERT INTO conditions (time, value) VALUES ('2026-01-07 00:00+00', 1)")
    assert ts_bench.query("SELECT max(id) FROM conditions") == [(3001,)]


async def test_ingest_does_not_wait(ts_bench: Bench) -> None:
    ts_bench.execute(CONDITIONS)
    before = ts_bench.rows("conditions")
    manifest = await archive_first(ts_bench)
    remove(ts_bench, chunks(ts_bench)[0][0])
    now = "SET lock_timeout = '2s'; INSERT INTO conditions (time, device) VALUES ('{} 12:00+00', 'now')"

    async def ingest(*_: object) -> None:
        # into the range that is being restored, into another chunk, and into one that has to be made
        for day in ("2026-01-01", "2026-01-02", "2026-02-01"):
            ts_bench.execute(now.format(day))

    assert (await ts_bench.restore(manifest, record=ingest)).inserted == 1440
    assert len(chunks(ts_bench)) == 4
    assert sum((ts_bench.rows("conditions") - before).values()) == 3
    assert before <= ts_bench.rows("conditions")


async def test_rows_that_refer_to_the_chunk_stay(ts_bench: Bench) -> None:
    """Making the chunk beforehand deletes a row, which must not cascade."""
    try:
        ts_bench.execute(
            "CREATE TABLE conditions (time timestamptz NOT NULL, v int, PRIMARY KEY (time));"
            "SELECT create_hypertable('conditions', 'time', chunk_time_interval => interval '1 day');"
            "INSERT INTO conditions VALUES ('2026-01-01 12:00+00', 1)",
            "CREATE TABLE notes (time timestamptz REFERENCES conditions ON DELETE CASCADE)",
            "INSERT INTO notes VALUES ('2026-01-01 12:00+00')",
        )
    except psycopg.Error:
        pytest.skip("this version has no foreign keys to hypertables")
    manifest = await archive_first(ts_bench)
    # as if the chunk had been dropped: no trigger fires
    ts_bench.execute("SET session_replication_role = replica; DELETE FROM conditions")
    assert ts_bench.query("SELECT count(*) FROM notes") == [(1,)]
    assert (await ts_bench.restore(manifest)).inserted == 1
    assert ts_bench.query("SELECT count(*) FROM notes") == [(1,)]


async def test_rows_beside_others(ts_bench: Bench) -> None:
    ts_bench.execute(CONDITIONS)
    before = ts_bench.rows("conditions")
    manifest = await archive_first(ts_bench)
    remove(ts_bench, chunks(ts_bench)[0][0])
    ts_bench.execute("INSERT INTO conditions (time, device) VALUES ('2026-01-01 12:00+00', 'late')")
    late = ts_bench.rows("conditions") - before
    # what came late was archived and removed as well
    second = await archive_first(ts_bench)
    with pytest.raises(PermanentError):
        await ts_bench.restore(manifest)
    remove(ts_bench, chunks(ts_bench)[0][0])
    assert (await ts_bench.restore(second)).inserted == 1
    assert (await ts_bench.restore(manifest, beside=True)).inserted == 1440
    assert (await ts_bench.restore(second, beside=True)).inserted == 0
    assert ts_bench.rows("conditions") == before + late


async def test_siblings_of_a_space_dimension(ts_bench: Bench) -> None:
    ts_bench.execute(
        "CREATE TABLE conditions (time timestamptz NOT NULL, device text, value int);"
        "SELECT create_hypertable('conditions', 'time', 'device', 3, chunk_time_interval => interval '1 day');"
        "INSERT INTO conditions SELECT '2026-01-01 00:00+00'::timestamptz + i * interval '1 minute', 'dev ' || i % 20, i"
        " FROM generate_series(0, 1439) i"
    )
    before = ts_bench.rows("conditions")
    names = [name for name, _ in chunks(ts_bench)]
    assert len(names) == 3
    manifests = [await ts_bench.archive("conditions", name, schema=INTERNAL) for name in names]
    for name, manifest in zip(names, manifests, strict=True):
        remove(ts_bench, name)
        assert (await ts_bench.restore(manifest)).inserted == manifest.rows > 0
        assert (await ts_bench.restore(manifest)).inserted == 0
        assert ts_bench.rows("conditions") == before


@pytest.mark.parametrize(
    ("kind", "interval", "low", "step"),
    [
        ("bigint", "1000", "'-5000'", "1"),
        ("smallint", "100", "'-32768'", "1"),
        ("timestamp", "interval '1 day'", "'1999-12-31 23:00'", "interval '1 minute'"),
        ("date", "interval '7 days'", "'0044-03-15 BC'", "1"),
    ],
)
async def test_time_types(ts_bench: Bench, kind: str, interval: str, low: str, step: str) -> None:
    ts_bench.execute(
        f"CREATE TABLE conditions (at {kind} NOT NULL, v int);"
        f"SELECT create_hypertable('conditions', 'at', chunk_time_interval => {interval});"
        f"INSERT INTO conditions SELECT ({low}::{kind} + i * {step})::{kind}, i FROM generate_series(0, 2999) i"
    )
    before, first = ts_bench.rows("conditions"), chunks(ts_bench)[0][0]
    manifest = await archive_first(ts_bench)
    remove(ts_bench, first)
    assert (await ts_bench.restore(manifest)).inserted == manifest.rows > 0
    assert ts_bench.rows("conditions") == before


async def test_uuid_time(ts_bench: Bench) -> None:
    try:
        ts_bench.execute(
            "CREATE TABLE conditions (id uuid NOT NULL, v int);"
            "SELECT create_hypertable('conditions', 'id', chunk_time_interval => interval '1 day')"
        )
    except psycopg.Error:
        pytest.skip("this version takes no UUID as time")
    ts_bench.execute(
        "INSERT INTO conditions SELECT to_uuidv7('2026-01-01 00:00+00'::timestamptz + i * interval '1 minute'), i"
        " FROM generate_series(0, 2999) i"
    )
    before, first = ts_bench.rows("conditions"), chunks(ts_bench)[0][0]
    manifest = await archive_first(ts_bench)
    remove(ts_bench, first)
    assert (await ts_bench.restore(manifest)).inserted == manifest.rows == 1440
    assert ts_bench.rows("conditions") == before


@pytest.mark.parametrize("compressed", [False, True])
async def test_every_type(ts_bench: Bench, compressed: bool) -> None:
    of_the_tests = ("mood", "price", "day", "pair", "span", "prices")
    kinds = {kind: values for kind, values in TYPES.items() if kind.removesuffix("[]") not in of_the_tests}
    listed = ", ".join(f'"c {i}" {kind}' for i, kind in enumerate(kinds))
    rows = max(map(len, kinds.values()))
    inserts = "".join(
        f"INSERT INTO conditions VALUES ({row}, {', '.join(values[row % len(values)] for values in kinds.values())});"
        for row in range(rows)
    )
    ts_bench.execute(
        f"CREATE TABLE conditions (at int NOT NULL, {listed});"
        "SELECT create_hypertable('conditions', 'at', chunk_time_interval => 1000);" + inserts
    )
    if compressed:
        if ts_bench.plain("SHOW timescaledb.license") != "timescale":
            pytest.skip("compression is not in the Apache edition")
        ts_bench.execute(COMPRESS.replace(", timescaledb.compress_segmentby = 'device'", ""))
    before = ts_bench.rows("conditions")
    manifest = await archive_first(ts_bench)
    remove(ts_bench, chunks(ts_bench)[0][0])
    assert (await ts_bench.restore(manifest)).inserted == rows
    assert ts_bench.rows("conditions") == before


@pytest.mark.usefixtures("community")
async def test_casts_of_users_change_nothing_in_a_compressed_chunk(ts_bench: Bench) -> None:
    ts_bench.execute(
        "CREATE TYPE mood AS ENUM ('good', 'bad')",
        "CREATE FUNCTION of_mood(mood) RETURNS text LANGUAGE sql AS $$ SELECT 'bad'::text $$",
        "CREATE FUNCTION to_mood(text) RETURNS mood LANGUAGE plpgsql AS $$ BEGIN RETURN 'bad'; END $$",
        "CREATE CAST (mood AS text) WITH FUNCTION of_mood(mood)",
        "CREATE CAST (text AS mood) WITH FUNCTION to_mood(text)",
        CONDITIONS,
        "ALTER TABLE conditions ADD COLUMN mood mood DEFAULT 'good', ADD COLUMN moods mood[] DEFAULT '{good,NULL}',"
        " ADD COLUMN host inet DEFAULT '10.0.0.1'",
        COMPRESS,
    )
    before = ts_bench.rows("conditions")
    manifest = await archive_first(ts_bench)
    remove(ts_bench, chunks(ts_bench)[0][0])
    await ts_bench.restore(manifest)
    assert ts_bench.rows("conditions") == before
