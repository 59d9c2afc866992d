"""What an archive's file holds, as PostgreSQL prints it."""

from __future__ import annotations

import pyarrow as pa
import pytest

from archival_core.query.columns.truth import true_batch

_MOST = 2**63 - 1


@pytest.mark.parametrize(
    ("kind", "numbers", "printed"),
    [
        (pa.date32(), [2**31 - 1, -(2**31 - 1), 0, None], ["infinity", "-infinity", "1970-01-01", None]),
        (pa.timestamp("us"), [_MOST, -_MOST, 0], ["infinity", "-infinity", "1970-01-01 00:00:00"]),
        (pa.timestamp("us", tz="UTC"), [_MOST, -_MOST, 1], ["infinity", "-infinity", "1970-01-01 00:00:00.000001+00"]),
    ],
)
def test_infinities_of_archives_from_before_tables_had_a_schema(
    kind: pa.DataType, numbers: list[int], printed: list[str]
) -> None:
    held = pa.array(numbers, f"int{kind.bit_width}").view(kind)
    batch = pa.RecordBatch.from_arrays([held], ["at"])
    assert true_batch(batch, pa.schema([("at", pa.string())])).column(0).to_pylist() == printed
    lists = pa.ListArray.from_arrays(pa.array([0, len(held)], pa.int32()), held)
    batch = pa.RecordBatch.from_arrays([lists], ["at"])
    [text] = true_batch(batch, pa.schema([("at", pa.string())])).column(0).to_pylist()
    assert text.startswith("{infinity,-infinity,")
