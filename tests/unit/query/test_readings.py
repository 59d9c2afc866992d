"""What a plan says of the rows that a question needs of each table, before a file is opened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from archival_core.query.engine.readings import Reading, readings
from archival_core.query.scans.predicate import Comparison, Junction, Predicate, range_of

R = ("public", "r")
TABLES = {
    R: {"time": "TIMESTAMPTZ", "day": "DATE", "at": "TIMESTAMP", "seq": "BIGINT", "device": "INTEGER", "name": "VARCHAR"},
    ("public", "d"): {"device": "INTEGER", "since": "TIMESTAMPTZ", "site": "VARCHAR"},
}
JANUARY = 1_767_225_600_000_000
DAY = 86_400_000_000


@pytest.fixture
def connection() -> Iterator[Any]:
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'; CREATE SCHEMA public; SET schema = 'public'; BEGIN TRANSACTION")
        yield opened


def _read(connection: Any, sql: str) -> Reading:
    return readings(connection, sql, TABLES)[R]


def _between(column: str, low: int, high: int) -> Predicate:
    return Junction("and", (Comparison(column, ">=", low), Comparison(column, "<", high)))


READ = {
    "time >= '2026-01-01' and time < timestamptz '2026-01-01' + interval '1 day'": _between("time", JANUARY, JANUARY + DAY),
    "date_trunc('year', timestamptz '2026-03-05') <= time": Comparison("time", ">=", JANUARY),
    "time in ('2026-01-01', '2026-01-02')": Junction(
        "or", (Comparison("time", "=", JANUARY), Comparison("time", "=", JANUARY + DAY))
    ),
    "time < '2026-01-01' or time > '2026-01-02'": Junction(
        "or", (Comparison("time", "<", JANUARY), Comparison("time", ">", JANUARY + DAY))
    ),
    "day >= '1970-01-03'": Comparison("day", ">=", 2),
    "\"at\" = '1970-01-01 00:00:01'": Comparison("at", "=", 1_000_000),
    "seq = 7 and name like 'x%'": Comparison("seq", "=", 7),
    "seq + 1 = 8": Comparison("seq", "=", 7),
    "time > 'infinity'": Comparison("time", ">", 2**63 - 1),
}
#: nothing that a range of times could be told by
LEFT = (
    "true",
    "name = 'x'",
    "name is null",
    "time is not null",
    "time::date = '2026-01-01'",
    "time > '2026-01-01' or name = 'x'",
    "seq % 2 = 0",
    "seq = 7.5",
    "time > null",
    "not (seq = 7 and day = '2026-01-01')",
)


@pytest.mark.parametrize("condition", READ)
def test_conditions_of_times_and_numbers(connection: Any, condition: str) -> None:
    assert _read(connection, f"select count(*) from r where {condition}") == Reading(READ[condition], frozenset())


@pytest.mark.parametrize("condition", LEFT)
def test_what_is_not_read_is_left_to_duckdb(connection: Any, condition: str) -> None:
    found = readings(connection, f"select count(*) from r where {condition}", TABLES).get(R)
    assert found is None or found.condition is None


def test_now_is_one_moment_in_the_plan_and_in_the_answer(connection: Any) -> None:
    low, _ = range_of(_read(connection, "select 1 from r where time >= now()").condition, "time")
    time.sleep(0.01)
    [(answered,)] = connection.execute("select epoch_us(now())").fetchall()
    assert low == answered
    assert abs(answered - datetime.now(UTC).timestamp() * 1e6) < 60e6


def test_a_table_that_is_read_twice_needs_the_rows_of_either_reading(connection: Any) -> None:
    first, second = "seq = 1", "seq > 5"
    either = Junction("or", (Comparison("seq", "=", 1), Comparison("seq", ">", 5)))
    for sql in (
        f"select 1 from r where {first} union all select 1 from r where {second}",
        f"select (select count(*) from r where {first}), (select count(*) from r where {second})",
        f"with x as materialized (select * from r where {first}) select 1 from x, (select * from r where {second})",
        f"select 1 from d where device in (select seq from r where {first}) or device in (select seq from r where {second})",
    ):
        assert _read(connection, sql).condition == either, sql
    for sql in (
        f"select 1 from r where {first} union all select 1 from r",
        f"select (select count(*) from r where {first}), (select count(*) from r)",
        f"with x as materialized (select * from r) select 1 from x where {first} union all select 1 from x",
        f"select * from (select * from r limit 5) where {first}",
        f"select * from (select *, row_number() over () as k from r) where {first}",
        f"select * from r left join d on r.device = d.device and r.{first}",
        f"select count(*) filter (where {first}) from r",
        f"with recursive n(i) as (select seq from r union all select r.seq from n join r on r.seq > i where i < 3)"
        f" select 1 from n, r where r.{first}",
    ):
        assert _read(connection, sql).condition is None, sql


def test_types_by_which_joins_may_find_out_more_while_they_run(connection: Any) -> None:
    moment, number = "TIMESTAMP WITH TIME ZONE", "INTEGER"
    for sql, types in {
        "select 1 from r where seq = 1": set(),
        "select 1 from r join d using (device)": {number},
        "select 1 from r join d on r.time between d.since and d.since + interval '1 day'": {moment},
        "select 1 from r where time in (select since from d)": {moment},
        "select 1 from r where time >= (select max(since) from d)": {moment},
        "select 1 from r asof join d on r.device = d.device and r.time >= d.since": {moment, number},
        "select 1 from r where seq = 1 union all select 1 from r join d using (device)": {number},
    }.items():
        assert _read(connection, sql).joined >= types, sql
        assert bool(types) or not _read(connection, sql).joined, sql


def test_the_connection_is_as_it_was(connection: Any) -> None:
    assert readings(connection, "select nothing from r", TABLES) == {}
    _read(connection, "select 1 from r")
    connection.execute("create view public.r as select 42 as answer")
    assert connection.execute("select answer, current_setting('disabled_optimizers') from r").fetchall() == [(42, "")]
