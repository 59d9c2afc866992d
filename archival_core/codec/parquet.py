"""Record batches to Parquet and back: pure of network, given file-like objects."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archival_core.codec import exact
from archival_core.codec.bounds import BoundsMeter
from archival_core.codec.digest import TableDigest
from archival_core.codec.layout import Layout
from archival_core.codec.traits import BegunOtherwiseError, FileTraits
from archival_core.model.chunks import moment
from archival_core.model.chunks.moment import DAY
from archival_core.model.chunks.printed import read_moment
from archival_core.model.lake.file_statistics import Bounds
from archival_core.model.lake.lake_column import EXACT, text_of

NO_TRAITS: Final = FileTraits()

_ROW_GROUP_ROWS = 1_000_000
_BATCH_ROWS_BACK = 65_536
_STREAM_BYTES = 1024 * 1024
#: Larger row groups, of few large values, wait for their turn: pyarrow reads them in pieces, and memory is bounded.
_MOST_EXPECTED = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Content:
    """What a table holds, told briefly: equal contents compare equal."""

    rows: int
    #: digest by column, and by the texts of a corrected column; see `codec.digest`
    digests: dict[str, str]
    #: least and greatest value of the time column, see `model.chunks.moment`
    min_time: int | str | None
    max_time: int | str | None
    #: by corrected column: how many of its values are others than PostgreSQL's
    exact: dict[str, int] = field(default_factory=dict)


class ContentMeter:
    """Measures rows, in their order."""

    def __init__(self, schema: pa.Schema, time_column: str, corrected: Collection[str] = ()) -> None:
        self._schema = schema
        self._time_column = time_column
        self._is_clock = pa.types.is_temporal(schema.field(time_column).type)
        self._min: Any = None
        self._max: Any = None
        self.begin(corrected)

    def begin(self, corrected: Collection[str]) -> None:
        """Before the first rows: they have texts of the columns `corrected` (`codec.exact`)."""
        names = exact.in_order(self._schema, corrected)
        self._rows = 0
        self._exact = dict.fromkeys(names, 0)
        self._digest = TableDigest([*self._schema.names, *map(text_of, names)])

    def add(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Add the next rows."""
        for batch in [rows] if isinstance(rows, pa.RecordBatch) else rows.to_batches():
            self._rows += batch.num_rows
            self._digest.update(batch)
            for name in self._exact:
                self._exact[name] += batch.num_rows - batch.column(text_of(name)).null_count
            self._add_times(batch)

    def content(self) -> Content:
        """What was added so far."""
        # an integer of the same size is no infinity
        bounds = [moment.named(bound) if self._is_clock else bound for bound in (self._min, self._max)]
        return Content(self._rows, self._digest.hexdigests(), bounds[0], bounds[1], dict(self._exact))

    def _add_times(self, batch: pa.RecordBatch) -> None:
        times, scale = batch.column(self._time_column), 1
        if self._time_column in self._exact:
            texts = batch.column(text_of(self._time_column))
            times = times.filter(texts.is_null())
            for text in texts.drop_null().to_pylist():
                self._bound(read_moment(text), read_moment(text))
        if pa.types.is_date32(times.type):
            times, scale = times.view(pa.int32()), DAY
        elif pa.types.is_timestamp(times.type):
            times = times.view(pa.int64())
        bounds = pc.min_max(times).as_py()
        if bounds["min"] is not None:
            self._bound(bounds["min"] * scale, bounds["max"] * scale)

    def _bound(self, least: Any, greatest: Any) -> None:
        self._min = least if self._min is None else min(self._min, least)
        self._max = greatest if self._max is None else max(self._max, greatest)


