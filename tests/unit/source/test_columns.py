"""Every type either has an exact form or is named in an error."""

import pyarrow as pa
import pytest

from archival_core.errors import PermanentError
from archival_core.model.chunk import Column
from archival_core.source.columns import plan_columns


def column(
    base: str, *, name: str = "c", type_name: str | None = None, kind: str = "b", not_null: bool = False, modifier: int = -1
) -> Column:
    return Column(name, type_name or base, not_null, kind, base if "." in base else f"pg_catalog.{base}", modifier)


@pytest.mark.parametrize(
    ("base", "arrow"),
    [
        ("int2", pa.int16()),
        ("int4", pa.int32()),
        ("int8", pa.int64()),
        ("float4", pa.float32()),
        ("float8", pa.float64()),
        ("bool", pa.bool_()),
        ("text", pa.string()),
        ("varchar", pa.string()),
        ("bpchar", pa.string()),
        ("json", pa.string()),
        ("jsonb", pa.string()),
        ("bytea", pa.binary()),
        ("date", pa.date32()),
        ("time", pa.time64("us")),
        ("timestamp", pa.timestamp("us")),
        ("timestamptz", pa.timestamp("us", tz="UTC")),
    ],
)
def test_what_the_driver_reads_exactly_is_selected_as_it_is(base: str, arrow: pa.DataType) -> None:
    plan = plan_columns([column(base)])
    assert plan.select_list == '"c" AS "c"'
    assert plan.schema.field("c").type == arrow


@pytest.mark.parametrize(
    "base", ["numeric", "uuid", "interval", "timetz", "inet", "bit", "xml", "tsvector", "tstzrange", "datemultirange", "name"]
)
def test_what_has_no_arrow_type_goes_as_its_text(base: str) -> None:
    plan = plan_columns([column(base), column(f"_{base}", name="many")])
    assert plan.select_list == '"c"::pg_catalog.text AS "c", "many"::pg_catalog.text[] AS "many"'
    assert plan.schema.types == [pa.string(), pa.list_(pa.string())]


def test_an_oid_would_wrap_so_it_is_selected_as_bigint() -> None:
    plan = plan_columns([column("oid")])
    assert (plan.select_list, plan.schema.field("c").type) == ('"c"::pg_catalog.int8 AS "c"', pa.int64())


def test_an_enum_is_text_wherever_it_is_defined() -> None:
    assert plan_columns([column("my.schema.mood", kind="e")]).schema.types == [pa.string()]


def test_a_domain_is_read_as_its_base_type() -> None:
    assert plan_columns([column("int4", type_name="public.port", kind="d")]).schema.types == [pa.int32()]


def test_fields_say_what_they_were_in_postgresql() -> None:
    plan = plan_columns([column("numeric", type_name="numeric(10,2)", not_null=True), column("text", name="b")])
    assert plan.schema.field("c").metadata == {b"postgresql.type": b"numeric(10,2)", b"postgresql.not_null": b"true"}
    assert plan.schema.field("b").metadata[b"postgresql.not_null"] == b"false"
    assert plan.names == ("c", "b")


def test_hostile_names_are_quoted() -> None:
    plan = plan_columns([column("uuid", name='a"; DROP TABLE x; --')])
    assert plan.select_list == '"a""; DROP TABLE x; --"::pg_catalog.text AS "a""; DROP TABLE x; --"'
    assert plan.names == ('a"; DROP TABLE x; --',)


@pytest.mark.parametrize(
    ("base", "kind"),
    [
        ("money", "b"),
        ("regclass", "b"),
        ("int2vector", "b"),
        ("_money", "b"),
        ("public.geometry", "b"),
        ("public._mood", "b"),
        ("public.pair", "c"),
        ("public.floatrange", "r"),
    ],
)
def test_other_types_are_refused_with_column_and_type(base: str, kind: str) -> None:
    with pytest.raises(PermanentError, match=rf"'odd' \({base}\)") as caught:
        plan_columns([column("int4"), column(base, name="odd", type_name=base, kind=kind)])
    assert caught.value.code == "unsupported-column-type"


def test_every_refused_column_is_named() -> None:
    with pytest.raises(PermanentError, match=r"'a' \(money\), 'b' \(regclass\)"):
        plan_columns([column("money", name="a"), column("regclass", name="b")])


def test_guards_stand_where_a_value_could_change() -> None:
    assert plan_columns([column(base) for base in ("int4", "text", "numeric", "uuid", "oid")]).guards == ()
    (guard,) = plan_columns([column("timestamptz")]).guards
    assert guard.condition == """"c" = '-infinity' OR "c" >= '294247-01-01 00:00:00+00'"""
    shape, values = plan_columns([column("_date")]).guards
    assert "array_ndims" in shape.condition
    assert values.condition == """'-infinity' = ANY ("c") OR 'infinity' = ANY ("c")"""
