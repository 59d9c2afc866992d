"""delta-rs: its own query engine, a dataset of pyarrow's, and a frame of pandas's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable, QueryBuilder

from tests.readers.engines.engine import Engine, Lake, by_sql, condition
from tests.readers.engines.sql import Dialect
from tests.readers.engines.with_datafusion import LITERALS
from tests.readers.filters import Filter, Kind

_DIALECT = Dialect(literals=LITERALS)


def query(lake: Lake) -> Engine:
    """`QueryBuilder`, which is DataFusion with delta-rs's own statistics."""
    builder = QueryBuilder().register("t", DeltaTable(lake.table))

    def run(sql: str) -> pa.Table:
        return pa.table(builder.execute(sql).read_all())

    return by_sql(run, _DIALECT, "t")


def dataset(lake: Lake) -> Engine:
    """`to_pyarrow_dataset`, whose fragments know the log's statistics."""
    return of_dataset(DeltaTable(lake.table).to_pyarrow_dataset())


def plain(lake: Lake) -> Engine:
    """pyarrow's own dataset over the files that the log names, with the log's schema."""
    schema = pa.schema(DeltaTable(lake.table).schema().to_arrow())
    return of_dataset(ds.dataset(list(lake.files), schema=schema))


def of_dataset(table: Any) -> Engine:
    """An engine over a dataset of pyarrow's."""

    def rows(columns: Sequence[str]) -> pa.Table:
        return table.to_table(columns=list(columns))

    def ids(filter: Filter) -> Iterable[int]:
        column = ds.field(filter.column)
        kind = table.schema.field(filter.column).type
        if filter.kind == "none":
            kept = column.is_null() if filter.operator == "is null" else column.is_valid()
        else:
            kept = condition(filter, column, lambda own, text: _scalar(own, text, kind))
        found: list[int] = table.to_table(columns=["id"], filter=kept).column(0).to_pylist()
        return found

    return Engine(rows, ids, "ieee")


def frame(lake: Lake) -> Engine:
    """`to_pandas`, with pandas's Arrow types: its own have no NULL beside NaN."""
    table: pd.DataFrame = DeltaTable(lake.table).to_pandas(types_mapper=pd.ArrowDtype)

    def rows(columns: Sequence[str]) -> pa.Table:
        return pa.Table.from_pandas(table[list(columns)], preserve_index=False)

    def ids(filter: Filter) -> Iterable[int]:
        column = table[filter.column]
        if filter.kind == "none":
            kept = column.isna() if filter.operator == "is null" else column.notna()
        else:
            kind = column.dtype.pyarrow_dtype
            kept = condition(filter, column, lambda own, text: _scalar(own, text, kind).as_py()).fillna(False)
        found: list[int] = table.loc[kept.astype(bool), "id"].tolist()
        return found

    return Engine(rows, ids, "ieee")


def _scalar(kind: Kind, text: str, arrow: pa.DataType) -> pa.Scalar:
    from tests.readers.engines.engine import literal

    return pa.scalar(literal(kind, text), arrow)
