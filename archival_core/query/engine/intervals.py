"""Intervals of an answer: DuckDB's reach further than Arrow's, where hours of more than 292 years come out as others.

Arrow counts the part below a day in nanoseconds, and DuckDB wraps it around on the way there without a word. So a statement
that gives intervals is run as a subquery, and whoever reads it gets either the interval or an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import duckdb

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import quote_identifier
from archival_core.query.columns.presentation import error
from archival_core.query.engine.formless import check_forms

#: Microseconds that 64 bits of nanoseconds hold.
_MOST: Final = (1 << 63) // 1000
#: SQL of an interval's part below a day in microseconds, which 64 bits hold in DuckDB.
_BELOW_A_DAY: Final = (
    "date_part('hour', {0}) * 3600000000 + date_part('minute', {0}) * 60000000 + date_part('microseconds', {0})"
)
_SAYS: Final = (
    "column {0} of the answer has an interval with more than 292 years of hours: CAST it to VARCHAR, or take EPOCH of it"
)


def within_reach(connection: Any, sql: str) -> str:
    """`sql`, or a statement with the same rows that fails at an interval that Arrow does not hold.

    Raises `PermanentError` (`value-without-form`) for intervals inside of a STRUCT, a MAP or a list of lists, and for types
    that Arrow has no form for.
    """
    columns = _columns(connection, sql)
    check_forms(columns)
    if not any("INTERVAL" in kind for _, kind in columns):
        return sql
    places = [f"c{place}" for place in range(len(columns))]
    values = (
        f"{_checked(place, name, kind)} AS {quote_identifier(name)}"
        for place, (name, kind) in zip(places, columns, strict=True)
    )
    # a line of its own, because the statement may end with a comment
    inner = f"(\n{_without_end(sql)}\n) AS answer({', '.join(places)})"
    return f"SELECT {', '.join(values)} FROM {inner}"  # noqa: S608 - the statement was looked through, and it is run as it is


def _columns(connection: Any, sql: str) -> Sequence[tuple[str, str]]:
    """Names and types, without running the statement; none for one that gives no rows, and that `statement` lets nobody ask."""
    bound = connection.sql(sql)
    if bound is None:
        return []
    return [(str(name), str(kind)) for name, kind in zip(bound.columns, bound.types, strict=True)]


def _checked(place: str, name: str, kind: str) -> str:
    fails = error(_SAYS.format(name))
    within = f"CASE WHEN {_BELOW_A_DAY} NOT BETWEEN -{_MOST} AND {_MOST} THEN {fails} ELSE {{0}} END"
    match kind:
        case "INTERVAL":
            return within.format(place)
        case "INTERVAL[]":
            return f"list_transform({place}, lambda e: {within.format('e')})"
    if "INTERVAL" in kind:
        raise PermanentError(
            f"column {name} of the answer has intervals inside of {kind}, some of which Arrow would change: CAST it to VARCHAR",
            code="value-without-form",
        )
    return place


def _without_end(sql: str) -> str:
    """The statement without the semicolons after it."""
    content, end = sql.encode(), len(sql.encode())
    for begin, _ in reversed(duckdb.tokenize(sql)):
        if content[begin:].lstrip()[:1] != b";":
            break
        end = begin
    return content[:end].decode()
