"""Results in the form that was asked for, written while they come: as many rows as the limits allow."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol, Self

import pyarrow as pa
import pyarrow.parquet as pq

from archival_core.errors import PermanentError
from archival_core.query.answer.values import rows_of, values_of
from archival_core.query.question.forms import Cut, Form
from archival_core.query.question.limits import Limits

#: Rows are encoded together until they are so many, or so large.
_TOGETHER_ROWS: Final = 65_536
_TOGETHER_BYTES: Final = 8 * 1024 * 1024
_LINE_END: Final = "\r\n"

#: Takes the next bytes of a result.
type Write = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A result that was written, or its beginning."""

    #: names, and types of DuckDB
    columns: tuple[tuple[str, str], ...]
    rows: int
    #: `None` if all rows are there
    cut: Cut | None


def encode(form: Form, limits: Limits, write: Write, reader: pa.RecordBatchReader, types: Sequence[str]) -> Encoded:
    """Write the rows of `reader` in `form`, until a limit is met; `types` are those of its columns.

    Raises `PermanentError` (`row-too-large`) where the first row is larger than a result may be.
    """
    with _Way(write) as way:
        return _encoded(form, limits, way, reader, types)


def _encoded(form: Form, limits: Limits, way: _Way, reader: pa.RecordBatchReader, types: Sequence[str]) -> Encoded:
    with _fitting(form):
        encoder = _ENCODERS[form](reader.schema, way.write)
    waiting: list[pa.RecordBatch] = []
    rows = size = waiting_bytes = 0
    cut: Cut | None = None
    for batch in reader:
        if rows + batch.num_rows > limits.rows:
            batch, cut = batch.slice(0, limits.rows - rows), "rows"
        if max(size, way.bytes) + batch.nbytes > limits.bytes:
            batch, cut = _beginning(batch, limits.bytes - max(size, way.bytes)), "bytes"
            if not rows and not batch.num_rows:
                raise PermanentError(
                    f"one row is larger than an answer may be, which is {limits.bytes / 2**20:,.0f} MiB: ask for fewer columns",
                    code="row-too-large",
                )
        waiting.append(batch)
        rows, size, waiting_bytes = rows + batch.num_rows, size + batch.nbytes, waiting_bytes + batch.nbytes
        if waiting_bytes > _TOGETHER_BYTES or sum(one.num_rows for one in waiting) >= _TOGETHER_ROWS:
            with _fitting(form):
                encoder.add(pa.Table.from_batches(waiting, reader.schema))
            waiting, waiting_bytes = [], 0
        if cut:
            break
    with _fitting(form):
        if waiting:
            encoder.add(pa.Table.from_batches(waiting, reader.schema))
        encoder.end()
    return Encoded(tuple(zip(reader.schema.names, types, strict=True)), rows, cut)


@contextmanager
def _fitting(form: Form) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        raise PermanentError(
            f"the answer has a value that cannot be written as {form}: {error}. CAST its column to VARCHAR, or ask for another"
            " form",
            code="value-without-form",
        ) from error


class _Way:
    """The way to where one result goes, which ends with the result.

    Arrow's writer of Parquet ends its file whenever Python collects it. After an error the end of the file would come into
    whatever is written by then.
    """

    def __init__(self, write: Write) -> None:
        self._write: Write | None = write
        self.bytes = 0

    def write(self, data: bytes) -> None:
        """The next bytes, and nothing any more once the result is over."""
        if self._write is not None:
            self.bytes += len(data)
            self._write(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write = None


def read_only(reader: pa.RecordBatchReader, types: Sequence[str]) -> Encoded:
    """Read the rows to the end, and give none of them."""
    rows = sum(batch.num_rows for batch in reader)
    return Encoded(tuple(zip(reader.schema.names, types, strict=True)), rows, None)


def _beginning(batch: pa.RecordBatch, room: int) -> pa.RecordBatch:
    """As many rows as fit into `room` bytes."""
    low, high = 0, batch.num_rows
    while low < high:
        middle = (low + high + 1) // 2
        if batch.slice(0, middle).nbytes <= room:
            low = middle
        else:
            high = middle - 1
    return batch.slice(0, low)


class _Encoder(Protocol):
    def add(self, table: pa.Table) -> None:
        """More rows."""

    def end(self) -> None:
        """No more rows."""


class _Json:
    """The rows alone, a list of lists."""

    def __init__(self, _: pa.Schema, write: Write) -> None:
        self._write, self._separator = write, "["

    def add(self, table: pa.Table) -> None:
        # all rows in one call, since each call makes an encoder of its own
        listed = json.dumps(list(rows_of(table)), ensure_ascii=False, allow_nan=False)
        if table.num_rows:
            self._write((self._separator + listed[1:-1]).encode())
            self._separator = ", "

    def end(self) -> None:
        self._write(b"[]" if self._separator == "[" else b"]")


class _Csv:
    """A NULL is nothing, and an empty text is in quotes."""

    def __init__(self, schema: pa.Schema, write: Write) -> None:
        self._write = write
        self._lines([schema.names])

    def add(self, table: pa.Table) -> None:
        self._lines(
            [json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value for value in row]
            for row in rows_of(table)
        )

    def end(self) -> None:
        pass

    def _lines(self, rows: Iterable[Sequence[Any]]) -> None:
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_STRINGS, lineterminator=_LINE_END)
        for row in rows:
            if list(row) == [None]:
                # Python's writer refuses a line without anything, which a NULL alone is in PostgreSQL's COPY, too
                text.write(_LINE_END)
            else:
                writer.writerow(row)
        self._write(text.getvalue().encode())


class _Arrow:
    """A stream of record batches."""

    def __init__(self, schema: pa.Schema, write: Write) -> None:
        self._writer = pa.ipc.new_stream(pa.PythonFile(_Sink(write), "w"), schema)

    def add(self, table: pa.Table) -> None:
        self._writer.write_table(table)

    def end(self) -> None:
        self._writer.close()


class _Parquet:
    """One file, with a row group for each addition."""

    def __init__(self, schema: pa.Schema, write: Write) -> None:
        # which Parquet has in a form that hardly anybody reads
        self._intervals = [number for number, field in enumerate(schema) if pa.types.is_interval(field.type)]
        for number in self._intervals:
            schema = schema.set(number, pa.field(schema.field(number).name, pa.string()))
        self._writer = pq.ParquetWriter(pa.PythonFile(_Sink(write), "w"), schema, compression="zstd")

    def add(self, table: pa.Table) -> None:
        for number in self._intervals:
            texts = [value for chunk in table.column(number).chunks for value in values_of(chunk)]
            table = table.set_column(number, table.field(number).name, pa.array(texts, pa.string()))
        self._writer.write_table(table)

    def end(self) -> None:
        self._writer.close()


class _Sink(io.RawIOBase):
    """What Arrow writes, handed on."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._write(bytes(data))
        return len(data)


_ENCODERS: Final[Mapping[Form, Callable[[pa.Schema, Write], _Encoder]]] = MappingProxyType(
    {"json": _Json, "csv": _Csv, "arrow": _Arrow, "parquet": _Parquet}
)
