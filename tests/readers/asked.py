"""`python -m tests.readers.asked ENGINE TABLE < situations`: one engine answers, in its own process and environment.

Prints a line of JSON for each situation: the rows, what each filter gave, or what the engine said in place of an answer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final

from tests.readers.engines import canonical
from tests.readers.engines.engine import Engine, Lake
from tests.readers.filters import Filter
from tests.readers.values import Value

#: module and function of each engine, by its name
ENGINES: Final = {
    "DuckDB, delta": "with_duckdb.delta",
    "DuckDB, files": "with_duckdb.plain",
    "Polars, delta": "with_polars.delta",
    "Polars, files": "with_polars.plain",
    "delta-rs": "with_delta_rs.query",
    "pyarrow, delta": "with_delta_rs.dataset",
    "pyarrow, files": "with_delta_rs.plain",
    "pandas, delta": "with_delta_rs.frame",
    "DataFusion, delta": "with_datafusion.delta",
    "DataFusion, files": "with_datafusion.plain",
    "Daft, delta": "with_daft.delta",
    "Daft, files": "with_daft.plain",
    "ClickHouse, delta": "with_clickhouse.delta",
    "ClickHouse, files": "with_clickhouse.plain",
    "Spark, files": "with_spark.vectorized",
    "Spark, files, by row": "with_spark.by_row",
}


def main() -> None:
    """Answer."""
    name, table = sys.argv[1:]
    module, _, function = ENGINES[name].partition(".")
    opened: Callable[[Lake], Engine] = getattr(import_module(f"tests.readers.engines.{module}"), function)
    engine = opened(_lake(table))
    print(json.dumps({"floats": engine.floats, "nullable_lists": engine.nullable_lists}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        rows = _tried(partial(_rows, engine, asked["columns"]))
        filters = [_tried(partial(_ids, engine, Filter(**filter))) for filter in asked["filters"]]
        print(json.dumps({"rows": rows, "filters": filters}), flush=True)


def _rows(engine: Engine, columns: list[str]) -> list[list[Value]]:
    return canonical.rows(engine.rows(["id", *columns]))


def _ids(engine: Engine, filter: Filter) -> list[int]:
    return sorted(engine.ids(filter))


def _tried(work: Callable[[], Any]) -> Any:
    try:
        return {"answer": work()}
    except BaseException as error:  # an engine's panic is no Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        return {"refused": f"{type(error).__name__}: {error}"[:2000]}


def _lake(table: str) -> Lake:
    from deltalake import DeltaTable

    found = DeltaTable(table)
    return Lake(table, tuple(sorted(found.file_uris())), json.loads(found.schema().to_json()))


if __name__ == "__main__":
    main()
