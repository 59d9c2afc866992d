"""What to paste into other engines, so that they read a hypertable: its archived part, and the database beside it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from keyword import iskeyword
from textwrap import fill
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from archival_cli.commands.lake.place import ColumnPlace, Place, literal, python, quoted, remark

_AS_VARCHAR: Final = "CAST({} AS VARCHAR)"


def _duckdb(place: Place) -> str:
    columns = [f"{_in_sql(column)} AS {quoted(column.name)}" for column in place.archived]
    account = literal(urlsplit(place.url).netloc.partition(".")[0])
    azure = (
        ""
        if place.is_local
        else f""" INSTALL azure; LOAD azure;
CREATE SECRET lake (TYPE azure, PROVIDER credential_chain, ACCOUNT_NAME {account});"""
    )
    return f"""INSTALL delta; LOAD delta; INSTALL postgres; LOAD postgres;{azure}
SET TimeZone = 'UTC';
ATTACH 'host=<server> dbname=<database> user=<you>' AS source (TYPE postgres, READ_ONLY);
CREATE VIEW {quoted(place.name)} AS
SELECT {_lines(columns, 7)}
FROM delta_scan({literal(place.address)})
WHERE {place.boundary.condition(_in_sql(place.time))}
UNION ALL BY NAME
SELECT * FROM source.{place.table};
{_remarks(place, "--")}
-- NaN in a numeric(p,s) is NULL in archived rows and 0.00 in live ones, as DuckDB's reader of PostgreSQL has it.
-- A numeric without precision is text in archived rows, and in live ones a DOUBLE, which may be rounded."""


def _spark(place: Place) -> str:
    def value(name: str) -> str:
        return _in_ticks(name)

    def expression(column: ColumnPlace) -> str:
        return column.archived(value, "cast({} as string)")

    columns = [python(f"{expression(column)} AS {value(column.name)}") for column in place.archived]
    spans = place.boundary.spans(expression(place.time), "timestamp{}") or ["false"]
    condition = [python(span if number == 0 else f" OR {span}") for number, span in enumerate(spans)]
    return f"""archived = (
    spark.read.format("delta").load({python(place.address)})
    .where(
        {_between(condition, 8, "")}
    )
    .selectExpr(
        {_between(columns, 8)}
    )
)
live = spark.read.jdbc("jdbc:postgresql://<server>/<database>", {python(_live_table(place))}, properties={{"user": "<you>"}})
{_python(place.name)} = live.unionByName(archived, allowMissingColumns=True)
# needs the packages of Delta Lake and PostgreSQL's JDBC driver
{_remarks(place, "#")}"""


def _polars(place: Place) -> str:
    def value(name: str) -> str:
        return f"pl.col({python(name)})"

    def expression(column: ColumnPlace) -> str:
        return column.archived(value, "{}.cast(pl.String)", "pl.coalesce({})")

    def bound(text: str) -> str:
        if text.lstrip("-").isdigit():
            return text
        if place.time.type == "date":
            return f'date.fromisoformat("{text[:10]}")'
        if place.time.type.endswith("without time zone"):
            text = text.removesuffix("Z")
        return f'datetime.fromisoformat("{text}")'

    gone = "".join(f"    ({bound(begin)}, {bound(end)}),\n" for begin, end in place.boundary.ranges)
    columns = [f"{expression(column)}.alias({python(column.name)})" for column in place.archived]
    options = "" if place.is_local else ', storage_options={"azure_use_azure_cli": "true"}'
    return f"""# needs polars, deltalake, connectorx, pyarrow
from datetime import date, datetime
import polars as pl

gone = [
{gone}]
lake = pl.scan_delta({python(place.address)}{options})
time = {expression(place.time)}
archived = lake.filter(pl.any_horizontal(pl.lit(False), *[time.is_between(*span, closed="left") for span in gone])).select(
    {_between(columns, 4)}
)
live = pl.read_database_uri({python(_live(place))}, "postgresql://<you>@<server>/<database>").lazy()
{_python(place.name)} = pl.concat([live, archived], how="diagonal_relaxed")
{_remarks(place, "#")}
# Columns are cast to text where the lake has text: connectorx does not read an interval, and ends with a panic."""


