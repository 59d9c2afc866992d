"""Bounds of a file never hide a row from a reader that goes by them."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from archival_core.codec import parquet
from archival_core.codec.layout import Layout, Profile
from archival_core.codec.traits import BegunOtherwiseError, FileTraits

NAN = float("nan")
SCHEMA = pa.schema([("t", pa.int64()), ("v", pa.float64()), ("f", pa.float32()), ("l", pa.list_(pa.float64()))])


def batch(v: float | None, f: float | None = 1.0, items: list[float | None] | None = None) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{"t": 1, "v": v, "f": f, "l": items or [1.0]}], schema=SCHEMA)


def written(*groups: pa.RecordBatch, profile: Profile = "fast") -> tuple[bytes, int]:
    """A file with a row group for each of `groups`, and how often it was begun."""
    traits, begun = FileTraits(), 0
    while True:
        sink, begun = io.BytesIO(), begun + 1
        meter = parquet.ContentMeter(SCHEMA, "t")
        layout = Layout(profile)
        try:
            parquet.write(iter(groups), SCHEMA, sink, {}, meter, layout, traits)
        except BegunOtherwiseError as error:
            traits = error.traits
        else:
            assert meter.content().rows == sum(group.num_rows for group in groups)
            return sink.getvalue(), begun


def bounded(content: bytes) -> set[str]:
    metadata = pq.read_metadata(io.BytesIO(content))
    columns = [metadata.row_group(g).column(c) for g in range(metadata.num_row_groups) for c in range(metadata.num_columns)]
    return {column.path_in_schema.split(".")[0] for column in columns if column.statistics or column.has_column_index}


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_ROW_GROUP_ROWS", 1)


@pytest.mark.parametrize("profile", ["fast", "small"])
def test_a_column_with_a_nan_has_no_bounds(profile: Profile) -> None:
    assert bounded(written(batch(1.0), batch(2.0), profile=profile)[0]) == {"t", "v", "f", "l"}
    assert bounded(written(batch(NAN), batch(2.0), profile=profile)[0]) == {"t", "f", "l"}
    assert bounded(written(batch(1.0, NAN), profile=profile)[0]) == {"t", "v", "l"}
    assert bounded(written(batch(1.0, items=[None, NAN]), profile=profile)[0]) == {"t", "v", "f"}


def test_a_later_row_group_makes_the_file_begin_again() -> None:
    content, begun = written(batch(1.0), batch(2.0), batch(NAN), batch(None))
    assert (bounded(content), begun) == ({"t", "f", "l"}, 2)
    content, begun = written(batch(1.0), batch(NAN), batch(1.0, NAN), batch(1.0, 1.0, [NAN]))
    assert (bounded(content), begun) == ({"t"}, 4)


def test_no_filter_misses_a_row(tmp_path: Path) -> None:
    content, _ = written(batch(1.0), batch(NAN), batch(500.0))
    (tmp_path / "file.parquet").write_bytes(content)
    table = ds.dataset(tmp_path / "file.parquet")
    for chosen, rows in ((pc.is_nan(ds.field("v")), 1), (ds.field("v") > 100, 1), (ds.field("v") < 100, 1)):
        assert table.filter(chosen).count_rows() == rows


def test_numbers_behind_an_offset_and_in_the_place_of_nulls() -> None:
    column = pa.chunked_array([pa.array([NAN, 1.0, 2.0]).slice(1), pa.array([], pa.float64()), pa.array([None, 3.0])])
    table = pa.table({"v": column})
    assert FileTraits().with_group(table, table.schema) == FileTraits()
    lists = pa.array([[NAN], [1.0]], pa.list_(pa.float64())).slice(1)
    table = pa.table({"v": lists})
    assert FileTraits().with_group(table, table.schema) == FileTraits()


@pytest.mark.parametrize("profile", ["fast", "small"])
def test_a_column_with_a_negative_zero_has_no_dictionary(profile: Profile) -> None:
    """Spark looks a literal up in the dictionary, where 0 is not -0."""

    def with_dictionary(*groups: pa.RecordBatch) -> set[str]:
        metadata = pq.read_metadata(io.BytesIO(written(*groups, profile=profile)[0]))
        leaves = [metadata.row_group(g).column(c) for g in range(metadata.num_row_groups) for c in (1, 2)]
        return {leaf.path_in_schema for leaf in leaves if leaf.has_dictionary_page}

    rows = [
        {"t": 1, "v": number * number % 1009 % 7 * 1.1, "f": number * number % 1009 % 7 * 1.1, "l": [1.0]}
        for number in range(1000)
    ]
    few = pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
    assert with_dictionary(few) == {"v", "f"}
    assert with_dictionary(few, batch(-0.0)) == {"f"}
    assert with_dictionary(few, batch(1.0, -0.0)) == {"v"}
    assert with_dictionary(few, batch(0.0, NAN)) == {"v", "f"}