def write(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    sink: Any,
    metadata: dict[str, str],
    meter: ContentMeter,
    layout: Layout,
    traits: FileTraits = NO_TRAITS,
) -> dict[str, Bounds]:
    """Encode `batches` into one Parquet file (zstd, statistics, page index and checksums), and meter what goes into it.

    Returns the bounds of its columns, for the log of the table.

    Batches have the columns of `schema`, and texts of values that are not exact (`codec.exact`). Holds one row group at a time.
    `sink` is written front to back and left open. Raises `BegunOtherwiseError` if a row group comes that the file would have to
    be begun anew for, with a meter that has seen nothing.
    """
    described = schema.with_metadata({key.encode(): value.encode() for key, value in metadata.items()})

    # pages are small, and each would be a call into Python
    stream = pa.BufferedOutputStream(pa.PythonFile(sink, "w"), _STREAM_BYTES)

    bounds = BoundsMeter(schema)
    footers: list[pq.FileMetaData] = []

    def opened(first: pa.Table) -> pq.ParquetWriter:
        options = layout.writer_options(first, traits.unbounded, traits.negative_zero)
        file_schema = described.append(exact.FIELD) if traits.exact else described
        options |= {"version": "2.6", "write_page_index": True, "write_page_checksum": True}
        return pq.ParquetWriter(stream, file_schema, metadata_collector=footers, **options)

    with ExitStack() as stack:
        # first in, last out; after an error too, or the buffer would flush into the sink whenever it is collected
        stack.callback(stream.detach)
        writer: pq.ParquetWriter | None = None
        for group in _row_groups(batches, described.metadata, layout.row_group_bytes):
            with layout.turn():
                group = layout.arrange(group)
                needed = traits.with_group(group, schema)
                if writer is not None and needed != traits:
                    raise BegunOtherwiseError(needed.again(schema))
                traits, names = needed, exact.in_order(schema, needed.exact)
                if names:
                    group = exact.with_texts(group, schema, names)
                stored = exact.as_map(group, names)
                if writer is None:
                    meter.begin(names)
                    writer = stack.enter_context(opened(stored))
                meter.add(group)
                bounds.add(stored)
                writer.write_table(stored, row_group_size=stored.num_rows)
                del group, stored  # before the next one is read: they are large
        if writer is None:
            stack.enter_context(opened(described.empty_table()))
    return bounds.bounds(footers[0], traits.exact)


def read(
    source: Any,
    schema: pa.Schema,
    expect: Callable[[int, int], None] | None = None,
    corrected: Collection[str] = (),
) -> Iterator[pa.RecordBatch]:
    """Decode a Parquet file in small batches, with texts for each of the columns `corrected`.

    `expect` is told offset and length of what will be read next, so that it is on its way while this is decoded.
    Raises `ValueError` when the file's columns are not `schema`'s.
    """
    names = exact.in_order(schema, corrected)
    with pq.ParquetFile(source, pre_buffer=True, page_checksum_verification=True) as file:
        found = file.schema_arrow
        if names and found.names[-1:] == [EXACT] and pa.types.is_map(found.types[-1]):
            found = found.remove(len(found) - 1)
        elif names:
            raise ValueError(f"the file has no column {EXACT}")
        if not found.remove_metadata().equals(schema.remove_metadata(), check_metadata=False):
            raise ValueError(f"the file has columns {found.names} of other types than were written")
        ranges = [_byte_range(file.metadata.row_group(group)) for group in range(file.num_row_groups)]
        # one by one, because what is asked for at once is buffered at once
        for group in range(file.num_row_groups):
            for offset, length in ranges[group + 1 : group + 2]:
                if expect is not None and length <= _MOST_EXPECTED:
                    expect(offset, length)
            for batch in file.iter_batches(batch_size=_BATCH_ROWS_BACK, row_groups=[group], use_threads=False):
                yield exact.as_texts(batch, names)


def _byte_range(group: pq.RowGroupMetaData) -> tuple[int, int]:
    """Offset and length of the row group in its file."""
    columns = [group.column(index) for index in range(group.num_columns)]
    starts = [c.dictionary_page_offset if c.has_dictionary_page else c.data_page_offset for c in columns]
    return min(starts), sum(c.total_compressed_size for c in columns)


def _row_groups(batches: Iterable[pa.RecordBatch], metadata: dict[bytes, bytes], most_bytes: int) -> Iterator[pa.Table]:
    group: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        group.append(batch)
        rows += batch.num_rows
        size += batch.get_total_buffer_size()
        if rows >= _ROW_GROUP_ROWS or size >= most_bytes:
            yield _as_table(group, metadata)
            rows = size = 0
    if group:
        yield _as_table(group, metadata)


def _as_table(group: list[pa.RecordBatch], metadata: dict[bytes, bytes]) -> pa.Table:
    """The batches as a table, which alone keeps them in memory."""
    schemas = {tuple(batch.schema.names) for batch in group}
    # a batch has texts only for columns that need them in this batch
    tables = [pa.Table.from_batches(group)] if len(schemas) == 1 else [pa.Table.from_batches([batch]) for batch in group]
    table = pa.concat_tables(tables, promote_options="default").replace_schema_metadata(metadata)
    group.clear()
    return table
