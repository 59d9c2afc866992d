"""Values as text for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")
_INTERNAL: Final = "_timescaledb_internal."
#: Hexadecimal digits of a job's id that are shown where there is little room; the service finds a job by them.
_SHORT: Final = 8


def size(number: int | None) -> str:
    """Bytes in the unit that suits them, with three digits, as the console has them: prices are for a GB of 10^9 bytes."""
    if number is None:
        return ""
    value, unit = float(number), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    digits = 0 if unit == 0 or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {_UNITS[unit]}"


def count(number: int | None) -> str:
    """A number with its thousands apart."""
    return "" if number is None else f"{number:,}"


def counted(number: int, noun: str) -> str:
    """`1 chunk`, `2 chunks`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def moment(text: str | None) -> str:
    """An RFC 3339 time to the minute, with its zone, which is UTC."""
    if not text:
        return ""
    found = _time(text)
    return text if found is None else f"{found:%Y-%m-%d %H:%MZ}"


def range_of(row: Mapping[str, Any]) -> str:
    """The range of a chunk, as short as it can be told: a day, days from midnight to midnight in UTC, or times with a zone."""
    start, end = row.get("range_start"), row.get("range_end")
    if start is None and end is None:
        return ""
    times = [_time(bound) for bound in (start, end) if bound is not None]
    days = all(found is not None and f"{found:%H%M%S}" == "000000" for found in times)
    if days and len(times) == 2 and times[0] and times[1] and times[1] - times[0] == timedelta(days=1):
        return str(start)[:10]

    def told(bound: str | None) -> str:
        if bound is None:
            return "…"
        return bound[:10] if days else moment(bound)

    return f"{told(start)} to {told(end)}"


def span(seconds: float) -> str:
    """A length of time in its two largest units."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        number, left = divmod(left, length)
        if number or (unit == "s" and not parts):
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2])


def age(duration: str | None) -> str:
    """An ISO 8601 duration as people say it."""
    from archival_cli.times import age as parsed

    found = parsed(duration) if duration else None
    if found is None:
        return duration or ""
    return f"{found.days} days" if found == timedelta(days=found.days) and found.days != 1 else span(found.total_seconds())


def dismissal(found: Mapping[str, Any] | None) -> str:
    """Of a `dismissed` field: when, by whom and why; empty of what nobody dismissed."""
    return f"{moment(found['at'])} by {found['by']}: {found['reason']}" if found else ""


def reason(error: Mapping[str, Any] | None) -> str:
    """Of an `error` field: its code, and what it says."""
    if error is None:
        return ""
    code, message = str(error.get("code") or ""), str(error.get("message") or "")
    return ": ".join(part for part in (code, message) if part)


def short_id(job_id: str) -> str:
    """Enough of a job's id to name it."""
    return job_id[:_SHORT]


def chunk_name(chunk: str) -> str:
    """TimescaleDB's own schema says nothing, and every command takes the name without it."""
    return chunk.removeprefix(_INTERNAL)


def plain(text: str) -> str:
    """A name may hold what moves a terminal's cursor: of what cannot be seen, the code is shown."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def plain_lines(text: str) -> str:
    """The same of text in lines, as an error of DuckDB, whose last line points at a place in the one before."""
    return "\n".join(map(plain, text.split("\n")))


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None
