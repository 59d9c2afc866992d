"""What engines answer, as values that compare: Arrow of any dialect to the forms of `values`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from tests.readers import values
from tests.readers.values import Value

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def rows(table: pa.Table) -> list[list[Value]]:
    """The rows, by their first column."""
    columns = [_values(column.combine_chunks()) for column in table.columns]
    found = [list(row) for row in zip(*columns, strict=True)]
    return sorted(found, key=lambda row: row[0])


def _values(array: Any) -> list[Value]:
    if isinstance(array, pa.ChunkedArray):
        return [value for chunk in array.chunks for value in _values(chunk)]
    kind = array.type
    if pa.types.is_timestamp(kind):
        # datetime would do for most, and not for what an engine puts beyond the year 9999
        return [_microseconds(value, kind.unit) for value in array.cast(pa.int64()).to_pylist()]
    if pa.types.is_date32(kind):
        return list(array.cast(pa.int32()).to_pylist())
    if pa.types.is_map(kind):
        return [None if pairs is None else [list(pair) for pair in sorted(pairs)] for pairs in array.to_pylist()]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_list_view(kind):
        if pa.types.is_struct(kind.value_type):
            # a map, of an engine that has none
            found = array.to_pylist()
            return [None if pairs is None else sorted(list(pair.values()) for pair in pairs) or None for pairs in found]
        return [None if not scalar.is_valid else _values(scalar.values) for scalar in array]
    if pa.types.is_dictionary(kind):
        return _values(array.dictionary_decode())
    return [None if value is None else _form(kind)(value) for value in array.to_pylist()]


def _form(kind: pa.DataType) -> Callable[[Any], Value]:
    if pa.types.is_floating(kind):
        return values.of_float
    if pa.types.is_decimal(kind):
        return values.of_decimal
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return bytes.hex
    return lambda value: value


def _microseconds(value: int | None, unit: str) -> int | None:
    return None if value is None else value * 1_000_000 // _PER_SECOND[unit]