def _fabric(place: Place) -> str:
    def value(name: str) -> str:
        return "[" + name.replace("]", "]]") + "]"

    def expression(column: ColumnPlace) -> str:
        return column.archived(value, "CAST({} AS VARCHAR(MAX))")

    columns = [f"{expression(column)} AS {value(column.name)}" for column in place.archived]
    # in T-SQL a condition cannot be `false`
    condition = place.boundary.condition(expression(place.time)) if place.boundary.ranges else "1 = 0"
    url = "its folder in a lake of Azure's, where Fabric reaches it" if place.is_local else place.url
    return f"""-- A shortcut below Tables/ of a lakehouse, named {remark(place.name)}, to {url};
-- then in its SQL endpoint, which cannot reach the database:
CREATE VIEW dbo.{value(f"{place.name} archived and gone")} AS
SELECT {_lines(columns, 7)}
FROM dbo.{value(place.name)}
WHERE {condition};
-- All other rows are in the database: mirror it, or ask `archival export`.
{_remarks(place, "--")}"""


def _postgres(place: Place) -> str:
    def value(column: ColumnPlace) -> str:
        if not column.stored:
            return f"NULL::{column.type}"
        values = [f"r[{literal(name)}]::{column.type}" for name, _ in column.stored]
        return values[0] if len(values) == 1 else f"coalesce({', '.join(values)})"

    azure = "" if place.is_local else " SELECT duckdb.install_extension('azure');"
    # a server has a folder of its own
    address = f"<project>/{place.address}" if place.is_local else place.address
    return f"""-- With pg_duckdb on a server of your own; Azure Database for PostgreSQL does not have it.
SELECT duckdb.install_extension('delta');{azure}
CREATE VIEW {quoted(f"{place.name} whole")} AS
SELECT {_lines([quoted(column.name) for column in place.columns], 7)}
FROM {place.table}
UNION ALL
SELECT {_lines([value(column) for column in place.columns], 7)}
FROM delta_scan({literal(address)}) r
WHERE {place.boundary.condition(value(place.time))};
{_remarks(place, "--")}
-- Without pg_duckdb this brings archived rows into a table:
-- archival restore {remark(shlex.quote(place.hypertable))} --into <table>"""


def _in_sql(column: ColumnPlace) -> str:
    return column.archived(quoted, _AS_VARCHAR)


def _in_ticks(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _live(place: Place) -> str:
    """A SELECT of the live rows that PostgreSQL is asked with: of all columns, or with those in it that are made text."""
    columns = ", ".join(column.live for column in place.columns) if any(c.is_made_text for c in place.columns) else "*"
    return f"SELECT {columns} FROM {place.table}"


def _live_table(place: Place) -> str:
    return f"({_live(place)}) AS live"


def _lines(parts: Iterable[str], indent: int) -> str:
    """Parts of SQL, each on its line."""
    return (",\n" + " " * indent).join(parts)


def _between(parts: Iterable[str], indent: int, comma: str = ",") -> str:
    """Arguments in Python, each on its line."""
    return f"{comma}\n{' ' * indent}".join(parts) + comma


def _remarks(place: Place, sign: str) -> str:
    return "\n".join(fill(told, 110, initial_indent=f"{sign} ", subsequent_indent=f"{sign} ") for told in place.remarks)


def _python(name: str) -> str:
    return name if name.isidentifier() and not iskeyword(name) else "whole"


ENGINES: Final[Mapping[str, Callable[[Place], str]]] = MappingProxyType(
    {"duckdb": _duckdb, "spark": _spark, "polars": _polars, "fabric": _fabric, "postgres": _postgres}
)
