"""DataFusion: a Delta table of delta-rs's, and plain Parquet files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import datafusion
import pyarrow as pa
from deltalake import DeltaTable

from tests.readers.engines.engine import Engine, Lake, by_sql
from tests.readers.engines.sql import Dialect
from tests.readers.filters import Kind

#: a timestamp that is cast without more is in nanoseconds, whose years end in 2262
LITERALS: Final[Mapping[Kind, str]] = {
    "local": "arrow_cast('{0}', 'Timestamp(Microsecond, None)')",
    "moment": "arrow_cast('{0}', 'Timestamp(Microsecond, Some(\"UTC\"))')",
}
_DIALECT = Dialect(literals=LITERALS)


def delta(lake: Lake) -> Engine:
    """`register_table` of a `DeltaTable`."""
    context = datafusion.SessionContext()
    context.register_table("t", DeltaTable(lake.table))
    return _engine(context)


def plain(lake: Lake) -> Engine:
    """A listing table over each folder of the table, with the log's schema."""
    schema = pa.schema(DeltaTable(lake.table).schema().to_arrow())
    context = datafusion.SessionContext()
    parts = [context.read_parquet(file, schema=schema) for file in lake.files]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.union(part)
    context.register_view("t", whole)
    return _engine(context)


def _engine(context: datafusion.SessionContext) -> Engine:
    def run(sql: str) -> pa.Table:
        return context.sql(sql).to_arrow_table()

    return by_sql(run, _DIALECT, "t")
