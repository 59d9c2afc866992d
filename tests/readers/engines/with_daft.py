"""Daft: `read_deltalake`, and plain Parquet files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import daft
import pyarrow as pa

from tests.readers.engines.engine import Engine, Lake, condition, literal
from tests.readers.filters import Filter, Kind


def delta(lake: Lake) -> Engine:
    """`read_deltalake`."""
    return _engine(daft.read_deltalake(lake.table))


def plain(lake: Lake) -> Engine:
    """`read_parquet` of the files that the log names, with the log's schema."""
    schema = daft.read_deltalake(lake.table).schema()
    return _engine(daft.read_parquet(list(lake.files), schema={field.name: field.dtype for field in schema}))


def _engine(table: daft.DataFrame) -> Engine:
    types = {field.name: field.dtype for field in table.schema()}

    def rows(columns: Sequence[str]) -> pa.Table:
        return table.select(*columns).to_arrow()

    def ids(filter: Filter) -> Iterable[int]:
        column = daft.col(filter.column)
        if filter.kind == "none":
            kept = column.is_null() if filter.operator == "is null" else column.not_null()
        else:
            kept = condition(filter, column, lambda kind, text: _literal(kind, text, types[filter.column]))
        found: list[int] = table.where(kept).select("id").to_pydict()["id"]
        return found

    return Engine(rows, ids, "total")


def _literal(kind: Kind, text: str, dtype: Any) -> Any:
    return daft.lit(literal(kind, text)).cast(dtype)
