"""ClickHouse inside Python (chdb): `deltaLakeLocal`, and plain Parquet files."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import chdb.session
import pyarrow as pa

from tests.readers.engines.engine import Engine, Lake, by_sql
from tests.readers.engines.sql import Dialect

_DIALECT = Dialect(
    quote="`",
    literals={
        "float": "toFloat64('{0}')",
        "decimal": "toDecimal64('{0}', 4)",
        "date": "toDate32('{0}')",
        "local": "toDateTime64('{0}', 6, 'UTC')",
        "moment": "toDateTime64('{0}', 6, 'UTC')",
    },
    spelled=lambda text: text.removesuffix("+00:00"),
)


def delta(lake: Lake) -> Engine:
    """`deltaLakeLocal`."""
    return _engine(f"deltaLakeLocal('{lake.table}')", lake.binary)


def plain(lake: Lake) -> Engine:
    """`file` of the files that the log names."""
    names = ",".join(file.removeprefix(lake.table + "/").removesuffix(".parquet") for file in lake.files)
    return _engine(f"file('{lake.table}/{{{names}}}.parquet', 'Parquet')", lake.binary)


def _engine(table: str, binary: Collection[str]) -> Engine:
    session = chdb.session.Session()
    session.query("set session_timezone = 'UTC'")
    session.query("set schema_inference_mode = 'union', schema_inference_make_columns_nullable = 1")

    def run(sql: str) -> pa.Table:
        content = session.query(sql, "ArrowStream").bytes()
        return pa.ipc.open_stream(content).read_all() if content else pa.table({"id": []})

    dialect = replace(_DIALECT, forms=dict.fromkeys(binary, "lower(hex({0})) as {0}"))
    return by_sql(run, dialect, table, "ieee", nullable_lists=False)
