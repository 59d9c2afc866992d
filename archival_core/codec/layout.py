"""How rows are laid out in a Parquet file: order, encodings, compression. None of it changes a value."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archival_core.codec.memory import give_back

Profile = Literal["fast", "small"]


@dataclass(frozen=True, slots=True)
class _Settings:
    """What a profile means."""

    #: of zstd
    level: int
    #: Arrow memory of a row group. Each reader holds one, and sorting takes it twice more: two readers stay below 350 MB.
    row_group_bytes: int
    #: whether rows are ordered, and each column's encoding is the smallest of those that fit its type
    shrinks: bool
    #: larger pages find more to compress, and leave readers less to skip
    pages: Mapping[str, int]


#: Each page costs its reader and its writer a zstd context, and what is decoded in batches of as many rows goes page by page.
_PAGE_ROWS: Final = 65_536
_SETTINGS: Final[dict[Profile, _Settings]] = {
    "fast": _Settings(1, 20 * 1024 * 1024, False, {"max_rows_per_page": _PAGE_ROWS, "write_batch_size": 8192}),
    "small": _Settings(6, 16 * 1024 * 1024, True, {"data_page_size": 4 * 1024 * 1024, "max_rows_per_page": 1_000_000}),
}
#: Rows of the first row group that `fast` looks at.
_SAMPLE_ROWS: Final = 20_000
#: A column whose sample has more different values than this share gains nothing from a dictionary.
_DICTIONARY_SHARE: Final = 0.6
#: A column of whose sample compression leaves more than this share is not compressed by `fast`. The sample's dictionary, which
#: shrinks, is a larger part of it than of a row group.
_COMPRESSED_SHARE: Final = 0.95
#: What compression leaves is not looked at where there is less than this: to look would take longer than all readers do.
_SAMPLED_BYTES: Final = 256 * 1024
#: A sample with less than this to a row says nothing of the rows that follow: NULLs before the first values, a constant.
_LEAST_BITS: Final = 1
_ONE_AT_A_TIME: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Layout:
    """What the user asked for, and what the chunk offers."""

    profile: Profile = "fast"
    #: columns by which `small` orders the rows of a row group
    order_by: tuple[str, ...] = ()

    @property
    def row_group_bytes(self) -> int:
        """At which size of its rows in memory a row group ends."""
        return _SETTINGS[self.profile].row_group_bytes

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Held while a row group is arranged and written: sorting takes much memory, so one thread at a time does it."""
        if not _SETTINGS[self.profile].shrinks:
            yield
            return
        with _ONE_AT_A_TIME:
            yield
        give_back()

    def arrange(self, group: pa.Table) -> pa.Table:
        """The rows of one row group, in the order in which they are written."""
        keys = self._keys(group.schema)
        return group.sort_by([(name, "ascending") for name in keys]) if keys else group

    def writer_options(
        self, group: pa.Table, unbounded: Collection[str] = (), without_dictionary: Collection[str] = ()
    ) -> dict[str, Any]:
        """Options of the writer, chosen by the first row group; columns of `unbounded` have no statistics."""
        settings = _SETTINGS[self.profile]
        # a dictionary pays only over a whole row group, so the smallest encoding is looked for on all of it
        sample = group if settings.shrinks else group.slice(group.num_rows // 2, _SAMPLE_ROWS).combine_chunks()
        choose = _smallest if settings.shrinks else _usual
        keys = [pq.SortingColumn(group.schema.get_field_index(name)) for name in self._keys(group.schema)]
        leaves = {name: _leaves(name, sample.schema) for name in sample.column_names}
        encodings = {name: choose(sample.column(name), name not in without_dictionary) for name in leaves}
        chosen = {leaf: encodings[name] for name, own in leaves.items() for leaf in own}
        options = {
            "compression": "zstd",
            "compression_level": settings.level,
            "use_dictionary": [leaf for leaf, encoding in chosen.items() if encoding == "DICTIONARY"],
            "column_encoding": {leaf: encoding for leaf, encoding in chosen.items() if encoding not in ("DICTIONARY", "PLAIN")},
            "sorting_columns": keys or None,
            "write_statistics": _bounded(leaves, sample.schema, unbounded),
            **settings.pages,
        }
        return options if settings.shrinks or group.nbytes < _SAMPLED_BYTES else options | _compression(sample, options)

    def _keys(self, schema: pa.Schema) -> list[str]:
        if not _SETTINGS[self.profile].shrinks:
            return []
        # lists have no order here
        return [name for name in self.order_by if not pa.types.is_nested(schema.field(name).type)]


def _usual(column: pa.ChunkedArray, may_be_dictionary: bool) -> str:
    """Encodings that every reader knows."""
    if not may_be_dictionary:
        return "PLAIN"
    if pa.types.is_nested(column.type) or pa.types.is_boolean(column.type) or not len(column):
        return "PLAIN" if pa.types.is_boolean(column.type) else "DICTIONARY"
    return "DICTIONARY" if pc.count_distinct(column).as_py() <= _DICTIONARY_SHARE * len(column) else "PLAIN"


def _compression(sample: pa.Table, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that compress what gets smaller by it.

    Indices into a dictionary of numbers hardly do; to compress them would only take time, here and in every reader.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(sample, sink, **options)
    group = pq.read_metadata(pa.BufferReader(sink.getvalue())).row_group(0)
    sizes = {
        leaf.path_in_schema: (leaf.total_compressed_size, leaf.total_uncompressed_size)
        for leaf in map(group.column, range(group.num_columns))
    }
    levels = {
        leaf: options["compression_level"]
        for leaf, (compressed, plain) in sizes.items()
        if compressed <= _COMPRESSED_SHARE * plain or plain * 8 < sample.num_rows * _LEAST_BITS
    }
    return {
        "compression": {leaf: options["compression"] if leaf in levels else "none" for leaf in sizes},
        "compression_level": levels,
    }


def _smallest(column: pa.ChunkedArray, may_be_dictionary: bool) -> str:
    """The encoding that takes the fewest bytes for the sample."""
    candidates = ["DICTIONARY", "PLAIN"] if may_be_dictionary else ["PLAIN"]
    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_boolean(kind) or not len(column):
        return _usual(column, may_be_dictionary)
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
        compression_level=_SETTINGS["fast"].level,
        use_dictionary=encoding == "DICTIONARY",
        column_encoding=None if encoding in ("DICTIONARY", "PLAIN") else {"c": encoding},
        write_statistics=False,
        store_schema=False,
    )
    return int(sink.getvalue().size)


def _bounded(leaves: Mapping[str, list[str]], schema: pa.Schema, unbounded: Collection[str]) -> list[str] | bool:
    """What the writer is told of statistics: the paths that have them, or that all have."""
    if not unbounded:
        return True
    names = [name for name in leaves if name not in unbounded and not pa.types.is_map(schema.field(name).type)]
    return [leaf for name in names for leaf in leaves[name]] or False


def _leaves(name: str, schema: pa.Schema) -> list[str]:
    """The column's paths in the Parquet file."""
    kind = schema.field(name).type
    if pa.types.is_map(kind):
        return [f"{name}.key_value.key", f"{name}.key_value.value"]
    return [f"{name}.list.element" if pa.types.is_list(kind) else name]
