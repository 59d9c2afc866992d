"""Profiles change how rows lie in a file, and never a value."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archival_core.codec import parquet
from archival_core.codec.layout import Layout, Profile

HOSTS, READINGS = 20, 500
SMALL = Layout("small", ("host", "time"))


def readings() -> pa.Table:
    """Walks of whole numbers, as a collector writes them: all hosts at one time, then the next."""
    generator = random.Random(1)
    walks = []
    for _ in range(HOSTS):
        value = generator.uniform(0, 100)
        walks.append([float(int(value := value + generator.gauss(0, 1))) for _ in range(READINGS)])
    rows = [(reading, host) for reading in range(READINGS) for host in range(HOSTS)]
    return pa.table(
        {
            "time": pa.array([reading * 10_000_000 for reading, _ in rows], pa.timestamp("us")),
            "host": [f"host_{host}" for _, host in rows],
            "usage": [walks[host][reading] for reading, host in rows],
            "noise": [generator.random() for _ in rows],
            "digit": [float(generator.randrange(16)) for _ in rows],
            "flag": [host % 2 == 0 for _, host in rows],
            "tags": [[f"t{host}"] for _, host in rows],
        }
    )


def written(table: pa.Table, layout: Layout, batch_rows: int = 1000) -> pq.ParquetFile:
    file = io.BytesIO()
    meter = parquet.ContentMeter(table.schema, "time")
    parquet.write(table.to_batches(batch_rows), table.schema, file, {"archival.chunk": "c"}, meter, layout)
    assert meter.content().rows == table.num_rows
    return pq.ParquetFile(file)


def encodings(file: pq.ParquetFile) -> dict[str, Sequence[str]]:
    group = file.metadata.row_group(0)
    return {group.column(i).path_in_schema: group.column(i).encodings for i in range(group.num_columns)}


def compressions(file: pq.ParquetFile) -> dict[str, str]:
    group = file.metadata.row_group(0)
    return {group.column(i).path_in_schema: group.column(i).compression for i in range(group.num_columns)}


def rows(table: pa.Table) -> list[Any]:
    return sorted(map(repr, table.to_pylist()))


@pytest.mark.parametrize("profile", ["fast", "small"])
def test_no_value_changes(profile: Profile) -> None:
    table = readings()
    assert rows(written(table, Layout(profile, ("host", "time"))).read()) == rows(table)


def test_fast_keeps_the_order_and_writes_what_every_reader_knows() -> None:
    table = readings()
    file = written(table, Layout("fast", ("host", "time")))
    assert file.read().equals(table)
    assert {encoding for found in encodings(file).values() for encoding in found} <= {"PLAIN", "RLE", "RLE_DICTIONARY"}
    assert "RLE_DICTIONARY" in encodings(file)["usage"]
    assert "RLE_DICTIONARY" not in encodings(file)["noise"]


def test_fast_compresses_what_gets_smaller_by_it() -> None:
    codecs = compressions(written(readings(), Layout("fast")))
    assert codecs["digit"] == "UNCOMPRESSED"  # random indices are as small as they can be
    assert codecs["time"] == codecs["host"] == codecs["tags.list.element"] == "ZSTD"


def test_fast_compresses_what_its_sample_does_not_show() -> None:
    times = pa.array(range(10_000), pa.timestamp("us"))
    texts = [f"{number:4} {'long ' * 100}" if number < 1000 else None for number in range(10_000)]
    numbers = pa.array([float(number % 7) if number < 1000 else None for number in range(10_000)])
    table = pa.table({"time": times, "text": texts, "number": numbers})
    assert compressions(written(table, Layout("fast"))) == dict.fromkeys(table.column_names, "ZSTD")


def test_fast_compresses_a_small_file_without_a_look() -> None:
    assert set(compressions(written(readings().slice(0, 1000), Layout("fast"))).values()) == {"ZSTD"}


def test_small_compresses_everything() -> None:
    assert set(compressions(written(readings(), SMALL)).values()) == {"ZSTD"}


def test_small_orders_rows_and_chooses_encodings() -> None:
    table = readings()
    file = written(table, SMALL)
    assert file.read().equals(table.sort_by([("host", "ascending"), ("time", "ascending")]))
    found = encodings(file)
    assert "BYTE_STREAM_SPLIT" in found["usage"]
    assert "DELTA_BINARY_PACKED" in found["time"]
    assert [key.column_index for key in file.metadata.row_group(0).sorting_columns] == [1, 0]
    fast = written(table, Layout())
    assert sum(_bytes(file)) < 0.8 * sum(_bytes(fast))


def test_a_list_cannot_be_a_sort_key() -> None:
    assert rows(written(readings(), Layout("small", ("tags", "time"))).read()) == rows(readings())


def test_a_row_group_ends_at_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    table = readings()
    monkeypatch.setattr(Layout, "row_group_bytes", property(lambda _: 100_000))
    file = written(table, SMALL, batch_rows=500)
    assert file.metadata.num_row_groups > 3
    assert rows(file.read()) == rows(table)


def test_readers_find_statistics_page_index_and_identity() -> None:
    file = written(readings(), Layout())
    column = file.metadata.row_group(0).column(0)
    assert column.statistics.has_min_max
    assert column.has_offset_index
    assert column.has_column_index
    assert file.schema_arrow.metadata[b"archival.chunk"] == b"c"


def _bytes(file: pq.ParquetFile) -> list[int]:
    group = file.metadata.row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    # what is random cannot shrink
    return [column.total_compressed_size for column in columns if column.path_in_schema not in ("noise", "digit")]
