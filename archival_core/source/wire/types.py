"""PostgreSQL types and what they become: the one table of forms.

A column's form is decided by its type alone, so that the files of one table agree. A type without an exact Arrow form that
Delta Lake and Spark read goes as the text that PostgreSQL prints under the pinned settings (`session.TEXT_FORMS`), on which
pg_dump relies as well. If a value is outside of the reach of its form, the nearest value stands for it, and its text
travels beside it (`holding`).

A value's text is what the output function of its type prints. A cast to text is something else: users can define casts, and
some of PostgreSQL's own casts print another text (`inet`). The casts that are left here are PostgreSQL's own, which nobody
can replace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from archival_core.model.chunks.chunk import Column
from archival_core.source.wire.holding import (
    Held,
    hold_dates,
    hold_decimals,
    hold_digits,
    hold_times,
    printed_dates,
    printed_numbers,
    printed_times,
)

_AS_IT_IS: Final = "{0}"


@dataclass(frozen=True, slots=True)
class Form:
    """How a type travels from PostgreSQL into Parquet."""

    #: in Parquet
    arrow: pa.DataType
    #: SQL of the value; `{0}` is the column, and alone it is read as its base type
    sql: str = _AS_IT_IS
    #: turns what the driver gives into what the form holds, …
    hold: Callable[[pa.Array], Held] | None = None
    #: … and where that is not PostgreSQL's value, the text that PostgreSQL prints
    printed: Callable[[pa.Array], list[str | None]] | None = None
    #: for docs/types.md
    rule: str = "the value"
    #: whether `sql` is a `text`, or the same by another name
    is_text: bool = False
    #: SQL that makes of the archive's value, `{0}`, one that PostgreSQL's own casts turn into the type
    back: str = _AS_IT_IS
    #: SQL of the value as archives of earlier versions may have it
    earlier: str | None = None
    #: whether two values are the same if the output function prints the same text
    is_told_by_output: bool = True

    @property
    def is_stored(self) -> bool:
        """Whether the value is sent as it is stored, so that asking for it costs the server nothing."""
        return self.sql == _AS_IT_IS


def decimals(precision: int, scale: int) -> Form:
    """numeric(precision,scale) as a decimal."""
    kind = pa.decimal128(precision, scale)
    return Form(kind, hold=lambda array: hold_decimals(array, kind), printed=printed_numbers, rule="the value; NULL for a NaN")


def text_form(output: str | None = None, earlier: str | None = None) -> Form:
    """The text that the type's output function prints. `output` is that function, if `pg_catalog` has it.

    Elsewhere the service's user may have no right to call the function. `concat` finds a type's output function by itself,
    but prints a NULL as the empty text. `IS DISTINCT FROM NULL` is true for a row of NULLs too, and such a row is a value.
    """
    if output is not None:
        sql = f"pg_catalog.textin(pg_catalog.{output}({{0}}))"
    else:
        sql = "CASE WHEN {0} IS DISTINCT FROM NULL THEN pg_catalog.concat({0}) END"
    return Form(pa.string(), sql, rule="its text", is_text=True, earlier=earlier)


def _with_arguments(kind: str, signed: str) -> Form:
    """A function or an operator with its arguments, since several may have its name. Archives of earlier versions have the
    name alone.

    A number, or `-`, stands for a function that does not exist.
    """
    by_name = f"pg_catalog.{kind}in(pg_catalog.textout({{0}}))"
    by_arguments = f"pg_catalog.{signed}in(pg_catalog.textout({{0}}))::pg_catalog.{kind}"
    return Form(
        pa.string(),
        f"pg_catalog.textin(pg_catalog.{signed}out({{0}}))",
        rule=f"its text as `{signed}`, which names its arguments",
        is_text=True,
        back=f"CASE WHEN pg_catalog.right({{0}}, 1) = ')' THEN {by_arguments} ELSE {by_name} END",
        earlier=f"pg_catalog.textin(pg_catalog.{kind}out({{0}}))",
        is_told_by_output=False,
    )


TEXT: Final = text_form()
_NUMERIC: Final = Form(
    pa.string(), hold=hold_digits, rule="its digits; `NaN`, `Infinity` and `-Infinity` as PostgreSQL writes them"
)
_CLOCK_RULE: Final = "{0}, of the years 1 to 9999; the nearest one for the infinities and for what lies beyond"

#: Types of `pg_catalog` by `typname`. A type that is not here goes as `TEXT`.
FORMS: Final[dict[str, Form]] = {
    "int2": Form(pa.int16()),
    "int4": Form(pa.int32()),
    "int8": Form(pa.int64()),
    # the driver reads it signed, in 32 bits
    "oid": Form(pa.int64(), "{0}::pg_catalog.int8", rule="the value, as a wider integer"),
    "float4": Form(pa.float32(), rule="the value; NaN, ±Infinity and -0 too"),
    "float8": Form(pa.float64(), rule="the value; NaN, ±Infinity and -0 too"),
    "bool": Form(pa.bool_()),
    "text": Form(pa.string(), is_text=True),
    "varchar": Form(pa.string(), is_text=True),
    # not cast to text: that would strip its trailing spaces
    "bpchar": Form(pa.string(), rule="the value, padded as PostgreSQL stores it"),
    "name": Form(pa.string()),
    "json": Form(pa.string(), rule="its text, to the letter", back="pg_catalog.json_in(pg_catalog.textout({0}))"),
    "jsonb": Form(pa.string(), rule="its text", back="pg_catalog.jsonb_in(pg_catalog.textout({0}))"),
    # not what is printed: that leaves out a declaration of XML 1.0 and its encoding
    "xml": Form(
        pa.string(),
        "{0}::pg_catalog.text",
        rule="its text as it is stored, with its declaration",
        is_text=True,
        is_told_by_output=False,
    ),
    "bytea": Form(pa.binary()),
    "date": Form(pa.date32(), hold=hold_dates, printed=printed_dates, rule=_CLOCK_RULE.format("days")),
    "timestamp": Form(pa.timestamp("us"), hold=hold_times, printed=printed_times, rule=_CLOCK_RULE.format("microseconds")),
    "timestamptz": Form(
        pa.timestamp("us", tz="UTC"), hold=hold_times, printed=printed_times, rule=_CLOCK_RULE.format("microseconds")
    ),
    "numeric": _NUMERIC,
    # its text depends on lc_monetary, and the driver gives it in an unnamed unit
    "money": Form(
        pa.string(),
        "{0}::pg_catalog.numeric",
        hold=hold_digits,
        rule="the amount as a number, without its currency",
        back="pg_catalog.numeric_in(pg_catalog.textout({0}), 0, -1)",
    ),
    "regproc": _with_arguments("regproc", "regprocedure"),
    "regoper": _with_arguments("regoper", "regoperator"),
}
POSTGIS: Final = Form(pa.binary(), "{0}::pg_catalog.bytea", rule="EWKB: well-known binary with the SRID")
#: Of any shape, its elements as they are stored.
_XML_ARRAY: Final = Form(pa.string(), TEXT.sql.replace("{0}", "{0}::pg_catalog.text[]"), is_text=True)
#: Where PostgreSQL's own cast to text prints something else than the output function: a host's mask.
_EARLIER: Final = {"pg_catalog.inet": "{0}::pg_catalog.text"}


def form_of(column: Column) -> Form:
    """How the column's values travel; of an array, how its elements do."""
    schema, _, name = column.base_type.rpartition(".")
    if schema == "pg_catalog" and name == "numeric" and column.modifier >= 0:
        precision = (column.modifier - 4 >> 16) & 0xFFFF
        scale = ((column.modifier - 4 & 0x7FF) ^ 1024) - 1024
        if 0 <= scale <= precision <= 38:
            return decimals(precision, scale)
    if schema == "pg_catalog" and name in FORMS:
        return FORMS[name]
    if column.extension == "postgis" and name in ("geometry", "geography"):
        return POSTGIS
    return text_form(column.output, _EARLIER.get(column.base_type))


def whole_text(column: Column) -> Form:
    """How the column's values travel where its own form does not hold them all."""
    if not column.is_array:
        return text_form(column.output)
    # The output function that is known is that of an array's elements. From an array of a domain, users can define casts.
    return _XML_ARRAY if column.base_type == "pg_catalog.xml" and not column.has_domain_elements else TEXT
