"""Where PostgreSQL applies a filter exactly, and where its rows have to be filtered once more."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from archival_core.model.chunks.chunk import Column
from archival_core.query.scans.filters import is_exact, to_sql
from archival_core.query.scans.predicate import Comparison, Constant, Junction, Predicate, Presence

TYPES = {
    "time": ("pg_catalog.timestamptz", pa.timestamp("us", "UTC")),
    "day": ("pg_catalog.date", pa.date32()),
    "seq": ("pg_catalog.int8", pa.int64()),
    "value": ("pg_catalog.float8", pa.float64()),
    "price": ("pg_catalog.numeric", pa.decimal128(10, 2)),
    "flag": ("pg_catalog.bool", pa.bool_()),
    "code": ("pg_catalog.bpchar", pa.string()),
    "any_price": ("pg_catalog.numeric", pa.string()),
}
COLUMNS = {name: Column(name, kind, False, kind) for name, (kind, _) in TYPES.items()}
SCHEMA = pa.schema([(name, arrow) for name, (_, arrow) in TYPES.items()])
ONE = Comparison("seq", "=", 1)

EXACT: list[Predicate] = [
    ONE,
    Comparison("time", ">=", 0),
    Comparison("day", "<", 3),
    Comparison("value", ">", math.nan),
    Comparison("price", "<>", 350),
    Comparison("flag", "=", True),
    Presence("code", True),
    Junction("or", (ONE, Presence("value", False))),
    Junction("and", (ONE, Comparison("time", "<", 5), Junction("or", (ONE, Comparison("value", "<", 1.5))))),
]
#: more rows come than the filter lets through
WIDER: list[Predicate] = [
    # PostgreSQL finds 'ab   ' as well
    Comparison("code", "=", "ab"),
    Comparison("code", ">", "ab"),
    Comparison("flag", ">", False),
    Comparison("any_price", "=", "1.0"),
    Comparison("time", "<", 2**63 - 1),
    Constant(False),
    Junction("and", (ONE, Comparison("code", ">", "ab"))),
    Junction("and", (ONE, Comparison("code", "=", "ab"))),
    Junction("or", (ONE, Comparison("code", ">", "ab"))),
]


@pytest.mark.parametrize("predicate", EXACT, ids=str)
def test_filters_that_postgresql_applies_as_they_are(predicate: Predicate) -> None:
    assert is_exact(predicate, COLUMNS, SCHEMA)
    assert to_sql(predicate, COLUMNS, SCHEMA) is not None


@pytest.mark.parametrize("predicate", WIDER, ids=str)
def test_filters_that_let_more_rows_through_there(predicate: Predicate) -> None:
    assert not is_exact(predicate, COLUMNS, SCHEMA)


def test_a_column_that_is_not_asked_by_its_value_is_filtered_here() -> None:
    assert is_exact(None, {}, SCHEMA)
    assert not is_exact(ONE, {}, SCHEMA)
    of_many = {"seq": Column("seq", "bigint[]", False, "pg_catalog.int8", is_array=True)}
    assert not is_exact(ONE, of_many, SCHEMA)
