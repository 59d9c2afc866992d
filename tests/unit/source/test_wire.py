"""What the driver is given for each of an archive's types."""

from __future__ import annotations

import struct

import pyarrow as pa
import pytest

from archival_core.errors import PermanentError
from archival_core.model.chunks.moment import INFINITE_DAYS, INFINITE_MICROSECONDS
from archival_core.source.restore.columns.wire import wire_of


def test_dates_and_timestamps_are_counted_as_postgresql_does() -> None:
    days = pa.array([0, 10_957, None, INFINITE_DAYS, -INFINITE_DAYS], pa.int32()).view(pa.date32())
    assert wire_of("date32[day]").encode(days).to_pylist() == [-10_957, 0, None, 2**31 - 1, -(2**31)]
    moments = pa.array([0, 946_684_800_000_000, None, INFINITE_MICROSECONDS, -INFINITE_MICROSECONDS], pa.int64())
    for name in ("timestamp[us]", "timestamp[us, tz=UTC]"):
        wire = wire_of(name)
        assert wire.encode(moments.view(wire.arrow)).to_pylist() == [-946_684_800_000_000, 0, None, 2**63 - 1, -(2**63)]


def test_a_list_has_the_bytes_of_an_array() -> None:
    encoded = wire_of("list<item: int32>").encode(pa.array([[1, None], [], None], pa.list_(pa.int32()))).to_pylist()
    one_and_null = struct.pack(">iiIii", 1, 1, 23, 2, 1) + struct.pack(">ii", 4, 1) + struct.pack(">i", -1)
    assert encoded == [one_and_null, struct.pack(">iiIii", 1, 1, 23, 0, 1), None]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("list<item: string>", [["a", None], None, [], ["", "é"], [None]]),
        ("list<item: bool>", [[True, None], None, [], [False], [None, None]]),
        ("list<element: double>", [[1.5, None], None, [], [float("-inf")], [None]]),
        ("list<item: date32[day]>", [[None], [], None]),
        ("list<item: decimal128(5, 2)>", [[None], [], None]),
    ],
)
def test_a_slice_of_lists_is_the_slice_of_their_bytes(name: str, values: list[object]) -> None:
    wire = wire_of(name)
    whole = pa.array(values, wire.arrow)
    for start in range(len(values)):
        for length in range(len(values) - start + 1):
            assert wire.encode(whole.slice(start, length)).equals(wire.encode(whole).slice(start, length))


@pytest.mark.parametrize(
    "name", ["list<item: list<item: int32>>", "timestamp[ns]", "struct<a: int32>", "", "int32; DROP TABLE t"]
)
def test_other_types_are_refused(name: str) -> None:
    with pytest.raises(PermanentError) as caught:
        wire_of(name)
    assert caught.value.code == "unknown-form"
