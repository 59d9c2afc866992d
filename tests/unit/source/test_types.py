"""Every type has an exact form, and what a form cannot carry is noticed."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Column
from archival_core.model.chunks.moment import FIRST_DAY, FIRST_MICROSECOND, LAST_DAY, LAST_MICROSECOND
from archival_core.model.lake.lake_column import LakeColumn
from archival_core.source.wire.columns import plan_columns
from archival_core.source.wire.holding import (
    EPOCH_DAYS,
    EPOCH_MICROSECONDS,
    Held,
    hold_dates,
    hold_decimals,
    hold_digits,
    hold_times,
    printed_dates,
    printed_numbers,
    printed_times,
)
from archival_core.source.wire.types import form_of


def column(base: str, *, name: str = "c", type_name: str | None = None, **more: Any) -> Column:
    return Column(name, type_name or base, False, base if "." in base else f"pg_catalog.{base}", **more)


@pytest.mark.parametrize(
    ("base", "arrow"),
    [
        ("int2", pa.int16()),
        ("int8", pa.int64()),
        ("float4", pa.float32()),
        ("float8", pa.float64()),
        ("bool", pa.bool_()),
        ("bpchar", pa.string()),
        ("jsonb", pa.string()),
        ("bytea", pa.binary()),
        ("date", pa.date32()),
        ("timestamp", pa.timestamp("us")),
        ("timestamptz", pa.timestamp("us", tz="UTC")),
    ],
)
def test_what_the_driver_reads_is_selected_as_the_servers_own_type(base: str, arrow: pa.DataType) -> None:
    plan = plan_columns([column(base), column(base, name="many", is_array=True)])
    value, array, _ = (output.sql for output in plan.outputs)
    assert value == f'"c"::pg_catalog.{base}'
    assert array.endswith(f'ELSE "many"::pg_catalog.{base}[] END')
    assert plan.schema.field("c").type == arrow


@pytest.mark.parametrize("base", ["uuid", "interval", "timetz", "time", "inet", "my.schema.mood", "public.pair", "regclass"])
def test_everything_else_goes_as_what_its_output_function_prints(base: str) -> None:
    plan = plan_columns([column(base, output="some_out"), column(base, name="many", is_array=True, output="some_out")])
    text, array, _ = (output.sql for output in plan.outputs)
    assert text == 'pg_catalog.textin(pg_catalog.some_out("c"))'
    assert array.startswith('CASE WHEN (pg_catalog.array_ndims("many") > 1 OR ')
    one = "ARRAY(SELECT pg_catalog.textin(pg_catalog.some_out(e)) FROM"
    assert array.endswith(f'{one} (SELECT pg_catalog.unnest("many") AS e) AS elements) END END')
    assert plan.schema.types == [pa.string(), pa.list_(pa.string())]


def test_an_output_function_of_another_schema_is_not_called_by_name() -> None:
    plan = plan_columns([column("public.citext")])
    assert plan.select_list == 'CASE WHEN "c" IS DISTINCT FROM NULL THEN pg_catalog.concat("c") END'


def test_elements_of_a_domain_are_read_one_by_one() -> None:
    """Whoever owns the domain may define a cast between the arrays."""
    plan = plan_columns([column("int4", name="many", is_array=True, has_domain_elements=True)])
    one = 'ARRAY(SELECT e::pg_catalog.int4 FROM (SELECT pg_catalog.unnest("many") AS e) AS elements)'
    assert one in plan.outputs[0].sql


@pytest.mark.parametrize(
    ("modifier", "arrow"),
    [
        (-1, pa.string()),
        ((10 << 16 | 2) + 4, pa.decimal128(10, 2)),
        ((38 << 16 | 38) + 4, pa.decimal128(38, 38)),
        ((39 << 16 | 2) + 4, pa.string()),
        ((2 << 16 | 5) + 4, pa.string()),
        ((5 << 16 | (-2 & 0x7FF)) + 4, pa.string()),
    ],
    ids=["unbounded", "10,2", "38,38", "39,2", "2,5", "5,-2"],
)
def test_a_number_is_a_decimal_where_one_holds_it_exactly(modifier: int, arrow: pa.DataType) -> None:
    assert form_of(column("numeric", modifier=modifier)).arrow == arrow


def test_postgis_is_told_from_a_type_of_the_same_name() -> None:
    assert form_of(column("public.geometry", extension="postgis")).arrow == pa.binary()
    assert form_of(column("public.geometry")).arrow == pa.string()


def test_hostile_names_are_quoted() -> None:
    plan = plan_columns([column("uuid", name='a"; DROP TABLE {0}; --', output="uuid_out")])
    assert plan.select_list == 'pg_catalog.textin(pg_catalog.uuid_out("a""; DROP TABLE {0}; --"))'
    assert plan.schema.names == ['a"; DROP TABLE {0}; --']


def test_fields_say_what_they_were_in_postgresql() -> None:
    plan = plan_columns([column("numeric", type_name="numeric(10,2)", modifier=(10 << 16 | 2) + 4)])
    assert plan.schema.field("c").metadata == {b"postgresql.type": b"numeric(10,2)", b"postgresql.not_null": b"false"}


def dates(*days: int | None) -> pa.Array:
    """As the driver gives days since 1970: it adds its epoch without a look at overflow."""
    wrapped = [None if day is None else (day + 2**31) % 2**32 - 2**31 for day in days]
    return pa.array(wrapped, pa.int32()).cast(pa.date32())


def times(*microseconds: int | None, zone: str | None = None) -> pa.Array:
    wrapped = [None if moment is None else (moment + 2**63) % 2**64 - 2**63 for moment in microseconds]
    return pa.array(wrapped, pa.int64()).cast(pa.timestamp("us", zone))


LATEST, EARLIEST = 2**63 - 1 + EPOCH_MICROSECONDS, -(2**63) + EPOCH_MICROSECONDS


@pytest.mark.parametrize("values", [(), (None,), (0, None, FIRST_DAY, LAST_DAY)])
def test_days_that_every_reader_holds_are_as_they_come(values: tuple[int | None, ...]) -> None:
    assert hold_dates(dates(*values)) == Held(dates(*values))


def test_other_days_are_held_by_the_nearest_one() -> None:
    infinities = 2**31 - 1 + EPOCH_DAYS, -(2**31) + EPOCH_DAYS
    given = dates(infinities[0], infinities[1], 0, None, FIRST_DAY - 1, LAST_DAY + 1, -2_440_588, 2_145_042_905)
    held = hold_dates(given)
    first, last = FIRST_DAY, LAST_DAY
    assert held.values.cast(pa.int32()).to_pylist() == [last, first, 0, None, first, last, first, last]
    assert held.lost is not None
    assert held.lost.tolist() == [0, 1, 4, 5, 6, 7]
    assert printed_dates(given) == [
        "infinity",
        "-infinity",
        "1970-01-01",
        None,
        "0001-12-31 BC",
        "10000-01-01",
        "4714-11-24 BC",
        "5874897-12-31",
    ]


def test_so_are_times_also_those_that_wrapped_around() -> None:
    given = times(LATEST, EARLIEST, None, 0, LAST_MICROSECOND, LAST_MICROSECOND + 1, 2**63, FIRST_MICROSECOND - 1, zone="UTC")
    held = hold_times(given.slice(1))
    first, last = FIRST_MICROSECOND, LAST_MICROSECOND
    assert held.values.cast(pa.int64()).to_pylist() == [first, None, 0, last, last, last, first]
    assert held.lost is not None
    assert held.lost.tolist() == [0, 4, 5, 6]
    assert printed_times(given) == [
        "infinity",
        "-infinity",
        None,
        "1970-01-01 00:00:00+00",
        "9999-12-31 23:59:59.999999+00",
        "10000-01-01 00:00:00+00",
        "294247-01-10 04:00:54.775808+00",
        "0001-12-31 23:59:59.999999+00 BC",
    ]
    assert printed_times(times(0, LATEST)) == ["1970-01-01 00:00:00", "infinity"]


def test_special_numbers_are_spelled_as_postgresql_does() -> None:
    given = pa.array(["1.50", "nan", "inf", "-inf", None])
    assert hold_digits(given) == Held(pa.array(["1.50", "NaN", "Infinity", "-Infinity", None]))


def test_a_decimal_that_is_no_number_is_held_by_null() -> None:
    given = pa.array(["1.50", None, "nan", "-2"])
    held = hold_decimals(given, pa.decimal128(10, 2))
    assert held.values == pa.array([Decimal("1.50"), None, None, Decimal("-2.00")], pa.decimal128(10, 2))
    assert held.lost is not None
    assert held.lost.tolist() == [2]
    assert printed_numbers(given) == ["1.50", None, "NaN", "-2"]
    with pytest.raises(PermanentError, match="a number is none of"):
        hold_decimals(pa.array(["1.505"]), pa.decimal128(10, 2))


def test_texts_stand_behind_the_columns_where_they_are_needed() -> None:
    lake = [LakeColumn(n, None, n, c, c.upper(), "", "", None, datetime.now(UTC)) for n, c in ((1, "d"), (2, "many"))]
    columns = [column("date", name="d"), column("date", name="many", is_array=True)]
    plan = plan_columns(columns, lake=lake)

    def batch(days: pa.Array, items: pa.Array, odd: list[str | None]) -> pa.RecordBatch:
        lists = pa.ListArray.from_arrays(pa.array([0, 1, 3], pa.int32()), items)
        return plan.exact(pa.RecordBatch.from_arrays([days, lists, pa.array(odd, pa.string())], ["d", "many", "odd"]))

    assert batch(dates(0, 1), dates(0, None, 2), [None, None]).schema.names == ["D", "MANY"]
    found = batch(dates(0, LAST_DAY + 1), dates(0, None, 2), [None, None])
    assert found.schema.names == ["D", "MANY", "D exact"]
    assert found.column(2).to_pylist() == [None, "10000-01-01"]
    found = batch(dates(0, 1), dates(0, None, FIRST_DAY - 1), ["{{2026-01-01}}", None])
    assert found.schema.names == ["D", "MANY", "MANY exact"]
    assert found.column(2).to_pylist() == ["{{2026-01-01}}", '{NULL,"0001-12-31 BC"}']
    assert found.column(1).cast(pa.list_(pa.int32())).to_pylist() == [[0], [None, FIRST_DAY]]
