"""A value without a form leaves the column's type alone: the column holds the nearest one, `_archival_exact` the truth."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archival_core.codec import parquet
from archival_core.codec.layout import Profile
from archival_core.errors import TransientError
from archival_core.model.chunks.printed import printed_date, printed_time, read_moment
from archival_core.model.lake.manifest import Manifest
from archival_core.source.restore.loading.load import Loading
from tests.contract.restore_support import Bench

TABLE = """
CREATE TABLE t (at timestamptz NOT NULL, n numeric(10,2), d date, "a b" int[], f float8) PARTITION BY RANGE (at);
CREATE TABLE p PARTITION OF t FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
"""
PLAIN = """
INSERT INTO t SELECT '2026-01-01Z'::timestamptz + i * interval '1 s', i, '2026-01-01', '{1}', i FROM generate_series(1, %d) i
"""
ODD = [
    "('infinity', 'NaN', '-infinity', '{{1,2},{3,4}}', 1)",
    "('0044-03-15 12:00:00.5Z BC', 1.5, '0044-03-15 BC', '[0:1]={1,2}', 'NaN')",
    "('10000-01-01Z', 2, '9999-12-31', NULL, 'infinity')",
]
LAST = datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)


async def file_of(bench: Bench, manifest: Manifest, number: int = 0) -> pq.ParquetFile:
    content = await bench.lake.read_all(f"{manifest.lake_path}/{manifest.parts[number].file}")
    return pq.ParquetFile(io.BytesIO(content))


@pytest.mark.parametrize("profile", ["fast", "small"])
async def test_every_reader_can_hold_what_the_columns_have(bench: Bench, profile: Profile) -> None:
    bench.execute(TABLE, PLAIN % 2000, f"INSERT INTO t VALUES {', '.join(ODD)}")
    before = bench.rows("t")
    manifest = await bench.archive("t", "p", profile=profile)
    assert [column.arrow_type for column in manifest.columns] == [
        "timestamp[us, tz=UTC]", "decimal128(10, 2)", "date32[day]", "list<item: int32>", "double",
    ]  # fmt: skip
    [part] = manifest.parts
    assert part.exact == {"at": 3, "n": 1, "d": 2, "a_x20_b": 2}
    assert (part.min_time, part.max_time) == (read_moment("0044-03-15 12:00:00.5+00 BC"), "infinity")
    file = await file_of(bench, manifest)
    table = file.read()
    assert table.schema.field("_archival_exact").metadata == {b"PARQUET:field_id": b"1000000"}
    rows = [row for row in table.to_pylist() if row["_archival_exact"] is not None]
    assert sorted((dict(row.pop("_archival_exact")) for row in rows), key=lambda exact: exact["at"]) == [
        {"at": "0044-03-15 12:00:00.5+00 BC", "d": "0044-03-15 BC", "a_x20_b": "[0:1]={1,2}"},
        {"at": "10000-01-01 00:00:00+00"},
        {"at": "infinity", "n": "NaN", "d": "-infinity", "a_x20_b": "{{1,2},{3,4}}"},
    ]
    assert sorted((row["at"], row["n"] or Decimal(0), row["d"], row["a_x20_b"]) for row in rows) == [
        (datetime(1, 1, 1, tzinfo=UTC), Decimal("1.50"), date(1, 1, 1), None),
        (LAST, Decimal(0), date(1, 1, 1), None),
        (LAST, Decimal(2), date(9999, 12, 31), None),
    ]
    group = file.metadata.row_group(0)
    bounded = {group.column(i).path_in_schema for i in range(group.num_columns) if group.column(i).statistics is not None}
    assert bounded == set()
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert bench.rows("t") == before


async def test_a_file_that_needs_no_map_has_none(bench: Bench) -> None:
    bench.execute(TABLE, PLAIN % 2000)
    manifest = await bench.archive("t", "p")
    assert manifest.parts[0].exact == {}
    assert "_archival_exact" not in (await file_of(bench, manifest)).schema_arrow.names


async def test_some_parts_of_an_archive_have_a_map(bench: Bench) -> None:
    """And rows come one by one, or joined: the values arrive in another way."""
    plain = PLAIN.replace("'{1}', ", "") % 40_000
    bench.execute(TABLE, 'ALTER TABLE t DROP "a b"', plain, "INSERT INTO t VALUES ('2026-02-01Z', 'NaN', 'infinity', 1)")
    before = bench.rows("t")
    manifest = await bench.archive("t", "p", part_bytes=2**19)
    assert len(manifest.parts) > 2
    assert [part.exact for part in manifest.parts if part.exact] == [{"n": 1, "d": 1}]
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert bench.rows("t") == before


async def test_a_later_row_group_may_be_the_first_with_such_a_value(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_ROW_GROUP_ROWS", 500)
    bench.execute(TABLE, PLAIN % 100_000, f"INSERT INTO t VALUES {ODD[0]}")
    before = bench.rows("t")
    manifest = await bench.archive("t", "p")
    file = await file_of(bench, manifest)
    assert file.num_row_groups > 1
    assert manifest.parts[0].exact == {"at": 1, "n": 1, "d": 1, "a_x20_b": 1}
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert bench.rows("t") == before


async def test_a_text_that_was_altered_is_noticed(bench: Bench) -> None:
    bench.execute(TABLE, f"INSERT INTO t VALUES {ODD[0]}")
    manifest = await bench.archive("t", "p")
    path = f"{manifest.lake_path}/{manifest.parts[0].file}"
    table = pq.read_table(io.BytesIO(await bench.lake.read_all(path)))
    [pairs] = table.column("_archival_exact").to_pylist()
    for forged in ([*pairs, ("f", "2")], [("n", "7") if key == "n" else (key, text) for key, text in pairs], pairs[1:], None):
        maps = pa.array([forged], pa.map_(pa.string(), pa.string()))
        sink = io.BytesIO()
        pq.write_table(table.set_column(table.num_columns - 1, "_archival_exact", maps), sink)
        await bench.lake.delete_tree(path)
        await bench.lake.write_once(path, sink.getvalue())
        part = manifest.parts[0].model_copy(update={"bytes": len(sink.getvalue())})
        with pytest.raises(TransientError) as caught:
            await bench.restore(manifest.model_copy(update={"parts": (part,)}), into="other")
        assert caught.value.code == "archive-damaged", forged


async def test_what_the_database_holds_is_compared_text_by_text(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.execute(TABLE, f"INSERT INTO t VALUES {ODD[0]}")
    manifest = await bench.archive("t", "p")
    append = Loading.append

    def altered(opened: Loading, batches: Iterator[pa.RecordBatch]) -> int:
        rows = append(opened, batches)
        opened._execute(f"UPDATE {opened._staging.relation.sql} SET c1x = '5'")
        return rows

    monkeypatch.setattr(Loading, "append", altered)
    with pytest.raises(TransientError) as caught:
        await bench.restore(manifest, into="other")
    assert caught.value.code == "restore-differs"


MOMENTS = [
    "4714-11-24 BC",
    "0001-12-31 BC",
    "0001-01-01",
    "1582-10-15",
    "1969-12-31",
    "2026-02-28",
    "9999-12-31",
    "10000-01-01",
    "294276-12-31",
]


def test_postgresql_prints_dates_and_times_like_this(source_database_url: str) -> None:
    with psycopg.connect(source_database_url) as connection:
        connection.execute("SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'")
        for text in MOMENTS:
            microseconds = read_moment(text)
            assert isinstance(microseconds, int)
            for more, fraction in (
                (0, ""),
                (1, " 00:00:00.000001"),
                (500_000, " 00:00:00.5"),
                (86_399_999_000, " 23:59:59.999"),
            ):
                at = f"'{text.removesuffix(' BC')}{fraction}{' BC' if text.endswith(' BC') else ''}'"
                row = connection.execute(
                    f"SELECT {at}::timestamp::text, {at}::timestamptz::text, {at}::date::text".encode()
                ).fetchone()
                assert row == (
                    printed_time(microseconds + more, has_zone=False),
                    printed_time(microseconds + more, has_zone=True),
                    printed_date(microseconds // 86_400_000_000),
                )
