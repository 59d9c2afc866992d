"""A content digest per column: equal exactly when the values are equal, in the same order.

It covers three streams per column, so that where batches and row groups begin makes no difference: which values are NULL, the
lengths of variable values, and the values' bytes, with NULL slots zeroed; a list column has the digest of its items besides.
XXH3-128 finds any accidental change; it is no defence against forgery, which is what the SHA-256 of each file is for.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
import xxhash


class ColumnDigest:
    """Running digest of one column."""

    def __init__(self) -> None:
        self._nulls, self._lengths, self._values = xxhash.xxh3_128(), xxhash.xxh3_128(), xxhash.xxh3_128()
        self._items: ColumnDigest | None = None

    def update(self, array: pa.Array) -> None:
        """Add the next values."""
        self._nulls.update(_byte_per_value(array.is_valid()) if array.null_count else b"\x01" * len(array))
        self._add_values(array)

    def hexdigest(self) -> str:
        """`xxh3-128:<nulls>:<lengths>:<values>` of what was added."""
        own = ":".join(["xxh3-128", *(stream.hexdigest() for stream in (self._nulls, self._lengths, self._values))])
        return f"{own}[{self._items.hexdigest()}]" if self._items else own

    def _add_values(self, array: pa.Array) -> None:
        kind = array.type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            self._lengths.update(_buffer(pc.fill_null(pc.list_value_length(array).cast(pa.int64()), 0)))
            # flatten leaves out what stands behind NULL lists
            self._items = self._items or ColumnDigest()
            self._items.update(array.flatten())
        elif pa.types.is_boolean(kind):
            self._values.update(_byte_per_value(pc.fill_null(array, False)))
        elif (
            pa.types.is_string(kind)
            or pa.types.is_binary(kind)
            or pa.types.is_large_string(kind)
            or pa.types.is_large_binary(kind)
        ):
            lengths = pc.binary_length(array)
            self._lengths.update(_buffer(pc.fill_null(lengths, 0) if array.null_count else lengths))
            self._values.update(_variable_bytes(array))
        else:
            self._values.update(_fixed_bytes(array))


class TableDigest:
    """Running digests of columns of a table."""

    def __init__(self, names: Iterable[str]) -> None:
        self._columns = {name: ColumnDigest() for name in names}

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the rows of `batch`, which has all of the columns."""
        for name, digest in self._columns.items():
            digest.update(batch.column(name))

    def hexdigests(self) -> dict[str, str]:
        """Digest by column name."""
        return {name: digest.hexdigest() for name, digest in self._columns.items()}


def _byte_per_value(booleans: pa.Array) -> memoryview:
    return _buffer(booleans.cast(pa.uint8()))


def _buffer(array: pa.Array) -> memoryview:
    """The values of a fixed-width array without NULLs, as bytes."""
    width = array.type.bit_width // 8
    data = array.buffers()[1]
    if data is None:
        return memoryview(b"")
    return memoryview(data)[array.offset * width : (array.offset + len(array)) * width]


def _fixed_bytes(array: pa.Array) -> memoryview:
    width = array.type.bit_width // 8
    raw = pa.Array.from_buffers(pa.binary(width), len(array), array.buffers()[:2], offset=array.offset)
    return _buffer(pc.fill_null(raw, bytes(width)) if array.null_count else raw)


def _variable_bytes(array: pa.Array) -> memoryview:
    # NULL slots may hold bytes; dropping them leaves exactly the values
    values = array.drop_null() if array.null_count else array
    large = pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type)
    _, offsets, data = values.buffers()
    if data is None or len(values) == 0:
        return memoryview(b"")
    bounds = pa.Array.from_buffers(pa.int64() if large else pa.int32(), len(values) + 1, [None, offsets], offset=values.offset)
    return memoryview(data)[bounds[0].as_py() : bounds[len(values)].as_py()]
