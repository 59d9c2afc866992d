"""Equal values digest equally however they are cut into batches; any difference shows."""

import io
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archival_core.codec import parquet
from archival_core.codec.digest import ColumnDigest
from archival_core.codec.layout import Layout

TYPES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.float64(), st.floats()),
    (pa.bool_(), st.booleans()),
    (pa.string(), st.text(max_size=8)),
    (pa.binary(), st.binary(max_size=8)),
    (pa.list_(pa.int32()), st.lists(st.none() | st.integers(-9, 9), max_size=3)),
    (pa.list_(pa.string()), st.lists(st.none() | st.text(max_size=3), max_size=3)),
]
values = st.sampled_from(TYPES).flatmap(lambda t: st.tuples(st.just(t[0]), st.lists(st.none() | t[1], max_size=30)))


def digest(*arrays: pa.Array) -> str:
    running = ColumnDigest()
    for array in arrays:
        running.update(array)
    return running.hexdigest()


@given(values, st.integers(0, 30))
def test_where_it_is_cut_makes_no_difference(drawn: tuple[pa.DataType, list[Any]], cut: int) -> None:
    array = pa.array(drawn[1], drawn[0])
    assert digest(array) == digest(array.slice(0, cut), array.slice(cut))
    assert digest(array) == digest(pa.concat_arrays([pa.array([None], drawn[0]), array]).slice(1))


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (pa.int32(), [1, None], [None, 1]),
        (pa.int32(), [0], [None]),
        (pa.int32(), [1, 2], [2, 1]),
        (pa.string(), ["ab", "c"], ["a", "bc"]),
        (pa.string(), [""], [None]),
        (pa.float64(), [0.0], [-0.0]),
        (pa.bool_(), [True], [False]),
        (pa.list_(pa.int32()), [[1], [2]], [[1, 2], []]),
        (pa.list_(pa.int32()), [[]], [None]),
        (pa.list_(pa.int32()), [[None]], [[0]]),
    ],
)
def test_any_difference_shows(kind: pa.DataType, one: list[Any], other: list[Any]) -> None:
    assert digest(pa.array(one, kind)) != digest(pa.array(other, kind))


def test_what_is_written_reads_back_equal() -> None:
    schema = pa.schema([("time", pa.timestamp("us", tz="UTC")), ("name", pa.string()), ("tags", pa.list_(pa.string()))])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array([start, None, start], schema[0].type),
            pa.array(["a", None, "ß\n"]),
            pa.array([["x", None], None, []], schema[2].type),
        ],
        schema=schema,
    )
    before, after = parquet.ContentMeter(schema, "time"), parquet.ContentMeter(schema, "time")
    file = io.BytesIO()
    parquet.write([batch, batch], schema, file, {"archive": "test"}, before, Layout())
    file.seek(0)
    for read in parquet.read(file, schema):
        after.add(read)
    assert after.content().rows == 6
    assert after.content() == before.content()
    assert after.content().min_time == int(start.timestamp()) * 1_000_000


def test_no_rows_are_a_file_too() -> None:
    schema = pa.schema([("time", pa.int64())])
    file = io.BytesIO()
    parquet.write([], schema, file, {}, parquet.ContentMeter(schema, "time"), Layout())
    file.seek(0)
    assert list(parquet.read(file, schema)) == []


def test_only_a_time_is_infinite() -> None:
    value = 2**63 - 1
    for kind, bound in [(pa.int64(), value), (pa.timestamp("us"), "infinity")]:
        meter = parquet.ContentMeter(pa.schema([("time", kind)]), "time")
        meter.add(pa.RecordBatch.from_arrays([pa.array([value], pa.int64()).cast(kind)], names=["time"]))
        assert meter.content().max_time == bound
