"""Record batches to Parquet and back: pure of network, given file-like objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archival_core.codec.digest import TableDigest

#: a row group ends at whichever comes first
ROW_GROUP_ROWS = 1_000_000
ROW_GROUP_BYTES = 64 * 1024 * 1024
_BATCH_ROWS_BACK = 65_536
#: in microseconds
_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Content:
    """What a table holds, told briefly: equal contents compare equal."""

    rows: int
    #: digest by column, see `codec.digest`
    digests: dict[str, str]
    #: smallest and largest value of the time column: microseconds since 1970 for dates and timestamps, else as it is stored
    min_time: int | str | None
    max_time: int | str | None


class ContentMeter:
    """Measures record batches as they pass."""

    def __init__(self, schema: pa.Schema, time_column: str) -> None:
        self._digest = TableDigest(schema)
        self._time_column = time_column
        self._rows = 0
        self._min: Any = None
        self._max: Any = None

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
        if pa.types.is_date32(times.type):
            times = times.cast(pa.int32()).cast(pa.int64())
            times = pc.multiply(times, _DAY)
        elif pa.types.is_timestamp(times.type):
            times = times.cast(pa.int64())
        bounds = pc.min_max(times).as_py()
        if bounds["min"] is not None:
            self._min = bounds["min"] if self._min is None else min(self._min, bounds["min"])
            self._max = bounds["max"] if self._max is None else max(self._max, bounds["max"])


def time_value(text: str | None) -> int | str | None:
    """A bound as the source tells it (digits, or RFC 3339 in UTC with any year) in the form of `Content.min_time`."""
    if text is None or re.fullmatch(r"-?\d+", text):
        return None if text is None else int(text)
    match = re.fullmatch(r"(\d{4,})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z( BC)?", text)
    if match is None:
        return text
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    # the Gregorian calendar repeats every 400 years of 146,097 days, which brings any year into `datetime`'s range
    cycles, year = divmod(1 - year if match[8] else year, 400)
    days = (cycles - 5) * 146_097 + (date(year + 2000, month, day) - date(1970, 1, 1)).days
    return days * _DAY + ((hour * 60 + minute) * 60 + second) * 1_000_000 + int((match[7] or "").ljust(6, "0"))


def write(batches: Iterable[pa.RecordBatch], schema: pa.Schema, sink: Any, metadata: dict[str, str]) -> int:
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
