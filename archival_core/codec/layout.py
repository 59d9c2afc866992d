"""How rows are laid out in a Parquet file: order, encodings, compression. None of it changes a value."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archival_core.codec.memory import give_back

Profile = Literal["fast", "small"]

#: Rows of the first row group that are looked at.
_SAMPLE_ROWS: Final = 20_000
#: A column whose sample has more different values than this share gains nothing from a dictionary.
_DICTIONARY_SHARE: Final = 0.6
_LEVEL: Final[dict[Profile, int]] = {"fast": 1, "small": 6}
#: Of Arrow in memory. Each reader holds a row group, and sorting takes it twice more: this keeps two readers below 350 MB.
_ROW_GROUP_BYTES: Final[dict[Profile, int]] = {"fast": 32 * 1024 * 1024, "small": 20 * 1024 * 1024}
#: Larger pages find more to compress, and leave readers less to skip.
_PAGES: Final[dict[Profile, dict[str, int]]] = {
    "fast": {},
    "small": {"data_page_size": 4 * 1024 * 1024, "max_rows_per_page": 1_000_000},
}
#: Sorting takes a row group's memory once more, so one thread at a time does it.
_TURN: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Layout:
    """What the user asked for, and what the chunk offers."""

    profile: Profile = "fast"
    #: columns to order the rows of a row group by, in the `small` profile
    order_by: tuple[str, ...] = field(default=())

    @property
    def row_group_bytes(self) -> int:
        """At which size of its rows in memory a row group ends."""
        return _ROW_GROUP_BYTES[self.profile]

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Held while a row group is arranged and written."""
        with _TURN if self.profile == "small" else nullcontext():
            yield
        if self.profile == "small":
            give_back()

    def arrange(self, group: pa.Table) -> pa.Table:
        """The rows of one row group, in the order in which they are written."""
        if self.profile == "fast" or not self.order_by or not group.num_rows:
            return group
        return group.sort_by([(name, "ascending") for name in self.order_by])

    def writer_options(self, group: pa.Table) -> dict[str, Any]:
        """Options of the writer, chosen by the first row group."""
        # a dictionary pays only over a whole row group, so `small` tries the encodings on all of it
        sample = group if self.profile == "small" else group.slice(group.num_rows // 2, _SAMPLE_ROWS).combine_chunks()
        choose = _smallest if self.profile == "small" else _usual
        chosen = {_leaf(name, sample.schema): choose(sample.column(name)) for name in sample.column_names}
        return {
            "compression": "zstd",
            "compression_level": _LEVEL[self.profile],
            "use_dictionary": [leaf for leaf, encoding in chosen.items() if encoding == "DICTIONARY"],
            "column_encoding": {leaf: encoding for leaf, encoding in chosen.items() if encoding not in ("DICTIONARY", "PLAIN")},
            "sorting_columns": self._sorting(group),
            **_PAGES[self.profile],
        }

    def _sorting(self, group: pa.Table) -> Sequence[pq.SortingColumn] | None:
        if self.profile == "fast" or not self.order_by:
            return None
        return [pq.SortingColumn(group.schema.get_field_index(name), nulls_first=False) for name in self.order_by]


def _usual(column: pa.ChunkedArray) -> str:
    """Encodings that every reader knows."""
    if pa.types.is_nested(column.type) or pa.types.is_boolean(column.type) or not len(column):
        return "PLAIN" if pa.types.is_boolean(column.type) else "DICTIONARY"
    return "DICTIONARY" if pc.count_distinct(column).as_py() <= _DICTIONARY_SHARE * len(column) else "PLAIN"


def _smallest(column: pa.ChunkedArray) -> str:
    """The encoding that takes the fewest bytes for the sample."""
    candidates = ["DICTIONARY", "PLAIN"]
    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_boolean(kind) or not len(column):
        return _usual(column)
    if pa.types.is_floating(kind):
        candidates.append("BYTE_STREAM_SPLIT")
    elif pa.types.is_integer(kind) or pa.types.is_temporal(kind):
        candidates.append("DELTA_BINARY_PACKED")
    elif pa.types.is_string(kind) or pa.types.is_binary(kind):
        candidates.append("DELTA_BYTE_ARRAY")
    return min(candidates, key=lambda encoding: _encoded_bytes(column, encoding))


def _encoded_bytes(column: pa.ChunkedArray, encoding: str) -> int:
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table({"c": column}),
        sink,
        compression="zstd",
        compression_level=_LEVEL["fast"],
        use_dictionary=encoding == "DICTIONARY",
        column_encoding=None if encoding in ("DICTIONARY", "PLAIN") else {"c": encoding},
        write_statistics=False,
        store_schema=False,
    )
    return int(sink.getvalue().size)


def _leaf(name: str, schema: pa.Schema) -> str:
    """The column's path in the Parquet file."""
    return f"{name}.list.element" if pa.types.is_list(schema.field(name).type) else name
