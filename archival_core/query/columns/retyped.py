"""Columns whose type was changed after rows were archived: which archived values are, without a doubt, what PostgreSQL has now.

ALTER TABLE converts the rows that are there by rules of PostgreSQL's own (rounding, padding, printing), under the session's
settings, or by any expression (USING). Archived rows are not converted. So only conversions that keep every value are done
here, and all others are refused.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import pyarrow as pa

from archival_core.model.chunks.chunk import Column

#: `same`: the archived value is the value; `cast`: a cast keeps it, or fails; `None`: nobody knows the value
Conversion = Literal["same", "cast"] | None

_INTEGERS: Final = frozenset({"pg_catalog.int2", "pg_catalog.int4", "pg_catalog.int8"})
#: Types that hold one element where they have no length, so that a length that is taken away changes values.
_OF_LENGTH_ONE: Final = frozenset({"character", "bit"})
_MODIFIER: Final = re.compile(r"\([^()]*\)")
_TEXT: Final = re.compile(r"text|character varying(?:\((\d+)\))?")


def conversion(was: str, stored: pa.DataType, column: Column, live: pa.DataType) -> Conversion:
    """How values of the type `was`, as `format_type` prints it, become those of `column`.

    The archive has them in the form `stored`; live values come in the form `live`.
    """
    if was == column.type_name or _is_freed(was, column.type_name):
        # one value without a form made a whole column text, in archives of before tables had a schema
        in_text = pa.types.is_string(stored) and not (pa.types.is_list(live) or pa.types.is_binary(live))
        return "same" if stored == live else "cast" if in_text else None
    if _is_widened(stored, column, live):
        return "cast"
    return "same" if _is_text_as_long(was, column) else None


def _is_freed(was: str, now: str) -> bool:
    """Whether the type lost its modifier alone: it holds more values than before, and those of before as they were."""
    return _MODIFIER.sub("", was) == now and now.removesuffix("[]") not in _OF_LENGTH_ONE


def _is_widened(stored: pa.DataType, column: Column, live: pa.DataType) -> bool:
    """Numbers that keep every digit; one that is too large for the type fails."""
    if column.base_type in _INTEGERS and not column.is_array:
        return bool(pa.types.is_integer(stored))
    if pa.types.is_decimal(live):
        return bool(pa.types.is_integer(stored) or (pa.types.is_decimal(stored) and stored.scale <= live.scale))
    return (stored, live) == (pa.float32(), pa.float64())


def _is_text_as_long(was: str, column: Column) -> bool:
    """Whether both are text, and the one of today as long as that of before: PostgreSQL cuts off spaces beyond a length."""
    before, now = _TEXT.fullmatch(was), _TEXT.fullmatch(column.type_name)
    if before is None or now is None:
        return False
    return now[1] is None or (before[1] is not None and int(before[1]) <= int(now[1]))
