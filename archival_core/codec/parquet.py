"""Record batches to Parquet and back: pure of network, given file-like objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archival_core.codec.digest import TableDigest

#: a row group ends at whichever comes first
ROW_GROUP_ROWS = 1_000_000
ROW_GROUP_BYTES = 64 * 1024 * 1024
_BATCH_ROWS_BACK = 65_536


@dataclass(frozen=True, slots=True)
class Content:
    """What a table holds, told briefly: equal contents compare equal."""

    rows: int
    #: digest by column, see `codec.digest`
    digests: dict[str, str]
    #: smallest and largest value of the time column, as it is stored (an integer for timestamps and dates)
    min_time: int | None
    max_time: int | None


class ContentMeter:
    """Measures record batches as they pass."""

    def __init__(self, schema: pa.Schema, time_column: str) -> None:
        self._digest = TableDigest(schema)
        self._time_column = time_column
        self._rows = 0
        self._min: int | None = None
        self._max: int | None = None

    def measure(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Pass the batches on unchanged."""
        for batch in batches:
            self._rows += batch.num_rows
            self._digest.update(batch)
            self._add_times(batch.column(self._time_column))
            yield batch

    def content(self) -> Content:
        """What has passed so far."""
        return Content(self._rows, self._digest.hexdigests(), self._min, self._max)

    def _add_times(self, times: pa.Array) -> None:
        if pa.types.is_timestamp(times.type):
            times = times.cast(pa.int64())
        elif pa.types.is_date32(times.type):
            times = times.cast(pa.int32())
        bounds = pc.min_max(times).as_py()
        if bounds["min"] is not None:
            self._min = bounds["min"] if self._min is None else min(self._min, bounds["min"])
            self._max = bounds["max"] if self._max is None else max(self._max, bounds["max"])


def write(batches: Iterable[pa.RecordBatch], schema: pa.Schema, sink: IO[bytes], metadata: dict[str, str]) -> int:
    """Encode `batches` into one Parquet file (zstd, statistics, page index) and return its rows.

    Holds one row group at a time. `sink` is written front to back and left open.
    """
    described = schema.with_metadata({key.encode(): value.encode() for key, value in metadata.items()})
    rows = 0
    with pq.ParquetWriter(
        sink, described, compression="zstd", compression_level=1, write_page_index=True, store_schema=True, version="2.6"
    ) as writer:
        for group in _row_groups(batches):
            table = pa.Table.from_batches(group, schema=schema).replace_schema_metadata(described.metadata)
            writer.write_table(table, row_group_size=max(1, table.num_rows))
            rows += table.num_rows
    return rows


def read(source: Any, schema: pa.Schema, check: Callable[[], None] = lambda: None) -> Iterator[pa.RecordBatch]:
    """Decode a Parquet file in small batches; `check` may raise between two of them.

    Raises `ValueError` when the file's columns are not `schema`'s.
    """
    with pq.ParquetFile(source, pre_buffer=False, page_checksum_verification=True) as file:
        found = file.schema_arrow
        if not found.remove_metadata().equals(schema.remove_metadata(), check_metadata=False):
            raise ValueError(f"the file has columns {found.names} of other types than were written")
        for batch in file.iter_batches(batch_size=_BATCH_ROWS_BACK, use_threads=False):
            check()
            yield batch


def _row_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    group: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        group.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= ROW_GROUP_ROWS or size >= ROW_GROUP_BYTES:
            yield group
            group, rows, size = [], 0, 0
    if group:
        yield group
