"""What a question may say: one SELECT, over tables of the source, with functions that compute and do nothing else.

DuckDB's own parser reads the statement, and what the parser has read is looked through node by node, so that there is no other
way to spell what is refused. This is the inner of two walls: the DuckDB that runs the statement has no access to files or to
the network, and no setting can be changed (`sandbox`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from archival_core.errors import PermanentError
from archival_core.query.question.caseless import caseless

#: Functions that give tables and read nothing. Of the others some take addresses in memory.
TABLE_FUNCTIONS: Final = frozenset({"generate_series", "range", "unnest", "json_each", "json_tree", "repeat_row"})
#: Functions that do more than compute with their arguments, or that take bytes for structures of DuckDB's own.
REFUSED_FUNCTIONS: Final = frozenset(
    {
        "create_sort_key",
        "current_setting",
        "currval",
        "finalize",
        "combine",
        "getvariable",
        "json_deserialize_sql",
        "json_execute_serialized_sql",
        "json_serialize_plan",
        "json_serialize_sql",
        "nextval",
        "parse_duckdb_log_message",
        "pg_sleep",
        "query",
        "query_table",
        "setseed",
        "sleep_ms",
        "stats",
        "variant_bytes_to_variant",
        "variant_normalize",
        "variant_to_parquet_variant",
        "vector_type",
        "write_log",
    }
)
_REFUSED_BEGINNING: Final = "__internal"
#: Functions that make a single value of any size, which DuckDB's limit of memory does not count.
SWELLING_FUNCTIONS: Final = frozenset({"array_resize", "generate_series", "list_resize", "range", "repeat"})
#: The same, but for a length that is said and small.
_PADDING_FUNCTIONS: Final = frozenset({"lpad", "rpad"})
_MOST_PADDED: Final = 10_000
#: What a FROM may name; of `SHOW_REF` only what describes a table or a question.
_SOURCES: Final = frozenset(
    {"BASE_TABLE", "SUBQUERY", "JOIN", "EXPRESSION_LIST", "EMPTY", "PIVOT", "TABLE_FUNCTION", "SHOW_REF"}
)
_MOST_CHARACTERS: Final = 60_000
_MOST_NODES: Final = 20_000
_MOST_DEEP: Final = 200


@dataclass(frozen=True, slots=True)
class TableName:
    """A table as a statement names it."""

    schema: str
    name: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that may be run."""

    sql: str
    tables: frozenset[TableName]


def parse(sql: str) -> Statement:
    """The statement; raises `PermanentError` (`query-invalid`, `query-refused`)."""
    if len(sql) > _MOST_CHARACTERS:
        raise _refused(f"it is longer than {_MOST_CHARACTERS} characters")
    parsed = _parsed(sql)
    if parsed["error"]:
        message = str(parsed.get("error_message", "it cannot be read"))
        if "Only SELECT statements" in message:
            raise _refused("only SELECT can be asked, and DESCRIBE and SUMMARIZE of a table")
        raise PermanentError(message, code="query-invalid")
    if len(parsed["statements"]) != 1:
        raise _refused("it is not one statement")
    found: set[TableName] = set()
    sources: set[int] = set()
    for node, names in _nodes(parsed["statements"][0], frozenset()):
        if node.get("type") == "TABLE_FUNCTION":
            # the function itself comes as a node of its own, after this one
            sources.add(id(node.get("function")))
        _check(node, id(node) in sources)
        if node.get("type") == "BASE_TABLE":
            table = TableName(node.get("schema_name") or "", node["table_name"])
            if table.schema or caseless(table.name) not in names:
                found.add(table)
    return Statement(sql, frozenset(found))


def _check(node: dict[str, Any], is_source: bool) -> None:
    kind = node.get("type")
    if "sample" in node and "alias" in node and kind not in _SOURCES:
        raise _refused(f"a FROM holds {kind}")
    if kind == "BASE_TABLE" and (node.get("catalog_name") or node.get("at_clause")):
        raise _refused("a table is named by its schema and its name alone")
    if kind == "SHOW_REF" and (node.get("table_name") or not node.get("query")):
        raise _refused("SHOW is not known here: `archival tables` lists what there is")
    if kind == "TABLE_FUNCTION":
        name = caseless(str((node.get("function") or {}).get("function_name", "")))
        if name not in TABLE_FUNCTIONS:
            raise _refused(f"a FROM holds the function {name}, and only {', '.join(sorted(TABLE_FUNCTIONS))} may stand there")
    function = caseless(str(node.get("function_name") or ""))
    if function in REFUSED_FUNCTIONS or function.startswith(_REFUSED_BEGINNING):
        raise _refused(f"the function {function} is not for questions")
    if node.get("class") == "FUNCTION" and not is_source:
        _check_size(function, node.get("children") or [])


def _check_size(function: str, arguments: list[Any]) -> None:
    if function in SWELLING_FUNCTIONS:
        raise _refused(f"the function {function} may stand in a FROM alone")
    if function in _PADDING_FUNCTIONS:
        length = arguments[1] if len(arguments) > 1 else {}
        value = (length.get("value") or {}).get("value")
        if not isinstance(value, int) or value > _MOST_PADDED:
            raise _refused(f"{function} takes a number as length, {_MOST_PADDED} at most")


def _nodes(root: Any, names: frozenset[str]) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Every node, with the names that WITH gives to subqueries around it."""
    waiting: list[tuple[Any, frozenset[str], int]] = [(root, names, 0)]
    count = 0
    while waiting:
        found, known, depth = waiting.pop()
        count += 1
        if count > _MOST_NODES or depth > _MOST_DEEP:
            raise _refused("it is too large, or nested too deeply")
        if isinstance(found, list):
            waiting += [(item, known, depth + 1) for item in found]
        elif isinstance(found, dict):
            yield found, known
            for entry in (found.get("cte_map") or {}).get("map") or []:
                # a subquery knows those before itself: what has its own name in it, or that of a later one, is a table
                waiting.append((entry["value"], known, depth + 1))
                known |= {caseless(str(entry["key"]))}
            again = {caseless(str(found["cte_name"]))} if found.get("type") == "RECURSIVE_CTE_NODE" else set()
            waiting += [
                (item, known | again if key == "right" else known, depth + 1)
                for key, item in found.items()
                if key != "cte_map" and isinstance(item, dict | list)
            ]


def _parsed(sql: str) -> dict[str, Any]:
    import duckdb

    try:
        with _parser().cursor() as cursor:
            [(text,)] = cursor.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    except duckdb.Error as error:
        raise PermanentError(str(error).split("\n\n")[0], code="query-invalid") from error
    parsed: dict[str, Any] = json.loads(text)
    return parsed


@cache
def _parser() -> Any:
    import duckdb

    return duckdb.connect(":memory:", config={"enable_external_access": False, "lock_configuration": True, "threads": 1})


def _refused(why: str) -> PermanentError:
    return PermanentError(f"the statement is not asked: {why}", code="query-refused")
