"""PostgreSQL's own values of a column, where its form in the lake holds the nearest ones and their texts stand beside it.

DuckDB holds more than every reader of the lake does: infinite dates and times, and such before the year 1 and after 9999. What
it does not hold either is never given as another value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import pyarrow as pa

from archival_core.model.chunks.moment import DAY, INFINITE_DAYS, INFINITE_MICROSECONDS
from archival_core.model.chunks.printed import INFINITY, MINUS_INFINITY, printed_date, printed_time, read_moment
from archival_core.model.lake.lake_column import text_of

_ELEMENT: Final = re.compile(r'"([^"]*)"|([^,"]+)')
#: An element of an array that PostgreSQL puts into quotes.
_QUOTED: Final = re.compile(r'|null|.*[\s"\\{},].*', re.IGNORECASE | re.DOTALL)


class UnfitError(Exception):
    """A value that DuckDB's type does not hold."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


def true_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The columns of `schema` with PostgreSQL's values; raises `UnfitError`.

    `batch` has the same columns in the same order, and behind them the texts of some: a column may have the name that another
    one's texts have. One that `schema` has as text, and `batch` not, is as PostgreSQL prints it.
    """
    arrays = []
    beside = dict(zip(batch.schema.names[len(schema) :], batch.columns[len(schema) :], strict=True))
    for held, field in zip(batch.columns, schema, strict=False):
        texts = beside.get(text_of(field.name))
        if held.type != field.type:
            arrays.append(_printed(held, texts))
        elif texts is not None and texts.null_count < len(texts):
            arrays.append(_true(field, held, texts))
        else:
            arrays.append(held)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def is_printable(kind: pa.DataType, postgresql_type: str) -> bool:
    """Whether PostgreSQL's text of values of this form is known."""
    if pa.types.is_list(kind):
        # elements of arrays of boxes have another separator
        return not postgresql_type.startswith("box") and is_printable(kind.value_type, postgresql_type)
    if pa.types.is_binary(kind):
        # geometries have another text than their bytes
        return postgresql_type.removesuffix("[]") == "bytea"
    return bool(_printer(kind) is not None)


def _true(field: pa.Field, held: pa.Array, texts: pa.Array) -> pa.Array:
    is_list = pa.types.is_list(field.type)
    number = number_of(field.type.value_type if is_list else field.type)
    if number is None:
        raise UnfitError(field.name)
    raw = _raw(held)
    try:
        values = [
            one if text is None else [number(e) for e in elements_of(text)] if is_list else number(text)
            for one, text in zip(raw.to_pylist(), texts.to_pylist(), strict=True)
        ]
        return _from_raw(pa.array(values, raw.type), field.type)
    except (ValueError, OverflowError, pa.ArrowInvalid) as error:
        raise UnfitError(field.name) from error


def _printed(held: pa.Array, texts: pa.Array | None) -> pa.Array:
    """PostgreSQL's text of every value."""
    kind = held.type
    element = kind.value_type if pa.types.is_list(kind) else kind
    print_one = _printer(element)
    assert print_one is not None, "only values of a known text are asked for as text"

    def one(value: Any) -> str | None:
        if value is None:
            return None
        if not pa.types.is_list(kind):
            return print_one(value)
        return "{" + ",".join("NULL" if e is None else _quoted(print_one(e)) for e in value) + "}"

    known = texts.to_pylist() if texts is not None else [None] * len(held)
    values = [one(value) if text is None else text for value, text in zip(_raw(held).to_pylist(), known, strict=True)]
    return pa.array(values, pa.string())


def _printer(kind: pa.DataType) -> Callable[[Any], str] | None:
    """What prints a value of this form as PostgreSQL does, dates and times as numbers; `None` where nobody here can."""
    if pa.types.is_date32(kind):
        return partial(_printed_moment, printed_date, INFINITE_DAYS)
    if pa.types.is_timestamp(kind):
        return partial(_printed_moment, partial(printed_time, has_zone=kind.tz is not None), INFINITE_MICROSECONDS)
    if pa.types.is_boolean(kind):
        return lambda value: "t" if value else "f"
    if pa.types.is_binary(kind):
        return lambda value: "\\x" + value.hex()
    if pa.types.is_decimal(kind):
        return lambda value: format(value, "f")
    return str if pa.types.is_string(kind) or pa.types.is_integer(kind) else None


def _printed_moment(print_one: Callable[[int], str], infinite: int, value: int) -> str:
    """Archives of before tables had a schema have numbers for the infinities."""
    if abs(value) == infinite:
        return INFINITY if value > 0 else MINUS_INFINITY
    return print_one(value)


def number_of(kind: pa.DataType) -> Callable[[str | None], int | None] | None:
    """What makes of PostgreSQL's text of a date or a time the number that Arrow has."""
    if not (pa.types.is_date32(kind) or pa.types.is_timestamp(kind)):
        return None
    infinite, unit = (INFINITE_DAYS, DAY) if pa.types.is_date32(kind) else (INFINITE_MICROSECONDS, 1)

    def number(text: str | None) -> int | None:
        if text is None:
            return None
        found = read_moment(text)
        if math.isinf(found):
            return int(math.copysign(1, found)) * infinite
        if abs(found) // unit >= infinite:
            raise ValueError(f"{text} would pass for an infinity")
        return int(found) // unit

    return number


def elements_of(text: str) -> list[str | None]:
    """Elements of an array of one dimension, none of which has an escape; raises `ValueError` for another array."""
    if text[:2] == "{{" or not text.startswith("{"):
        raise ValueError(text)
    found = (quoted or bare for quoted, bare in _ELEMENT.findall(text[1:-1]))
    return [None if element == "NULL" else element for element in found]


def _quoted(element: str) -> str:
    if not _QUOTED.fullmatch(element):
        return element
    return '"' + element.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _raw(array: pa.Array) -> pa.Array:
    """Dates and times as numbers, in lists too: Python's own types end with the year 9999."""
    kind = array.type
    if pa.types.is_list(kind):
        mask = array.is_null() if array.null_count else None
        return pa.ListArray.from_arrays(array.offsets, _raw(array.values), mask=mask)
    if pa.types.is_date32(kind) or pa.types.is_timestamp(kind):
        return array.view(f"int{kind.bit_width}")
    return array


def _from_raw(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if not pa.types.is_list(kind):
        return array.view(kind)
    mask = array.is_null() if array.null_count else None
    return pa.ListArray.from_arrays(array.offsets, array.values.view(kind.value_type), type=kind, mask=mask)
