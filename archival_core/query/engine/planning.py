"""DuckDB's plan of a question, made over empty tables of the same columns, so that nothing is read for it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from archival_core.model.chunks.chunk import quote_identifier
from archival_core.query.scans.predicate import Operator

#: By table and column: the column's type in DuckDB.
type Tables = Mapping[tuple[str, str], Mapping[str, str]]


#: What a plan calls comparisons.
OPERATORS: Final[Mapping[str, Operator]] = {
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "<>",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
}


@contextmanager
def empty_tables(tables: Tables) -> Iterator[Any]:
    """A DuckDB with `tables`, which have no rows, and with access to nothing else. Raises `duckdb.Error`."""
    import duckdb

    with duckdb.connect(":memory:", config={"enable_external_access": False, "threads": 1}) as connection:
        create_empty(connection, tables)
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET schema = 'public'" if any(schema == "public" for schema, _ in tables) else "SELECT 1")
        yield connection


def create_empty(connection: Any, tables: Tables) -> None:
    """Create `tables`, without rows."""
    for (schema, name), types in tables.items():
        listed = ", ".join(f"{quote_identifier(column)} {kind}" for column, kind in types.items())
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(schema)}")
        connection.execute(f"CREATE TABLE {quote_identifier(schema)}.{quote_identifier(name)} ({listed})")


def drop_empty(connection: Any, tables: Tables) -> None:
    """Drop them again."""
    for schema, name in tables:
        connection.execute(f"DROP TABLE {quote_identifier(schema)}.{quote_identifier(name)}")


def optimized_by(connection: Any, wanted: Collection[str]) -> None:
    """From now on plans are optimized by these steps of DuckDB's alone."""
    connection.execute(f"SET disabled_optimizers = '{','.join(sorted(_known_optimizers().difference(wanted)))}'")


@cache
def _known_optimizers() -> frozenset[str]:
    import duckdb

    with duckdb.connect(":memory:") as connection:
        return frozenset(name for (name,) in connection.execute("SELECT name FROM duckdb_optimizers()").fetchall())


def planned(connection: Any, sql: str, *, optimize: bool) -> dict[str, Any]:
    """What `json_serialize_plan` says: `plans`, or `error_type` and `error_message`. Raises `duckdb.Error`."""
    # a parameter of DuckDB has to be a constant here
    [(text,)] = connection.execute(
        f"SELECT json_serialize_plan(?, optimize := {str(optimize).lower()})",
        [sql],
    ).fetchall()
    found: dict[str, Any] = json.loads(text)
    return found
