"""PostgreSQL types ↔ Arrow: the one table of how each column is selected, and what it becomes.

A value is either exactly what PostgreSQL holds or the chunk is refused: what has no exact Arrow form goes as the text that
PostgreSQL prints under the pinned settings (`session.TEXT_FORMS`) and reads back as the same value. Values that a form cannot
carry are found by the server, with the plan's guards, before the copy counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from archival_core.errors import PermanentError
from archival_core.model.chunk import Column, quote_identifier


@dataclass(frozen=True, slots=True)
class Guard:
    """A value that a plan cannot carry, as SQL to count its rows."""

    column: str
    #: SQL that is true for a row with such a value
    condition: str
    #: what the value is, for people
    message: str


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How the columns of a hypertable are read."""

    #: SQL between SELECT and FROM; every output has its column's name
    select_list: str
    #: what arrives; fields carry `postgresql.type` and `postgresql.not_null`
    schema: pa.Schema
    guards: tuple[Guard, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in the hypertable's order."""
        return tuple(self.schema.names)


@dataclass(frozen=True, slots=True)
class _Form:
    """How a base type travels."""

    arrow: pa.DataType
    #: the type in `pg_catalog` that it is cast to in the server; `None` where the driver reads it exactly as it is
    cast: str | None = None
    #: literals of which no value may be equal to one, and a literal that every value must be less than
    never: tuple[str, ...] = ()
    below: str | None = None
    message: str = ""


_TEXT = _Form(pa.string(), cast="text")
#: numeric as decimal128 would lose NaN, the infinities and, without a declared scale, digits.
_AS_TEXT: Final = """
numeric name uuid interval timetz inet cidr macaddr macaddr8 bit varbit xml tsvector tsquery jsonpath pg_lsn
int4range int8range numrange tsrange tstzrange daterange
int4multirange int8multirange nummultirange tsmultirange tstzmultirange datemultirange
point line lseg box path polygon circle
"""

# The driver wraps an infinite date and prints infinite timestamps as ordinary ones; a timestamp counts from 1970 in Arrow and
# from 2000 in PostgreSQL, so its last thirty years do not fit.
_FORMS: Final[dict[str, _Form]] = {
    "int2": _Form(pa.int16()),
    "int4": _Form(pa.int32()),
    "int8": _Form(pa.int64()),
    "oid": _Form(pa.int64(), cast="int8"),
    "float4": _Form(pa.float32()),
    "float8": _Form(pa.float64()),
    "bool": _Form(pa.bool_()),
    "text": _Form(pa.string()),
    "varchar": _Form(pa.string()),
    "bpchar": _Form(pa.string()),  # not cast: that would strip its trailing spaces
    "json": _Form(pa.string()),
    "jsonb": _Form(pa.string()),
    "bytea": _Form(pa.binary()),
    "date": _Form(pa.date32(), never=("'-infinity'", "'infinity'"), message="an infinite date"),
    "time": _Form(pa.time64("us"), never=("'24:00'",), message="the time 24:00"),
    "timestamp": _Form(
        pa.timestamp("us"),
        never=("'-infinity'",),
        below="'294247-01-01'",
        message="an infinite timestamp, or one after the year 294246",
    ),
    "timestamptz": _Form(
        pa.timestamp("us", tz="UTC"),
        never=("'-infinity'",),
        below="'294247-01-01 00:00:00+00'",
        message="an infinite timestamp, or one after the year 294246",
    ),
} | dict.fromkeys(_AS_TEXT.split(), _TEXT)


def plan_columns(columns: Sequence[Column]) -> ColumnPlan:
    """The plan that reads `columns` exactly.

    Raises `PermanentError` (`unsupported-column-type`) that names every column whose type has no exact form here.
    """
    selected: list[str] = []
    fields: list[pa.Field] = []
    guards: list[Guard] = []
    unsupported: list[str] = []
    for column in columns:
        form, is_array = _form(column)
        if form is None:
            unsupported.append(f"{column.name!r} ({column.type_name})")
            continue
        name = quote_identifier(column.name)
        cast = f"::pg_catalog.{form.cast}{'[]' if is_array else ''}" if form.cast else ""
        selected.append(f"{name}{cast} AS {name}")
        metadata = {"postgresql.type": column.type_name, "postgresql.not_null": "true" if column.not_null else "false"}
        fields.append(pa.field(column.name, pa.list_(form.arrow) if is_array else form.arrow, metadata=metadata))
        guards.extend(_guards(column.name, name, form, is_array))
    if unsupported:
        raise PermanentError(
            f"no exact form in Parquet is known for {', '.join(unsupported)}; change the type of the column, or leave this "
            "hypertable out",
            code="unsupported-column-type",
        )
    return ColumnPlan(", ".join(selected), pa.schema(fields), tuple(guards))


def _form(column: Column) -> tuple[_Form | None, bool]:
    """The form of a column, and whether it is an array of it."""
    if column.type_kind == "e":
        return _TEXT, False
    schema, _, base = column.base_type.partition(".")
    if schema != "pg_catalog":
        return None, False
    if base in _FORMS:
        return _FORMS[base], False
    return _FORMS.get(base.removeprefix("_")), True


def _guards(column: str, name: str, form: _Form, is_array: bool) -> list[Guard]:
    if not is_array:
        conditions = [f"{name} = {literal}" for literal in form.never]
        conditions += [f"{name} >= {form.below}"] if form.below else []
        return [Guard(column, " OR ".join(conditions), form.message)] if conditions else []
    shape = Guard(
        column,
        f"pg_catalog.array_ndims({name}) > 1 OR pg_catalog.array_lower({name}, 1) <> 1",
        "an array of more than one dimension, or one that does not begin at 1",
    )
    conditions = [f"{literal} = ANY ({name})" for literal in form.never]
    conditions += [f"{form.below} <= ANY ({name})"] if form.below else []
    return [shape, Guard(column, " OR ".join(conditions), form.message)] if conditions else [shape]
