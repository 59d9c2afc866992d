"""What every engine does here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from tests.readers.engines.sql import Dialect
from tests.readers.filters import Filter, Floats, Kind


@dataclass(frozen=True, slots=True)
class Lake:
    """The table, as an engine is pointed at it."""

    #: its folder
    table: str
    #: Parquet files that are in it, as its log says
    files: tuple[str, ...]
    #: the log's schema, as the protocol writes it
    schema: Mapping[str, Any]

    @property
    def binary(self) -> frozenset[str]:
        """Columns of bytes."""
        return frozenset(field["name"] for field in self.schema["fields"] if field["type"] == "binary")


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine with the table open."""

    #: the columns of every row
    rows: Callable[[Sequence[str]], pa.Table]
    #: the `id` of each row that answers a filter, which the engine may push down
    ids: Callable[[Filter], Iterable[int]]
    floats: Floats
    #: whether an array and a map can be NULL, or are empty then
    nullable_lists: bool = True


def literal(kind: Kind, text: str) -> Any:
    """A literal as Python's own value."""
    match kind:
        case "integer":
            return int(text)
        case "float":
            return float(text)
        case "decimal":
            return Decimal(text)
        case "boolean":
            return text == "true"
        case "date":
            return date.fromisoformat(text)
        case "local" | "moment":
            return datetime.fromisoformat(text)
        case _:
            return text


def condition(filter: Filter, column: Any, value: Callable[[Kind, str], Any] = literal) -> Any:
    """The filter as an expression of an engine whose columns compare as Python's values do; not for IS NULL."""
    wanted = value(filter.kind, filter.literal)
    match filter.operator:
        case "=":
            found = column == wanted
        case ">":
            found = column > wanted
        case ">=":
            found = column >= wanted
        case "not <":
            return ~(column < wanted)
        case _:
            found = column < wanted
    return found if filter.upper is None else found & (column < value(filter.kind, filter.upper))


def by_sql(
    run: Callable[[str], pa.Table],
    dialect: Dialect,
    table: str,
    floats: Floats = "postgresql",
    nullable_lists: bool = True,
) -> Engine:
    """An engine that is asked in SQL."""
    return Engine(
        rows=lambda columns: run(dialect.select(columns, table)),
        ids=lambda filter: run(dialect.ids(filter, table)).column(0).to_pylist(),
        floats=floats,
        nullable_lists=nullable_lists,
    )
