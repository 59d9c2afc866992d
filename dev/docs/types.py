"""docs/types.md, from the table of forms."""

from __future__ import annotations

import io
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from archival_core.source.wire.types import FORMS, POSTGIS, TEXT, decimals
from dev.stack.state import ROOT

TYPES_FILE: Final = ROOT / "docs" / "types.md"

#: SQL names of `typname`s that people would not look for.
_NAMES: Final = {
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
    "varchar": "varchar(n)",
    "bpchar": "char(n)",
    "timestamp": "timestamp",
    "numeric": "numeric, numeric(p,s) with p > 38, s > p or s < 0",
}
#: Examples of what goes as its text.
_AS_TEXT: Final = (
    "time, timetz, interval, uuid, bit, varbit, inet, cidr, macaddr, macaddr8, tsvector, tsquery, jsonpath, pg_lsn,"
    " xid, regclass and its like, point and other geometric types, ranges and multiranges, enums, composites, hstore, ltree,"
    " citext, and every type that is not named here"
)

_INTRODUCTION: Final = """# PostgreSQL types and their form in Parquet

Generated from `archival_core/source/wire/types.py` by `make docs`.

A column's form is decided by its type alone, so that all files of a table agree. What has no exact form that Delta Lake and
Spark can read goes as its text: what the type's output function prints (`TimeZone` UTC, `DateStyle` ISO, `IntervalStyle`
postgres, shortest exact floating point). `pg_dump` relies on the same text: the type's input function makes the same value of
it. Casts to text and back have no part in this, because users can define them. Each field's metadata names the column
(`postgresql.name`), its PostgreSQL type (`postgresql.type`) and whether it was NOT NULL (`postgresql.not_null`); the manifest
has all three too, and the DDL.

A value that its form does not hold leaves the column as it is: the column holds the nearest value that every reader can hold,
and the row's `_archival_exact`, a map of column to text, has what PostgreSQL prints of the true one. Restores, digests and
every proof go by the truth. The map is the last column of a file, and only of a file that needs it.

| Value | What the column holds |
| --- | --- |
| a date before the year 1, `-infinity` | 0001-01-01 |
| a date after the year 9999, `infinity` | 9999-12-31 |
| a timestamp before the year 1, `-infinity` | 0001-01-01 00:00:00 (UTC, of a timestamptz) |
| a timestamp after the year 9999, `infinity` | 9999-12-31 23:59:59.999999 |
| NaN in a `numeric(p,s)` | NULL |
| an array of more dimensions than one, or that does not begin at 1 | NULL |
| an array with such an element | the array, with the nearest of each element |

A column has no bounds in the statistics of a file in which one of its values is corrected, and a column of floats none in a
file where it holds a NaN: a reader that goes by bounds would miss rows. Where it holds a -0 it has no dictionary: Spark would
look for 0 there, and miss rows. A table's log has no bounds of floats at all.

"""
_REST: Final = """
- A domain has the form of the type below it; generated and identity columns have that of their type, and the manifest says how
  PostgreSQL filled them (`generated`). Dropped columns are left out.
- An array of one dimension that begins at 1 is a list of its elements' form, NULL elements included. An `int2vector` and an
  `oidvector` begin at 0 and go as text.
- Dates and timestamps are of the proleptic Gregorian calendar, as in PostgreSQL.
- A value that stands for an object of the database (`regclass` and its like) is the object's name, `-` for none, and a number
  for an object that was not there any more. It is restored by its name: [restore.md](restore.md) says what to do where that is
  gone.
- A value inside a composite or a range is what PostgreSQL prints of it, which leaves out an XML declaration.
- Archives of before tables had a schema have the hypertable's own column names and no map. In them, the infinities of dates
  and timestamps are ±(2^31 - 1) and ±(2^63 - 1), BC and far dates are themselves, and one value without a form made the whole
  column of that chunk text; the manifest's `columns` tell which form a column has. They are restored as ever, and
  `archival tables migrate` writes them anew in today's form ([upgrade.md](upgrade.md#archives-of-before-tables-had-a-schema)).
- Older archives may have a host in `inet` with its mask (`10.0.0.1/32`), and a function or an operator without its arguments.
  They are restored all the same.
- A text column of a database in SQL_ASCII is refused, since nobody knows what its bytes mean.
"""


def types_document() -> str:
    """The whole page."""
    rows = [(_NAMES.get(name, name), form.arrow, form.rule) for name, form in FORMS.items()]
    rows.insert(
        [row[0] for row in rows].index(_NAMES["numeric"]),
        ("numeric(p,s), p up to 38", decimals(38, 10).arrow, decimals(38, 10).rule),
    )
    rows += [
        ("geometry, geography (PostGIS)", POSTGIS.arrow, POSTGIS.rule),
        (_AS_TEXT, TEXT.arrow, TEXT.rule),
    ]
    lines = ["| PostgreSQL | Arrow | Parquet | What is kept |", "| --- | --- | --- | --- |"]
    for name, arrow, rule in rows:
        shown = "decimal128(p,s)" if pa.types.is_decimal(arrow) else str(arrow)
        lines.append(f"| {name} | {shown} | {_parquet_name(arrow)} | {rule} |")
    return _INTRODUCTION + "\n".join(lines) + "\n" + _REST


def _parquet_name(kind: pa.DataType) -> str:
    """As a Parquet file really has it."""
    file = io.BytesIO()
    pq.write_table(pa.table({"c": pa.array([], kind)}), file, version="2.6")
    column = pq.ParquetFile(file).schema.column(0)
    logical = str(column.logical_type).partition("(")[0]
    if pa.types.is_decimal(kind):
        return "DECIMAL(p,s)"
    return column.physical_type if logical == "None" else f"{column.physical_type}, {logical}"
