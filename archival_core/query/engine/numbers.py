"""Columns that are numbers or moments to PostgreSQL and texts to DuckDB: a question that compares them is refused.

DuckDB would answer without a word, by the letters ('9' after '100') or by a number that it has rounded. The question is planned
with one such column at a time as a type that nothing is cast to, and that no function of numbers or texts takes. Then either
DuckDB does not plan the question, or its plan shows where values of that type are compared. A CAST that the question writes
itself takes the value out of that type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from archival_core.query.engine.planning import Tables, empty_tables, planned

#: A table's schema and name, and a column of it.
type Place = tuple[tuple[str, str], str]

#: A type of DuckDB's that no column of a table has, and that DuckDB prefers to any other where it has to choose one of two.
_PROBE: Final = "GEOMETRY"
#: Functions that hand values on, or look at a list's length alone. Any other function may compare its arguments. What an
#: aggregate of a list does is a part of the plan itself.
_HANDS_ON: Final = frozenset(
    {"alias", "concat", "constant_or_null", "error", "format", "len", "length", "printf", "typeof", "||"}
    | {"array_extract", "array_length", "array_slice", "array_value", "array_zip", "unpivot_list"}
    | {"list_aggr", "list_append", "list_concat", "list_element", "list_extract", "list_filter", "list_pack", "list_prepend"}
    | {"list_resize", "list_reverse", "list_slice", "list_transform", "list_value", "list_zip"}
    | {"array_to_json", "json_array", "json_object", "json_quote", "to_json"}
    | {"remap_struct", "row", "struct_extract", "struct_extract_at", "struct_insert", "struct_pack"}
)
#: Aggregates and functions of windows that take a value as it is, and go by other ones.
_TAKES: Final = frozenset(
    {"any_value", "arbitrary", "array_agg", "count", "first", "last", "list", "string_agg"}
    | {"WINDOW_FIRST_VALUE", "WINDOW_LAG", "WINDOW_LAST_VALUE", "WINDOW_LEAD", "WINDOW_NTH_VALUE"}
)
#: Aggregates that take their first argument as it is, and compare the second.
_TAKES_FIRST: Final = ("arg_max", "arg_min", "argmax", "argmin", "max_by", "min_by")
#: Without this word a join by IS NOT DISTINCT FROM is DuckDB's own: it gives rows of a subquery back to the rows of the query
#: around it, whose values are the same to the letter.
_SAYS_DISTINCT: Final = re.compile(r"\bdistinct\b", re.IGNORECASE)
#: What compares whole rows.
_SETS: Final = frozenset({"LOGICAL_EXCEPT", "LOGICAL_INTERSECT"})


def compared(sql: str, tables: Tables, texts: Sequence[Place]) -> list[Place]:
    """Those of `texts` that the question compares, orders or groups by, or has functions for; none of a wrong question.

    Where DuckDB shows no plan of a question that it answers, all of them. Raises `duckdb.Error`.
    """
    if not texts or _is_fine(sql, tables, texts):
        return []
    if not _is_planned(sql, tables):
        return list(texts) if _is_answered(sql, tables) else []
    # each may be fine beside columns that are texts, but not beside one another
    return [place for place in texts if not _is_fine(sql, tables, [place])] or list(texts)


def _is_fine(sql: str, tables: Tables, texts: Sequence[Place]) -> bool:
    with empty_tables(_probed(tables, texts)) as connection:
        found = planned(connection, sql, optimize=False)
    if found["error"]:
        return False
    ignored = [] if _SAYS_DISTINCT.search(sql) else ["COMPARE_NOT_DISTINCT_FROM"]
    return not any(_compares(node) for node in _nodes(found["plans"]) if node.get("comparison") not in ignored)


def _is_planned(sql: str, tables: Tables) -> bool:
    with empty_tables(tables) as connection:
        return not planned(connection, sql, optimize=False)["error"]


def _is_answered(sql: str, tables: Tables) -> bool:
    """Whether DuckDB has a plan that it does not show; what is wrong with a question is said by whoever answers it."""
    import duckdb

    with empty_tables(tables) as connection:
        try:
            return connection.sql(sql) is not None
        except duckdb.Error:
            return False


def _probed(tables: Tables, texts: Sequence[Place]) -> Tables:
    probed = set(texts)
    return {
        table: {
            column: kind.replace("VARCHAR", _PROBE) if (table, column) in probed else kind for column, kind in types.items()
        }
        for table, types in tables.items()
    }


def _nodes(root: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [root]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield found
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found


def _compares(node: Mapping[str, Any]) -> bool:
    """Whether values of the type are compared here, not in what is below."""
    kind, children = str(node.get("type", "")), node.get("children") or []
    if kind in _SETS or (kind == "LOGICAL_RECURSIVE_CTE" and not node.get("union_all")):
        return any(_is_probe(one) for child in children for one in _given(child))
    operands = [node[name] for name in ("left", "right", "input", "lower", "upper") if name in node]
    operands += node.get("distinct_targets") or []
    operands += node.get("groups") or []
    operands += node.get("partitions") or []
    operands += node.get("key_targets") or []
    if "null_order" in node:
        operands.append(node["expression"])
    match node.get("expression_class"):
        case "BOUND_OPERATOR" if kind.startswith("COMPARE"):
            operands += children
        case "BOUND_FUNCTION" if node["name"] not in _HANDS_ON:
            operands += children
        case "BOUND_AGGREGATE" | "BOUND_WINDOW":
            name = node.get("name") or kind
            is_distinct = node.get("aggregate_type") == "DISTINCT" or bool(node.get("distinct"))
            if is_distinct or not (name in _TAKES or name.startswith(_TAKES_FIRST)):
                operands += children
            elif name.startswith(_TAKES_FIRST):
                operands += children[1:]
    return any(_is_probe(one) for one in operands)


def _given(node: Mapping[str, Any]) -> list[Any]:
    """What a part of the plan gives, or the parts below it."""
    own = node.get("expressions") if node.get("type") == "LOGICAL_PROJECTION" else None
    return own or [one for child in node.get("children") or [] for one in _given(child)]


def _is_probe(node: Any) -> bool:
    """Whether an expression gives values of the type, or lists or structures of them."""
    if not isinstance(node, dict):
        return False
    kind = node.get("return_type") or (node.get("value") or {}).get("type") or {}
    return any(_PROBE in (found.get("id"), found.get("alias")) for found in _nodes(kind))
