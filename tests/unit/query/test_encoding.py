"""Results in their forms: NULL alone in a line, values without a form, and results that end before their rows do."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pyarrow as pa
import pytest

from archival_core.errors import PermanentError
from archival_core.query.answer.encoding import encode
from archival_core.query.question.forms import Form
from archival_core.query.question.limits import Limits

SCHEMA = pa.schema([("id", pa.int64()), ("secret", pa.string())])


def _broken() -> Iterator[pa.RecordBatch]:
    for number in range(40):
        ids = range(number * 2048, (number + 1) * 2048)
        yield pa.record_batch([pa.array(ids, pa.int64()), pa.array([f"secret {n}" for n in ids])], SCHEMA)
    raise pa.ArrowInvalid("a value that cannot be cast")


@pytest.mark.parametrize("form", ["json", "csv", "arrow", "parquet"])
def test_nothing_is_written_after_an_error(form: Form) -> None:
    written: list[bytes] = []
    before = 0
    reader = pa.RecordBatchReader.from_batches(SCHEMA, _broken())
    try:
        encode(form, Limits(rows=1_000_000), written.append, reader, ["BIGINT", "VARCHAR"])
    except pa.ArrowInvalid:
        before = len(written)
    # what the error kept alive is gone now
    gc.collect()
    assert (len(written), before > 0) == (before, True)


def _written(form: Form, table: pa.Table) -> bytes:
    written: list[bytes] = []
    encode(form, Limits(), written.append, table.to_reader(), [str(kind) for kind in table.schema.types])
    return b"".join(written)


def test_a_null_alone_is_a_line_of_csv() -> None:
    table = pa.table({"note": pa.array(["a", None, "", None], pa.string())})
    assert _written("csv", table) == b'"note"\r\n"a"\r\n\r\n""\r\n\r\n'
    assert _written("csv", pa.table({"n": pa.array([None, 1], pa.int64())})) == b'"n"\r\n\r\n1\r\n'


def test_a_value_that_a_form_has_not_is_said_to_be_one() -> None:
    intervals = pa.array([[pa.MonthDayNano([0, 1, 0])]], pa.list_(pa.month_day_nano_interval()))
    nanoseconds = pa.array([1], pa.timestamp("ns"))
    for form, values in (("parquet", intervals), ("json", nanoseconds), ("csv", nanoseconds)):
        with pytest.raises(PermanentError) as refused:
            _written(form, pa.table({"value": values}))  # type: ignore[arg-type]
        assert refused.value.code == "value-without-form"
        assert "VARCHAR" in str(refused.value)
