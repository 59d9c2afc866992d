"""How a question reads each table: what its plan says of the rows that it needs, before anything is read.

DuckDB's own reader of Parquet opens every file that it is given. So the files are chosen beforehand, by DuckDB's plan of the
question over empty tables of the same columns. The plan is made in the transaction that answers the question, so that `now()`
is the same moment in both. DuckDB applies its conditions once more, so whatever is not read here for certain is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from archival_core.query.engine.planning import OPERATORS, Tables, create_empty, drop_empty, optimized_by, planned
from archival_core.query.scans.predicate import Comparison, Predicate, all_of, any_of

#: What moves conditions to where tables are read, and computes constants. By the statistics of empty tables some would be left
#: out.
_OPTIMIZERS: Final = frozenset({"cte_inlining", "expression_rewriter", "filter_pullup", "filter_pushdown", "in_clause"})
#: Types of time columns whose values are numbers, in a plan as in manifests.
_COUNTED: Final = frozenset({"SMALLINT", "INTEGER", "BIGINT", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"})


@dataclass(frozen=True, slots=True)
class Reading:
    """How a table is read, in all places where the question names it."""

    #: holds of every row that has a part in the answer, and compares columns with numbers; `None` if nothing is known
    condition: Predicate | None
    #: types of what joins compare, DuckDB's names of them: while it answers, DuckDB may learn from the one side of a join which
    #: values the other one needs
    joined: frozenset[str]


def readings(connection: Any, sql: str, tables: Tables) -> dict[tuple[str, str], Reading]:
    """By table; nothing of a question that DuckDB has no plan for. `connection` is as it was, and has begun its transaction.

    Raises `duckdb.Error`, and `KeyError` where a plan looks otherwise than ever.
    """
    create_empty(connection, tables)
    optimized_by(connection, _OPTIMIZERS)
    plan = planned(connection, sql, optimize=True)
    connection.execute("RESET disabled_optimizers")
    drop_empty(connection, tables)
    found: dict[tuple[str, str], list[Reading]] = {}
    for table, reading in _read(plan.get("plans"), frozenset()):
        found.setdefault(table, []).append(reading)
    return {
        table: Reading(any_of([one.condition for one in each]), frozenset().union(*(one.joined for one in each)))
        for table, each in found.items()
    }


def _read(node: Any, joined: frozenset[str]) -> Iterator[tuple[tuple[str, str], Reading]]:
    """Each reading of a table, wherever in the plan it stands: one that was missed would miss rows."""
    if isinstance(node, dict):
        data = node.get("function_data") or {}
        if node.get("type") == "LOGICAL_GET" and "table" in data:
            conditions = [_condition(node["names"], one) for one in node["table_filters"]["filters"]]
            yield (data["schema"], data["table"]), Reading(all_of(conditions), joined)
        if str(node.get("type")).endswith("_JOIN"):
            joined |= set(_types(node.get("conditions")))
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _read(child, joined)


def _condition(columns: Sequence[str], entry: Mapping[str, Any]) -> Predicate | None:
    return _filter(columns[entry["key"]], entry["value"]) if entry["key"] < len(columns) else None


def _filter(column: str, node: Mapping[str, Any] | None) -> Predicate | None:
    match node and node["filter_type"], node:
        case "CONSTANT_COMPARISON", {"comparison_type": str(kind), "constant": constant} if kind in OPERATORS:
            value = _number(constant)
            return None if value is None else Comparison(column, OPERATORS[kind], value)
        case "CONJUNCTION_AND", {"child_filters": children}:
            return all_of([_filter(column, child) for child in children])
        case "CONJUNCTION_OR", {"child_filters": children}:
            return any_of([_filter(column, child) for child in children])
        case "OPTIONAL_FILTER", {"child_filter": child}:
            # it is implied by a condition that the plan applies besides
            return _filter(column, child)
        case "IN_FILTER", {"values": values}:
            numbers = [_number(one) for one in values]
            return any_of([None if number is None else Comparison(column, "=", number) for number in numbers])
    return None


def _number(constant: Mapping[str, Any]) -> int | None:
    value = constant.get("value")
    is_counted = constant["type"]["id"] in _COUNTED and not constant["is_null"]
    return value if is_counted and isinstance(value, int) else None


def _types(node: Any) -> Iterator[str]:
    """Types of all that is computed in conditions of a join."""
    if isinstance(node, list):
        for one in node:
            yield from _types(one)
    elif isinstance(node, dict):
        if "return_type" in node:
            yield node["return_type"]["id"]
        for one in node.values():
            yield from _types(one)
