"""Values in one form for every engine, so that answers can be compared as JSON.

Integers, texts and booleans are themselves; a float is its hexadecimal text, which tells -0 from 0 and NaN from nothing; a
decimal its digits without zeros at the end; a date its days, a timestamp its microseconds since 1970; bytes are hexadecimal; an
array is a list, a map its pairs in the order of keys.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

#: what JSON can hold
Value = Any

_EPOCH_DAY = date(1970, 1, 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def of_float(value: float) -> str:
    """`nan`, `inf`, `-inf`, or `float.hex`."""
    return "nan" if math.isnan(value) else value.hex() if math.isfinite(value) else str(value)


def of_decimal(value: Decimal | str) -> str:
    """Digits, without an exponent and without zeros at the end."""
    text = format(Decimal(value), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def of_date(value: date) -> int:
    """Days since 1970."""
    return (value - _EPOCH_DAY).days


def of_moment(value: datetime) -> int:
    """Microseconds since 1970; without a zone it is taken for UTC."""
    elapsed = (value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH
    return (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
