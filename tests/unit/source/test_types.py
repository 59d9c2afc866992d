"""Every type has an exact form, and what a form cannot carry is noticed."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from archival_core.model.chunk import Column
from archival_core.source.wire.columns import plan_columns
from archival_core.source.wire.types import (
    DoesNotFitError,
    exact_dates,
    exact_numeric_text,
    exact_timestamps,
    form_of,
)


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


def test_a_column_can_be_read_as_text() -> None:
    columns = [column("int4", is_array=True, output="int4out"), column("date", name="d", output="date_out")]
    whole = 'CASE WHEN "c" IS DISTINCT FROM NULL THEN pg_catalog.concat("c") END'
    assert plan_columns(columns, as_text={"c", "d"}).select_list == f'{whole}, pg_catalog.textin(pg_catalog.date_out("d"))'


def test_hostile_names_are_quoted() -> None:
    plan = plan_columns([column("uuid", name='a"; DROP TABLE {0}; --', output="uuid_out")])
    assert plan.select_list == 'pg_catalog.textin(pg_catalog.uuid_out("a""; DROP TABLE {0}; --"))'
    assert plan.schema.names == ['a"; DROP TABLE {0}; --']


def test_fields_say_what_they_were_in_postgresql() -> None:
    plan = plan_columns([column("numeric", type_name="numeric(10,2)", modifier=(10 << 16 | 2) + 4)])
    assert plan.schema.field("c").metadata == {b"postgresql.type": b"numeric(10,2)", b"postgresql.not_null": b"false"}


def test_infinite_dates_are_mended() -> None:
    wrapped = pa.array([-2147472692, -2147472691, 0, None, -2_440_588, 2_145_042_905], pa.int32()).cast(pa.date32())
    mended = exact_dates(wrapped).cast(pa.int32()).to_pylist()
    assert mended == [2**31 - 1, -(2**31 - 1), 0, None, -2_440_588, 2_145_042_905]


def test_infinite_timestamps_are_mended() -> None:
    wrapped = pa.array([-9222425352054775809 + 0, -9222425352054775808, 0, None], pa.int64()).cast(pa.timestamp("us"))
    assert exact_timestamps(wrapped).cast(pa.int64()).to_pylist() == [2**63 - 1, -(2**63 - 1), 0, None]


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), -9222426057710551616])
def test_the_last_thirty_years_do_not_fit(value: int) -> None:
    with pytest.raises(DoesNotFitError, match="after 294247"):
        exact_timestamps(pa.array([0, value], pa.int64()).cast(pa.timestamp("us", tz="UTC")))


def test_special_numbers_are_spelled_as_postgresql_does() -> None:
    assert exact_numeric_text(pa.array(["1.50", "nan", "inf", "-inf", None])).to_pylist() == [
        "1.50",
        "NaN",
        "Infinity",
        "-Infinity",
        None,
    ]


def test_an_array_that_a_list_cannot_carry_is_noticed() -> None:
    plan = plan_columns([column("int4", name="many", is_array=True)])
    arrays = [pa.array([[1, None], None], pa.list_(pa.int32())), pa.array([False, False])]
    batch = pa.RecordBatch.from_arrays(arrays, names=["many", "many"])
    assert plan.exact(batch).to_pydict() == {"many": [[1, None], None]}
    odd = pa.RecordBatch.from_arrays([arrays[0], pa.array([False, True])], names=["many", "many"])
    with pytest.raises(DoesNotFitError) as caught:
        plan.exact(odd)
    assert caught.value.column == "many"
