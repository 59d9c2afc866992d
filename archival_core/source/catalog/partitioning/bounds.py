"""Bounds of the time dimension as text: RFC 3339 in UTC, or digits."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Relation

INTEGER_TIMES: Final = frozenset({"smallint", "integer", "bigint"})
#: `uuid` is a version 7 UUID, whose ranges are those of the timestamps inside (TimescaleDB 2.24 and later).
CLOCK_TIMES: Final = frozenset({"timestamp with time zone", "timestamp without time zone", "date", "uuid"})

_POSTGRES_TIME = re.compile(r"(\d{4,}-\d\d-\d\d)(?: (\d\d:\d\d:\d\d(?:\.\d+)?)(?:\+00)?)?( BC)?")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)")


def rfc3339(text: str | None) -> str | None:
    """PostgreSQL's text of a date, timestamp or timestamptz (`DateStyle ISO`, `TimeZone UTC`) as RFC 3339 in UTC.

    `infinity` and `-infinity` stay; years beyond 9999 have more digits and years before 1 end in ` BC`, as PostgreSQL reads
    them back.
    """
    if text is None or text in ("infinity", "-infinity"):
        return text
    if not (match := _POSTGRES_TIME.fullmatch(text)):
        raise ValueError(f"not a PostgreSQL timestamp in UTC: {text!r}")
    day, clock, era = match.groups()
    return f"{day}T{clock or '00:00:00'}Z{era or ''}"


def normalise(text: str | None, time_type: str) -> str | None:
    """A bound as the service writes it: digits for integer time, RFC 3339 for all else."""
    return text if time_type in INTEGER_TIMES else rfc3339(text)


def check_time_type(table: Relation, column: str, time_type: str) -> None:
    """Raise `PermanentError` (`unsupported-time-type`) for a time dimension whose bounds have no exact text here."""
    if time_type not in INTEGER_TIMES | CLOCK_TIMES:
        raise PermanentError(
            f"{table} is partitioned by {column!r} of type {time_type}; supported are smallint, integer, bigint, date, "
            "timestamp, timestamptz and, in TimescaleDB, uuid version 7",
            code="unsupported-time-type",
        )


def check_bound(older_than: str | int, time_type: str) -> str:
    """`older_than` as text to compare with in the server; `PermanentError` (`wrong-bound`) if it is of the wrong kind."""
    if time_type in INTEGER_TIMES:
        if isinstance(older_than, bool) or not isinstance(older_than, int) or not -(2**63) <= older_than < 2**63:
            raise PermanentError(
                f"older_than is {older_than!r}, but the time column is {time_type}: write a 64-bit integer", code="wrong-bound"
            )
        return str(older_than)
    if isinstance(older_than, str) and _RFC3339.fullmatch(older_than):
        try:
            datetime.fromisoformat(older_than.upper())
        except ValueError:
            pass
        else:
            return older_than
    raise PermanentError(
        f"older_than is {older_than!r}, but the time column is {time_type}: write RFC 3339 text such as 2026-01-01T00:00:00Z",
        code="wrong-bound",
    )


def bound_moment(older_than: str | int, time_type: str) -> int:
    """`older_than` as a number that compares with `model.chunks.moment.moment` of a range's bounds; raises as `check_bound`."""
    text = check_bound(older_than, time_type)
    if time_type in INTEGER_TIMES:
        return int(text)
    return (datetime.fromisoformat(text.upper()) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
