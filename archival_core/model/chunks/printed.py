"""Dates and times as PostgreSQL prints them under ISO and UTC, in any year.

Numbers are days or microseconds since 1970; years are of the proleptic Gregorian calendar, as in PostgreSQL.
"""

from __future__ import annotations

import math
import re
from datetime import date, timedelta
from typing import Final

from archival_core.model.chunks.moment import DAY, moment

INFINITY: Final = "infinity"
MINUS_INFINITY: Final = "-infinity"

_PRINTED: Final = re.compile(r"(\d+-\d\d-\d\d)(?: (\d\d:\d\d:\d\d(?:\.\d+)?)(?:\+00)?)?( BC)?")


def printed_date(days: int) -> str:
    """`2026-01-31`, `44-03-15 BC` as `0044-03-15 BC`."""
    day, suffix = _day(days)
    return day + suffix


def printed_time(microseconds: int, *, has_zone: bool) -> str:
    """`2026-01-31 12:00:00.5`, with a zone `2026-01-31 12:00:00.5+00`."""
    days, rest = divmod(microseconds, DAY)
    day, suffix = _day(days)
    seconds, fraction = divmod(rest, 1_000_000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    more = f".{fraction:06}".rstrip("0") if fraction else ""
    return f"{day} {clock}{more}{'+00' if has_zone else ''}{suffix}"


def printed_array(elements: list[str | None]) -> str:
    """An array of one dimension, of elements that need no escape: `{1.50,NULL,"2026-01-31 12:00:00"}`."""
    return "{" + ",".join("NULL" if e is None else f'"{e}"' if " " in e else e for e in elements) + "}"


def read_moment(text: str) -> int | float:
    """What `printed_date` or `printed_time` printed, in microseconds; the infinities are those of floats.

    Raises `ValueError` for anything else.
    """
    if text in (INFINITY, MINUS_INFINITY):
        return math.inf if text == INFINITY else -math.inf
    match = _PRINTED.fullmatch(text)
    found = moment(f"{match[1]}T{match[2] or '00:00:00'}Z{match[3] or ''}") if match else None
    if not isinstance(found, int):
        raise ValueError(f"{text!r} is no date and no time")
    return found


def _day(days: int) -> tuple[str, str]:
    """The day, and what stands behind it and the time in years before 1."""
    # the calendar repeats every 400 years of 146,097 days, which brings any year into `date`'s range
    cycles, rest = divmod(days - (date(2000, 1, 1) - date(1970, 1, 1)).days, 146_097)
    found = date(2000, 1, 1) + timedelta(rest)
    year = found.year + cycles * 400
    return f"{year if year > 0 else 1 - year:04}-{found:%m-%d}", "" if year > 0 else " BC"
