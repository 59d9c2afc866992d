"""The table of a run: one partition for each week, and rows that writers invent."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import psycopg

from tests.faults.truth import SCHEMA, TABLE, Row, fill, invented_between

PARENT = f"{SCHEMA}.{TABLE}"
_FIRST = datetime(2026, 1, 5, tzinfo=UTC)
_WEEK = timedelta(days=7)
WEEKS = [f"w{number:02d}" for number in range(8)]
#: enough for some pages, so that an archive has several parts
_ROWS_A_WEEK = 150

_DDL = f"""
create schema {SCHEMA};
create table {PARENT} (id bigint not null, time timestamptz not null, value double precision, amount numeric(12, 3), note text,
    tags text[], raw bytea) partition by range (time);
"""


def made(connection: psycopg.Connection, rng: random.Random) -> dict[int, Row]:
    """Make the table, fill it, and return what it holds."""
    connection.execute(_DDL.encode())
    numbers = iter(range(10**9))
    rows = []
    for number, name in enumerate(WEEKS):
        start, end = bounds(number)
        connection.execute(
            f"create table {SCHEMA}.{name} partition of {PARENT} for values from ('{start}') to ('{end}')".encode()
        )
        rows += [in_week(rng, number, next(numbers)) for _ in range(_ROWS_A_WEEK)]
    fill(connection, PARENT, rows)
    return {row[0]: row for row in rows}


def bounds(number: int) -> tuple[datetime, datetime]:
    """Beginning and end of a week."""
    return _FIRST + number * _WEEK, _FIRST + (number + 1) * _WEEK


def in_week(rng: random.Random, number: int, identity: int) -> Row:
    """A row of that week."""
    return invented_between(rng, *bounds(number), identity)
