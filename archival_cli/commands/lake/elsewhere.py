"""What to paste into other engines, so that they read a hypertable: its archived part, and the database beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from archival_cli.commands.lake.boundary import Boundary


@dataclass(frozen=True, slots=True)
class Place:
    """Where a hypertable's table in the lake is, and what of it is gone from the database."""

    hypertable: str
    time_column: str
    #: `https://…/<filesystem>/tables/<schema>.<table>`
    url: str
    boundary: Boundary

    @property
    def abfss(self) -> str:
        """The same as Hadoop's readers write it."""
        parts = urlsplit(self.url)
        filesystem, _, path = parts.path.strip("/").partition("/")
        return f"abfss://{filesystem}@{parts.netloc}/{path}"

    @property
    def column(self) -> str:
        """The time column in SQL."""
        return '"' + self.time_column.replace('"', '""') + '"'

    @property
    def name(self) -> str:
        """For a view: the table's own name, without its schema."""
        return self.hypertable.rpartition(".")[2].strip('"')


def _duckdb(place: Place) -> str:
    return f"""INSTALL delta; LOAD delta; INSTALL postgres; LOAD postgres; INSTALL azure; LOAD azure;
SET TimeZone = 'UTC';
CREATE SECRET lake (TYPE azure, PROVIDER credential_chain, ACCOUNT_NAME '{urlsplit(place.url).netloc.partition(".")[0]}');
ATTACH 'host=<server> dbname=<database> user=<you>' AS source (TYPE postgres, READ_ONLY);
CREATE VIEW "{place.name}" AS
SELECT COLUMNS(c -> NOT starts_with(c, '_archival')) FROM delta_scan('{place.abfss}')
WHERE {place.boundary.condition(place.column)}
UNION ALL BY NAME
SELECT * FROM source.{place.hypertable};
-- DuckDB's reader of PostgreSQL has a numeric without precision as DOUBLE, and NaN in a numeric as 0."""


def _spark(place: Place) -> str:
    condition = place.boundary.condition(f"`{place.time_column}`", "timestamp{}")
    return f'''archived = (
    spark.read.format("delta").load("{place.abfss}")
    .where("""{condition}""")
    .drop("_archival_exact")
)
live = spark.read.jdbc("jdbc:postgresql://<server>/<database>", "{place.hypertable}", properties={{"user": "<you>"}})
{_python(place.name)} = live.unionByName(archived, allowMissingColumns=True)'''


def _polars(place: Place) -> str:
    def value(bound: str) -> str:
        return bound if bound.lstrip("-").isdigit() else f'datetime.fromisoformat("{bound}")'

    gone = "".join(f"    ({value(begin)}, {value(end)}),\n" for begin, end in place.boundary.ranges)
    return f'''from datetime import datetime
import polars as pl

gone = [
{gone}]
lake = pl.scan_delta("{place.abfss}", storage_options={{"azure_use_azure_cli": "true"}})
time = pl.col("{place.time_column}")
archived = lake.filter(pl.any_horizontal(pl.lit(False), *[time.is_between(*span, closed="left") for span in gone]))
live = pl.read_database_uri("SELECT * FROM {place.hypertable}", "postgresql://<you>@<server>/<database>").lazy()
{_python(place.name)} = pl.concat([live, archived.drop("_archival_exact", strict=False)], how="diagonal_relaxed")'''


def _fabric(place: Place) -> str:
    return f"""-- A shortcut below Tables/ of a lakehouse, named {place.name}, to {place.url};
-- then in its SQL endpoint, which cannot reach the database:
CREATE VIEW dbo.[{place.name} archived and gone] AS
SELECT * FROM dbo.[{place.name}]
WHERE {place.boundary.condition(f"[{place.time_column}]")};
-- All other rows are in the database: mirror it, or ask `archival export`."""


def _postgres(place: Place) -> str:
    return f"""-- With pg_duckdb on a server of your own; Azure Database for PostgreSQL does not have it.
SELECT duckdb.install_extension('delta'); SELECT duckdb.install_extension('azure');
CREATE VIEW "{place.name} whole" AS
SELECT * FROM {place.hypertable}
UNION ALL
SELECT <columns of {place.hypertable}, each as r['name']::type> FROM delta_scan('{place.abfss}') r
WHERE {place.boundary.condition(f"r['{place.time_column}']::timestamptz")};
-- Without pg_duckdb: `archival restore {place.hypertable} --into <table>` brings archived rows into a table."""


def _python(name: str) -> str:
    return name if name.isidentifier() else "whole"


ENGINES: Final[Mapping[str, Callable[[Place], str]]] = MappingProxyType(
    {"duckdb": _duckdb, "spark": _spark, "polars": _polars, "fabric": _fabric, "postgres": _postgres}
)
