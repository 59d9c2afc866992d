"""The lake's tables as DuckDB's delta extension reads them: another implementation than the service's, and than delta-rs."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb


@cache
def _extension() -> str:
    folder = files("duckdb_extension_delta").joinpath("extensions")
    (found,) = Path(str(folder)).rglob("delta.duckdb_extension")
    return str(found)


def read(table: Path, query: str = "select * from t") -> list[tuple[Any, ...]]:
    """The answer to `query` over the table `t`, which lies in this folder; `f` has the `filename` of each row."""
    with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as connection:
        connection.execute(f"load '{_extension()}'")
        # with the name of each row's file, which is no column of the table
        connection.execute(f"create view f as select filename from delta_scan('{table}')")
        connection.execute(f"create view t as select * from delta_scan('{table}')")
        return connection.execute(query).fetchall()


def count(table: Path) -> int:
    """Rows of the table in this folder."""
    ((rows,),) = read(table, "select count(*) from t")
    return int(rows)
