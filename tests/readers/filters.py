"""Filters that engines push down, as values: each engine says them in its own language."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from tests.readers.values import Value

Operator = Literal["=", ">", ">=", "<", "not <", "is null", "is not null"]
#: how the literal is written
Kind = Literal["integer", "float", "decimal", "text", "boolean", "date", "local", "moment", "none"]
#: how floats compare: as in PostgreSQL, where NaN is equal to itself and more than every number; as IEEE 754 has it, where NaN
#: is not even equal to itself; or in its total order, where NaN is the greatest and -0 less than 0
Floats = Literal["postgresql", "ieee", "total"]


@dataclass(frozen=True, slots=True)
class Filter:
    """`column operator literal`; with a second literal it is `and column < upper`."""

    column: str
    operator: Operator
    kind: Kind = "none"
    #: text, as PostgreSQL prints it
    literal: str = ""
    upper: str | None = None

    def __str__(self) -> str:
        said = f"{self.column} {self.operator} {self.literal}".strip()
        said = f"not {self.column} < {self.literal}" if self.operator == "not <" else said
        return said if self.upper is None else f"{said} and {self.column} < {self.upper}"


def is_kept(filter: Filter, value: Value, floats: Floats) -> bool:
    """Whether a row with this value, in the form of `values`, answers the filter."""
    if filter.operator in ("is null", "is not null"):
        return (value is None) == (filter.operator == "is null")
    if value is None:
        return False
    found, literal = _comparable(value, filter.kind), _literal(filter.kind, filter.literal)
    kept = _compare(filter.operator, found, literal, floats)
    return kept and (filter.upper is None or _compare("<", found, _literal(filter.kind, filter.upper), floats))


def _compare(operator: Operator, one: Any, other: Any, floats: Floats) -> bool:
    if operator == "not <":
        return not _compare("<", one, other, floats)
    if isinstance(one, float) and floats != "ieee":
        one, other = _ordered(one, floats), _ordered(other, floats)
    match operator:
        case "=":
            return bool(one == other)
        case ">":
            return bool(one > other)
        case ">=":
            return bool(one >= other)
        case _:
            return bool(one < other)


def _ordered(value: float, floats: Floats) -> tuple[bool, float, bool]:
    is_nan = math.isnan(value)
    return is_nan, 0.0 if is_nan else value, floats == "total" and math.copysign(1, value) > 0


def _comparable(value: Value, kind: Kind) -> Any:
    if kind == "float":
        return float.fromhex(value)
    return Decimal(value) if kind == "decimal" else value


def _literal(kind: Kind, text: str) -> Any:
    from datetime import date, datetime

    from tests.readers import values

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
            return values.of_date(date.fromisoformat(text))
        case "local" | "moment":
            return values.of_moment(datetime.fromisoformat(text))
        case _:
            return text
