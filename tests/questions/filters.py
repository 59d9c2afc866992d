"""Filters on every type, as SQL and as Python: the same rows have to be meant."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from tests.questions.rows import Row


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on columns of the first table, which is `r`."""

    sql: str
    holds: Callable[[Row], bool]


def filter_of(dice: random.Random, first: datetime, days: int) -> Filter:
    """One of all kinds; times lie in the `days` after `first`."""
    kind = dice.choice(("one", "one", "both", "either", "none"))
    if kind == "none":
        return Filter("true", lambda _: True)
    left, right = _simple(dice, first, days), _simple(dice, first, days)
    if kind == "both":
        return Filter(f"({left.sql}) and ({right.sql})", lambda row: left.holds(row) and right.holds(row))
    if kind == "either":
        return Filter(f"({left.sql}) or ({right.sql})", lambda row: left.holds(row) or right.holds(row))
    return left


def _simple(dice: random.Random, first: datetime, days: int) -> Filter:
    return dice.choice(_KINDS)(dice, first, days)


def _time(dice: random.Random, first: datetime, days: int) -> Filter:
    begin = first + timedelta(hours=dice.randrange(days * 24))
    end = begin + timedelta(hours=dice.randrange(1, 72))
    return Filter(f"r.time >= '{begin.isoformat()}' and r.time < '{end.isoformat()}'", lambda row: begin <= row.time < end)


def _apart(dice: random.Random, first: datetime, days: int) -> Filter:
    low, high = first + timedelta(hours=dice.randrange(36)), first + timedelta(hours=days * 24 - dice.randrange(36))
    return Filter(
        f"r.time < '{low.isoformat()}' or r.time >= '{high.isoformat()}'", lambda row: row.time < low or row.time >= high
    )


def _day_of_time(dice: random.Random, first: datetime, days: int) -> Filter:
    day = (first + timedelta(days=dice.randrange(days))).date()
    return Filter(f"date_trunc('day', r.time) = '{day} 00:00:00+00'::timestamptz", lambda row: row.time.date() == day)


def _numbers(dice: random.Random, *_: Any) -> Filter:
    number = dice.randrange(-100, 100)
    return Filter(f"r.small > {number}", lambda row: row.small > number)


def _some_values(dice: random.Random, *_: Any) -> Filter:
    values = {dice.randrange(1, 400) for _ in range(dice.randrange(1, 6))}
    return Filter(f"r.value in ({', '.join(map(str, values))})", lambda row: row.value in values)


def _floats(dice: random.Random, *_: Any) -> Filter:
    limit = dice.randrange(0, 60)
    # NaN is above every number, for PostgreSQL and for DuckDB
    return Filter(f"r.share >= {limit}", lambda row: row.share != row.share or row.share >= limit)


def _nan(*_: Any) -> Filter:
    return Filter("isnan(r.share)", lambda row: row.share != row.share)


def _small_floats(dice: random.Random, *_: Any) -> Filter:
    limit = dice.randrange(1, 200) / 4
    return Filter(f"r.ratio <= {limit}", lambda row: row.value / 4 <= limit)


def _decimals(dice: random.Random, *_: Any) -> Filter:
    limit = Decimal(dice.randrange(0, 50_000)) / 100
    return Filter(f"r.price < {limit}", lambda row: row.price is not None and row.price < limit)


def _loose(*_: Any) -> Filter:
    return Filter("cast(r.loose as varchar) = 'NaN'", lambda row: row.value % 17 == 0)


def _texts(dice: random.Random, *_: Any) -> Filter:
    name = dice.choice(("alder", "élan", "Fir", "nobody"))
    return Filter(f"r.name = '{name}'", lambda row: row.name == name)


def _text_beginnings(*_: Any) -> Filter:
    return Filter("r.name like 'c%'", lambda row: row.name == "cedar")


def _nulls(dice: random.Random, *_: Any) -> Filter:
    if dice.random() < 0.5:
        return Filter("r.name is null", lambda row: row.name is None)
    return Filter("r.price is not null", lambda row: row.price is not None)


def _flags(dice: random.Random, *_: Any) -> Filter:
    return dice.choice((Filter("r.flag", lambda row: row.flag is True), Filter("not r.flag", lambda row: row.flag is False)))


def _dates(dice: random.Random, *_: Any) -> Filter:
    day = date(2020, 1, 1) + timedelta(days=dice.randrange(400))
    # infinity is after every day
    return Filter(f"r.day > '{day}'", lambda row: row.day is None or row.day > day)


def _locals(dice: random.Random, *_: Any) -> Filter:
    moment = datetime(2021, 1, 1) + timedelta(minutes=dice.randrange(400))
    return Filter(f"r.local <= '{moment}'", lambda row: row.local <= moment)


def _ids(dice: random.Random, *_: Any) -> Filter:
    found = UUID(int=dice.randrange(97))
    return Filter(f"r.id = '{found}'", lambda row: row.id == found)


def _bytes(dice: random.Random, *_: Any) -> Filter:
    byte = dice.randrange(256)
    return Filter(f"r.raw = '\\x{byte:02x}'::blob", lambda row: row.value % 256 == byte)


def _intervals(dice: random.Random, *_: Any) -> Filter:
    hours = dice.randrange(48)
    return Filter(f"r.spent < interval '{hours} hours'", lambda row: row.value % 48 < hours)


def _clocks(dice: random.Random, *_: Any) -> Filter:
    hour = dice.randrange(24)
    return Filter(f"r.clock >= time '{hour:02d}:00'", lambda row: row.value % 1440 >= hour * 60)


def _documents(dice: random.Random, *_: Any) -> Filter:
    number = dice.randrange(5)
    return Filter(f"(r.doc ->> 'v')::int = {number}", lambda row: row.value % 5 == number)


def _lists(dice: random.Random, *_: Any) -> Filter:
    number = dice.randrange(3)
    return Filter(f"r.tags[1] = '{number}'", lambda row: row.value % 3 == number)


def _codes(dice: random.Random, *_: Any) -> Filter:
    codes = {f"c{dice.randrange(9)}" for _ in range(2)}
    listed = ", ".join(f"'{code}'" for code in codes)
    return Filter(f"r.code in ({listed})", lambda row: f"c{row.value % 9}" in codes)


def _writers(dice: random.Random, *_: Any) -> Filter:
    writer = dice.randrange(-1, 4)
    return Filter(f"r.writer <> {writer}", lambda row: row.writer != writer)


_KINDS: Final[Sequence[Callable[..., Filter]]] = (
    _time,
    _time,
    _apart,
    _day_of_time,
    _numbers,
    _some_values,
    _floats,
    _nan,
    _small_floats,
    _decimals,
    _loose,
    _texts,
    _text_beginnings,
    _nulls,
    _flags,
    _dates,
    _locals,
    _ids,
    _bytes,
    _intervals,
    _clocks,
    _documents,
    _lists,
    _codes,
    _writers,
)
