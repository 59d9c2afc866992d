"""Filters that DuckDB hands down to a scan, as values of ours.

DuckDB does not apply again what it has handed down, so a filter is applied exactly, or the question fails. Only the SQL for
PostgreSQL may let more rows through, since the filter is applied to what arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

#: What a column is compared with: microseconds of a timestamp, days of a date, the digits of a decimal without its point.
Value = bool | int | float | str | bytes
Operator = Literal["=", "<>", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A column compared with a value; NULL where the column is."""

    column: str
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a column is NULL."""

    column: str
    is_null: bool


@dataclass(frozen=True, slots=True)
class Constant:
    """What DuckDB knows without looking: every row, or none."""

    holds: bool


@dataclass(frozen=True, slots=True)
class Junction:
    """All of `terms`, or any of them."""

    operator: Literal["and", "or"]
    terms: tuple[Predicate, ...]


Predicate = Comparison | Presence | Constant | Junction


def both(left: Predicate | None, right: Predicate | None) -> Predicate | None:
    """What holds where both do."""
    if left is None or right is None:
        return left or right
    return Junction("and", (left, right))


def renamed(predicate: Predicate | None, names: Mapping[str, str]) -> Predicate | None:
    """The same of other names, and true where it was of columns that have no other name; `None` says nothing."""
    match predicate:
        case Comparison(column, operator, value):
            return Comparison(names[column], operator, value) if column in names else None
        case Presence(column, is_null):
            return Presence(names[column], is_null) if column in names else None
        case Junction(operator, terms):
            found = [renamed(term, names) for term in terms]
            return all_of(found) if operator == "and" else any_of(found)
        case _:
            return None


def any_of(terms: Sequence[Predicate | None]) -> Predicate | None:
    """What holds where any of `terms` does; a term that says nothing leaves nothing to say."""
    known = tuple(term for term in terms if term is not None)
    if len(known) < len(terms):
        return None
    return known[0] if len(known) == 1 else Junction("or", known)


def all_of(terms: Sequence[Predicate | None]) -> Predicate | None:
    """What holds where all of `terms` do, those left out that say nothing."""
    known = tuple(term for term in terms if term is not None)
    return known[0] if len(known) == 1 else Junction("and", known) if known else None


def columns_of(predicate: Predicate | None) -> frozenset[str]:
    """The columns that a filter looks at."""
    match predicate:
        case Comparison(column) | Presence(column):
            return frozenset([column])
        case Junction(_, terms):
            return frozenset[str]().union(*map(columns_of, terms))
        case _:
            return frozenset()


def range_of(predicate: Predicate | None, column: str) -> tuple[int | None, int | None]:
    """The least and the greatest value that an integer `column` can have where the filter holds; `None` is no bound.

    A range may be too wide, and is never too narrow. Where no value is left, the least one is above the greatest.
    """
    match predicate:
        case Comparison(name, operator, int() as value) if name == column:
            match operator:
                case "=":
                    return value, value
                case "<" | "<=":
                    return None, value - (operator == "<")
                case ">" | ">=":
                    return value + (operator == ">"), None
        case Junction("and", terms):
            ranges = [range_of(term, column) for term in terms]
            return (
                max((low for low, _ in ranges if low is not None), default=None),
                min((high for _, high in ranges if high is not None), default=None),
            )
        case Junction(_, terms):
            lows, highs = zip(*(range_of(term, column) for term in terms), strict=True)
            known_low, known_high = [low for low in lows if low is not None], [high for high in highs if high is not None]
            return (
                min(known_low) if len(known_low) == len(lows) else None,
                max(known_high) if len(known_high) == len(highs) else None,
            )
    return None, None
