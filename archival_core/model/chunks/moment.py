"""Values of the time column as numbers that compare: microseconds since 1970, or the integer of integer time."""

from __future__ import annotations

import math
import re
from datetime import date
from typing import Final

#: in microseconds
DAY: Final = 86_400_000_000
#: Days and microseconds since 1970 that every reader can hold: the years 1 to 9999, to the last microsecond.
FIRST_DAY: Final = (date.min - date(1970, 1, 1)).days
LAST_DAY: Final = (date.max - date(1970, 1, 1)).days
FIRST_MICROSECOND: Final = FIRST_DAY * DAY
LAST_MICROSECOND: Final = (LAST_DAY + 1) * DAY - 1
#: What stands for PostgreSQL's infinities in archives of before tables had a schema.
INFINITE_DAYS: Final = 2**31 - 1
INFINITE_MICROSECONDS: Final = 2**63 - 1

_INFINITE: Final = frozenset({INFINITE_MICROSECONDS, INFINITE_DAYS * DAY})


def moment(text: str | None) -> int | str | None:
    """A bound as the source tells it (digits, or RFC 3339 in UTC with any year); `infinity` and a UUID stay text."""
    if text is None or re.fullmatch(r"-?\d+", text):
        return None if text is None else int(text)
    match = re.fullmatch(r"(\d{4,})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z( BC)?", text)
    if match is None:
        return text
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    # the Gregorian calendar repeats every 400 years of 146,097 days, which brings any year into `datetime`'s range
    cycles, year = divmod(1 - year if match[8] else year, 400)
    days = (cycles - 5) * 146_097 + (date(year + 2000, month, day) - date(1970, 1, 1)).days
    return days * DAY + ((hour * 60 + minute) * 60 + second) * 1_000_000 + int((match[7] or "").ljust(6, "0"))


def named(value: float | str | None) -> int | str | None:
    """`value`, with the infinities by their names: those of floats, and those that stand for them in integers."""
    if isinstance(value, str) or value is None:
        return value
    if abs(value) == math.inf or abs(value) in _INFINITE:
        return "infinity" if value > 0 else "-infinity"
    return int(value)
