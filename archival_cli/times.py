"""Times and ages as people write them, turned into what the API takes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

_DAYS: Final = {"d": 1, "day": 1, "w": 7, "week": 7, "mo": 30, "month": 30, "y": 365, "year": 365}
_SECONDS: Final = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
_AGE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+?)s?", re.ASCII | re.IGNORECASE)
_ISO_AGE: Final = re.compile(r"P(?=[\dT])(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?", re.ASCII)
_ISO_DAYS: Final = {"Y": 365, "M": 30, "W": 7, "D": 1}
_INTEGER: Final = re.compile(r"[+-]?\d+", re.ASCII)


class Age(click.ParamType[str]):
    """`30d`, `90 days`, `P90D`: becomes ISO 8601. A month counts 30 days and a year 365, as in the API."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """ISO 8601; refuses what is no age."""
        found = age(str(value))
        if found is None:
            self.fail(f"{value!r} is no age; write 90d, '90 days' or P90D", param, ctx)
        days, seconds = divmod(found.total_seconds(), 86_400)
        return f"P{days:.0f}D" + (f"T{seconds:.0f}S" if seconds else "") if days or not seconds else f"PT{seconds:.0f}S"


class AgeOrNever(Age):
    """An age, or `never`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """ISO 8601, or `never`."""
        return "never" if value == "never" else super().convert(value, param, ctx)


class Bound(click.ParamType[str | int]):
    """`2026-01-06`, `2026-01-06 12:00+01:00`, `30d` (so long ago), or an integer for integer time.

    Becomes an RFC 3339 time in UTC, or the integer. A time without a zone is in UTC, as every time that is shown.
    """

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | int:
        """For the API."""
        found = value if isinstance(value, int) else bound(str(value))
        if found is None:
            self.fail(f"{value!r} is no time; write 2026-01-06, '2026-01-06 12:00Z' or 30d for 30 days ago", param, ctx)
        return found


class Moment(Bound):
    """As `Bound`, for times that are never integers."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | int:
        """For the API."""
        if _INTEGER.fullmatch(str(value).strip()):
            self.fail(f"{value!r} is no time; write 2026-01-06, '2026-01-06 12:00Z' or 30d for 30 days ago", param, ctx)
        return super().convert(value, param, ctx)


AGE: Final = Age()
AGE_OR_NEVER: Final = AgeOrNever()
BOUND: Final = Bound()
MOMENT: Final = Moment()


def age(text: str) -> timedelta | None:
    """An age; `None` if the text is none."""
    text = text.strip()
    try:
        if (iso := _ISO_AGE.fullmatch(text)) and text != "P":
            days = sum(int(part[:-1]) * _ISO_DAYS[part[-1]] for part in iso.groups()[:4] if part)
            hours, minutes, seconds = (float((part or "0_")[:-1]) for part in iso.groups()[5:8])
            return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if (plain := _AGE.fullmatch(text)) is None:
            return None
        number, unit = float(plain[1]), plain[2].lower()
        if unit in _DAYS:
            return timedelta(days=number * _DAYS[unit])
        return timedelta(seconds=number * _SECONDS[unit]) if unit in _SECONDS else None
    except OverflowError:
        return None


def bound(text: str) -> str | int | None:
    """A time as the API takes it, or an integer for integer time; `None` if the text is neither."""
    if _INTEGER.fullmatch(text.strip()):
        return int(text)
    found = moment(text)
    return None if found is None else found.isoformat().replace("+00:00", "Z")


def moment(text: str) -> datetime | None:
    """A time in UTC; an age counts back from now. `None` if the text is neither, or lies outside of the years 1 to 9999."""
    try:
        if (ago := age(text)) is not None:
            return (datetime.now(UTC) - ago).replace(microsecond=0)
        if _INTEGER.fullmatch(text):
            return None
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
