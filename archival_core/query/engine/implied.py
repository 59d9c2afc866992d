"""What a question says of the rows of each table by an OR over several columns, which DuckDB hands down to no scan.

DuckDB plans the question over empty tables of the same columns, and the plan shows which conditions stand directly above each
reading of a table: rows that do not meet them have no part in the answer. These conditions let a scan leave rows out. DuckDB
applies them once more, so that a scan may let rows through. So whatever is not read here for certain is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from archival_core.query.engine.planning import OPERATORS, Tables, empty_tables, optimized_by, planned
from archival_core.query.scans.predicate import Comparison, Operator, Predicate, Presence, Value, all_of, any_of, columns_of

_HAS_OR: Final = re.compile(r"\bor\b", re.IGNORECASE)
#: Nothing but what moves conditions: statistics of an empty table would have some left out, and `now()` has one value in this
#: plan and another one in the answer.
_OPTIMIZERS: Final = frozenset({"filter_pullup", "filter_pushdown", "cte_inlining"})
_TURNED: Final[Mapping[Operator, Operator]] = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
#: Types whose values scans compare.
_COMPARED: Final = frozenset(
    {"SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN", "VARCHAR", "BLOB", "DATE"}
    | {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}
)
_MOST_OPTIONS: Final = 100


def implied(sql: str, tables: Tables) -> dict[tuple[str, str], Predicate]:
    """By table: what holds of each of its rows that has a part in the answer. Tables without such a condition are left out."""
    if not _HAS_OR.search(sql):
        return {}
    with empty_tables(tables) as connection:
        optimized_by(connection, _OPTIMIZERS)
        # what is wrong with the question is said by whoever answers it
        found: dict[tuple[str, str], list[Predicate | None]] = {}
        for plan in planned(connection, sql, optimize=True).get("plans", ()):
            for table, columns, above in _readings(plan):
                found.setdefault(table, []).append(_Reader(connection, columns).over_several(above))
    conditions = {table: any_of(readings) for table, readings in found.items()}
    return {table: condition for table, condition in conditions.items() if condition is not None}


def _readings(node: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], list[str], list[Any]]]:
    """Each reading of a table: its name, the columns that it gives, and the conditions directly above it."""
    for child in node.get("children", ()):
        # a function that takes rows is a reading of its own, with the reading that gives them below it
        yield from _readings(child)
        data = child.get("function_data") or {}
        if child["type"] == "LOGICAL_GET" and "table" in data:
            columns = [
                child["names"][one["index"]] if one["index"] < len(child["names"]) else "" for one in child["column_indexes"]
            ]
            given = [columns[place] for place in child["projection_ids"]] or columns
            conditions = node["expressions"] if node["type"] == "LOGICAL_FILTER" else []
            yield (data["schema"], data["table"]), given, conditions


class _Reader:
    """Reads conditions of a plan; `None` is what cannot be read."""

    def __init__(self, connection: Any, columns: Sequence[str]) -> None:
        self._connection, self._columns = connection, columns

    def over_several(self, conditions: Sequence[Any]) -> Predicate | None:
        """Those that look at several columns: DuckDB hands down the others."""
        found = [self._read(one) for one in conditions if one["type"] == "CONJUNCTION_OR"]
        return all_of([one for one in found if len(columns_of(one)) > 1])

    def _read(self, node: Mapping[str, Any]) -> Predicate | None:
        children = node.get("children") or []
        match node["type"]:
            case "CONJUNCTION_AND":
                return all_of([self._read(child) for child in children])
            case "CONJUNCTION_OR":
                return any_of([self._read(child) for child in children])
            case "OPERATOR_IS_NULL" | "OPERATOR_IS_NOT_NULL" as kind:
                column = self._column(children[0])
                return None if column is None else Presence(column, kind == "OPERATOR_IS_NULL")
            case "COMPARE_IN" if len(children) <= _MOST_OPTIONS:
                return any_of([self._compared(children[0], "=", child) for child in children[1:]])
            case "BOUND_REF":
                column = self._column(node)
                return Comparison(column, "=", True) if column and node["return_type"]["id"] == "BOOLEAN" else None
            case kind if kind in OPERATORS:
                operator = OPERATORS[kind]
                left, right = node["left"], node["right"]
                return self._compared(left, operator, right) or self._compared(right, _TURNED[operator], left)
        return None

    def _compared(self, column: Mapping[str, Any], operator: Operator, value: Mapping[str, Any]) -> Predicate | None:
        name = self._column(column)
        if name is None or column["return_type"]["id"] not in _COMPARED:
            return None
        found = self._value(value, column["return_type"])
        return None if found is None else Comparison(name, operator, found)

    def _column(self, node: Mapping[str, Any]) -> str | None:
        return (self._columns[node["index"]] or None) if node["type"] == "BOUND_REF" else None

    def _value(self, node: Mapping[str, Any], kind: Mapping[str, Any]) -> Value | None:
        """A constant in the column's own type."""
        import duckdb

        casts = []
        while node["type"] == "OPERATOR_CAST" and not node["try_cast"]:
            casts.append(_type(node["return_type"]))
            node = node["child"]
        given = node.get("value") or {}
        if node["type"] != "VALUE_CONSTANT" or given["is_null"] or (casts or [_type(given["type"])])[0] != _type(kind):
            return None
        value = given["value"]
        if given["type"]["id"] == "DECIMAL" and isinstance(value, int):
            value = Decimal((int(value < 0), tuple(map(int, str(abs(value)))), -given["type"]["type_info"]["scale"]))
        elif not isinstance(value, bool | int | float | str):
            return None
        expression = "?"
        for cast in [_type(given["type"]), *reversed(casts)]:
            expression = f"CAST({expression} AS {cast})"
        try:
            scalar = self._connection.execute(f"SELECT {expression}", [value]).to_arrow_table().column(0)[0]
        except duckdb.Error:
            return None
        return _plain(scalar)


def _type(kind: Mapping[str, Any]) -> str:
    if kind["id"] == "DECIMAL":
        return f"DECIMAL({kind['type_info']['width']}, {kind['type_info']['scale']})"
    return str(kind["id"])


def _plain(scalar: pa.Scalar) -> Value | None:
    kind = scalar.type
    if pa.types.is_date32(kind) or pa.types.is_timestamp(kind):
        found: Value | None = scalar.value
        return found
    value = scalar.as_py()
    if isinstance(value, Decimal):
        sign, digits, exponent = value.as_tuple()
        return int("".join(map(str, digits))) * (-1 if sign else 1) if exponent == -kind.scale else None
    return value if isinstance(value, bool | int | float | str | bytes) else None
