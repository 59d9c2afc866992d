"""What is read out of DuckDB's plan of an OR, and what is left to DuckDB."""

from __future__ import annotations

import math

import pytest

from archival_core.query.engine.implied import implied
from archival_core.query.scans.predicate import Comparison, Junction, Predicate, Presence, renamed

R = ("public", "r")
TABLES = {
    R: {
        "time": "TIMESTAMPTZ",
        "device": "INTEGER",
        "value": "DOUBLE",
        "name": "VARCHAR",
        "price": "DECIMAL(12,2)",
        "day": "DATE",
        "id": "UUID",
        "flag": "BOOLEAN",
        "raw": "BLOB",
        "Odd, name": "BIGINT",
    },
    ("public", "d"): {"device": "INTEGER", "site": "VARCHAR"},
}
ONE = Comparison("device", "=", 1)


def either(*terms: Predicate) -> Predicate:
    return Junction("or", terms)


READ = {
    "device = 1 or value > 5.5": either(ONE, Comparison("value", ">", 5.5)),
    "device = 1 or 5 <= value": either(ONE, Comparison("value", ">=", 5.0)),
    "device = 1 or value = 'Infinity'": either(ONE, Comparison("value", "=", math.inf)),
    "device = 1 or time >= '1970-01-01 01:00:00+01'": either(ONE, Comparison("time", ">=", 0)),
    "device = 1 or day < '1970-01-03'": either(ONE, Comparison("day", "<", 2)),
    "device = 1 or price <> 3.5": either(ONE, Comparison("price", "<>", 350)),
    "device = 1 or price in (-3, 2.5)": either(ONE, either(Comparison("price", "=", -300), Comparison("price", "=", 250))),
    "device = 1 or name is null or flag": either(ONE, Presence("name", True), Comparison("flag", "=", True)),
    "device = 1 or name is not null": either(ONE, Presence("name", False)),
    "device = 1 or raw = '\\x01\\xff'::blob": either(ONE, Comparison("raw", "=", b"\x01\xff")),
    'device = 1 or "Odd, name" = 9': either(ONE, Comparison("Odd, name", "=", 9)),
    # of all that has to hold, what can be read
    "device = 1 or (value < 3 and length(name) = 2)": either(ONE, Comparison("value", "<", 3.0)),
    "(device = 1 or value < 3) and length(name) = 2": either(ONE, Comparison("value", "<", 3.0)),
}
#: DuckDB hands it down itself, or nothing can be said of the rows without the rest of the question.
LEFT = (
    "device = 1",
    "device = 1 or device = 3",
    "device = 1 or id = '00000000-0000-0000-0000-000000000001'",
    "device = 1 or time > now()",
    "device = 1 or time > now() - interval '1 day'",
    "device = 1 or value = random()",
    "device = 1 or name like 'x%'",
    "device = 1 or value = device",
    "device = 1 or price > 3.456",
    "device = 1 or value = null",
    "not (device = 1 and value = 2)",
    "device = 1 or exists (select 1 from d where d.device = r.device)",
    "device = 1 or value = try_cast('x' as double)",
    "device = 1 or nowhere = 2",
)


@pytest.mark.parametrize("condition", READ)
def test_what_holds_of_each_row_that_is_needed(condition: str) -> None:
    assert implied(f"select count(*) from r where {condition}", TABLES) == {R: READ[condition]}


def test_a_nan_is_a_value() -> None:
    found = implied("select count(*) from r where device = 1 or value = 'NaN'", TABLES)[R]
    match found:
        case Junction("or", (_, Comparison("value", "=", float() as value))):
            assert math.isnan(value)
        case _:
            pytest.fail(str(found))


@pytest.mark.parametrize("condition", LEFT)
def test_what_is_not_certain_is_left_to_duckdb(condition: str) -> None:
    assert implied(f"select count(*) from r where {condition}", TABLES) == {}


def test_a_table_that_is_read_twice_needs_the_rows_of_either_reading() -> None:
    first, second = either(ONE, Comparison("value", "=", 2.0)), either(Comparison("device", "=", 3), Presence("name", True))
    both = "(a.device = 1 or a.value = 2) and (b.device = 3 or b.name is null)"
    assert implied(f"select 1 from r a, r b where {both}", TABLES) == {R: either(first, second)}
    for sql in (
        "select 1 from r a, r b where (a.device = 1 or a.value = 2)",
        "select 1 from r where device = 1 or value = 2 union all select 1 from r",
        "select (select count(*) from r where device = 1 or value = 2), (select count(*) from r)",
        "select 1 from r a, r b, json_each(json_object('x', b.name)) where a.device = 1 or a.value = 2",
        "with recursive n(i) as (select device from r union all select i + 1 from n where i < 3)"
        " select 1 from n join r on device = i where device = 1 or value = 2",
        "with x as materialized (select * from r) select 1 from x where device = 1 or value = 2 union all select 1 from x",
    ):
        assert implied(sql, TABLES) == {}, sql


def test_a_condition_that_does_not_stand_at_the_table_itself_is_left() -> None:
    for sql in (
        "select * from (select *, row_number() over () as k from r) where device = 1 or value = 2",
        "select * from (select * from r limit 5) where device = 1 or value = 2",
        "select * from r tablesample 10% where device = 1 or value = 2",
        "select * from d left join r on d.device = r.device where r.value = 1 or d.site = 'x'",
        "select * from r left join d on d.device = r.device and (r.device = 1 or r.value = 2)",
        "select count(*) filter (where device = 1 or value = 2) from r",
        "select device = 1 or value = 2 from r",
        "select max(value) from r group by device having device = 1 or max(value) = 2",
    ):
        assert implied(sql, TABLES) == {}, sql


def test_columns_of_other_names_and_columns_without_one() -> None:
    condition = Junction("and", (either(ONE, Comparison("value", "=", 2.0)), Comparison("price", "<", 3)))
    names = {"device": "device__2", "value": "v", "price": "p"}
    assert renamed(condition, names) == Junction(
        "and", (either(Comparison("device__2", "=", 1), Comparison("v", "=", 2.0)), Comparison("p", "<", 3))
    )
    # one side of an OR that says nothing leaves nothing to say
    assert renamed(condition, {"device": "device", "price": "p"}) == Comparison("p", "<", 3)
    assert renamed(condition, {"device": "device"}) is None
