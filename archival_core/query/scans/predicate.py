"""Filters that DuckDB hands down to a scan, as values of ours.

DuckDB does not apply again what it has handed down, so a filter is applied exactly, or the question fails. Only the SQL for
PostgreSQL may let more rows through, since the filter is applied to what arrives.
"""

from __future__ import annotations

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
