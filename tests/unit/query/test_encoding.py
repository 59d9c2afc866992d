"""A result that ends before its rows do writes nothing any more, whenever Python collects what has written it."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pyarrow as pa
import pytest

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
