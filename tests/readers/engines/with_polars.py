"""Polars: `scan_delta`, and plain Parquet files."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl
import pyarrow as pa

from tests.readers.engines.engine import Engine, Lake, condition
from tests.readers.filters import Filter


def delta(lake: Lake) -> Engine:
    """`scan_delta`."""
    return _engine(pl.scan_delta(lake.table))


def plain(lake: Lake) -> Engine:
    """`scan_parquet` of the files that the log names, with the log's schema."""
    schema = pl.scan_delta(lake.table).collect_schema()
    return _engine(pl.scan_parquet(list(lake.files), schema=schema, missing_columns="insert"))


def _engine(table: pl.LazyFrame) -> Engine:
    def rows(columns: list[str]) -> pa.Table:
        return table.select(columns).collect().to_arrow()

    def ids(filter: Filter) -> Iterable[int]:
        column = pl.col(filter.column)
        if filter.kind == "none":
            kept = column.is_null() if filter.operator == "is null" else column.is_not_null()
        else:
            kept = condition(filter, column)
        found: list[int] = table.filter(kept).select("id").collect()["id"].to_list()
        return found

    return Engine(rows, ids, "postgresql")  # type: ignore[arg-type]
