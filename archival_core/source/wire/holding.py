"""What a form of the lake holds of the values that the driver gives, and PostgreSQL's text of the values that it does not
hold.

Every reader of the lake can hold dates and times of the years 1 to 9999. The nearest of these stands for the infinities and
for what lies beyond. A decimal has no NaN, and NULL stands for it. Where another value stands for a value, PostgreSQL's own
text of the value goes into `_archival_exact`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archival_core.errors import PermanentError
from archival_core.model.chunks.moment import DAY, FIRST_DAY, FIRST_MICROSECOND, LAST_DAY, LAST_MICROSECOND
from archival_core.model.chunks.printed import INFINITY, MINUS_INFINITY, printed_date, printed_time

#: The time between PostgreSQL's epoch (2000) and Arrow's (1970). The driver adds it without a check for overflow, so the
#: infinities, and times of the last thirty years that PostgreSQL knows, wrap around. Taking it away again gives
#: PostgreSQL's own number.
EPOCH_DAYS: Final = 10_957
EPOCH_MICROSECONDS: Final = EPOCH_DAYS * DAY


@dataclass(frozen=True, slots=True)
class Held:
    """Values of a form."""

    values: pa.Array
    #: the places of values that stand for another value, ascending; `None` if no value does
    lost: np.ndarray | None = None


def hold_dates(array: pa.Array) -> Held:
    """`date32` as the driver gives it."""
    return _nearest(array, array.view(pa.int32()), FIRST_DAY, LAST_DAY, EPOCH_DAYS)


def hold_times(array: pa.Array) -> Held:
    """`timestamp[us]` as the driver gives it."""
    return _nearest(array, array.view(pa.int64()), FIRST_MICROSECOND, LAST_MICROSECOND, EPOCH_MICROSECONDS)


def hold_digits(array: pa.Array) -> Held:
    """Numbers that come as texts of their digits; `nan` and `inf` as PostgreSQL writes them."""
    return Held(_digits(array))


def hold_decimals(array: pa.Array, kind: pa.Decimal128Type) -> Held:
    """Numbers that come as texts of their digits, as decimals of `kind`."""
    try:
        return Held(array.cast(kind))
    except pa.ArrowInvalid:
        is_nan = pc.fill_null(pc.equal(array, "nan"), False)
    try:
        values = pc.if_else(is_nan, pa.scalar(None, array.type), array).cast(kind)
    except pa.ArrowInvalid as error:
        # PostgreSQL itself keeps to the precision of the type
        raise PermanentError(f"a number is none of {kind}: {error}", code="unrepresentable-value") from error
    return Held(values, np.flatnonzero(is_nan.to_numpy(zero_copy_only=False)))


def printed_dates(array: pa.Array) -> list[str | None]:
    """PostgreSQL's text of dates as the driver gives them."""
    days = _since_2000(array.view(pa.int32()), EPOCH_DAYS)
    return _printed(days, array, lambda day: printed_date(day + EPOCH_DAYS))


def printed_times(array: pa.Array) -> list[str | None]:
    """PostgreSQL's text of timestamps as the driver gives them."""
    moments, has_zone = _since_2000(array.view(pa.int64()), EPOCH_MICROSECONDS), array.type.tz is not None
    return _printed(moments, array, lambda moment: printed_time(moment + EPOCH_MICROSECONDS, has_zone=has_zone))


def printed_numbers(array: pa.Array) -> list[str | None]:
    """PostgreSQL's text of numbers whose digits the driver gives."""
    texts: list[str | None] = _digits(array).to_pylist()
    return texts


def _digits(array: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring(array, "n")).as_py():
        return array
    return pc.replace_substring(pc.replace_substring(array, "nan", "NaN"), "inf", "Infinity")


def _nearest(array: pa.Array, numbers: pa.Array, first: int, last: int, epoch: int) -> Held:
    bounds = pc.min_max(numbers).as_py()
    if bounds["min"] is None or (bounds["min"] >= first and bounds["max"] <= last):
        return Held(array)
    found, is_there = _since_2000(numbers, epoch), array.is_valid().to_numpy(zero_copy_only=False)
    nearest = found.clip(first - epoch, last - epoch)
    values = pa.array(nearest + epoch, numbers.type, mask=~is_there).view(array.type)
    return Held(values, np.flatnonzero((nearest != found) & is_there))


def _since_2000(numbers: pa.Array, epoch: int) -> np.ndarray:
    """PostgreSQL's own numbers. In the place of a NULL the number means nothing."""
    kind = np.dtype(numbers.type.to_pandas_dtype())
    arrived = np.frombuffer(numbers.buffers()[1], kind, len(numbers), numbers.offset * kind.itemsize)
    found: np.ndarray = arrived - kind.type(epoch)  # wraps around, as the driver's sum did
    return found


def _printed(found: np.ndarray, array: pa.Array, one: Callable[[int], str]) -> list[str | None]:
    info = np.iinfo(found.dtype)
    names = {int(info.max): INFINITY, int(info.min): MINUS_INFINITY}
    numbers = zip(found.tolist(), array.is_valid().to_pylist(), strict=True)
    return [(names.get(number) or one(number)) if is_there else None for number, is_there in numbers]
