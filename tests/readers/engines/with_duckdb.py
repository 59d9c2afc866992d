"""DuckDB: its delta extension, which is delta-kernel, and plain Parquet files."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import duckdb
import pyarrow as pa

from tests.readers.engines.engine import Engine, Lake, by_sql
from tests.readers.engines.sql import Dialect

_DIALECT = Dialect()


def delta(lake: Lake) -> Engine:
    """`delta_scan`."""
    connection = _connection()
    (extension,) = Path(str(files("duckdb_extension_delta"))).rglob("delta.duckdb_extension")
    connection.execute(f"load '{extension}'")
    return _engine(connection, f"delta_scan('{lake.table}')")


def plain(lake: Lake) -> Engine:
    """`read_parquet` of the files that the log names."""
    listed = ", ".join(f"'{file}'" for file in lake.files)
    return _engine(_connection(), f"read_parquet([{listed}], union_by_name=true)")


def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _engine(connection: duckdb.DuckDBPyConnection, table: str) -> Engine:
    def run(sql: str) -> pa.Table:
        return connection.execute(sql).to_arrow_table()

    return by_sql(run, _DIALECT, table)
