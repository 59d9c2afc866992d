"""Which ranges of a hypertable are in the lake alone, by the chunks that the service knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_GONE: Final = frozenset({"removed", "restoring"})


@dataclass(frozen=True, slots=True)
class Boundary:
    """What is archived and gone from the database."""

    #: from, and before: times as RFC 3339, or integers
    ranges: tuple[tuple[str, str], ...]
    #: of chunks that are gone, and whose range the database has a chunk for as well: a time tells nothing there
    shared: tuple[str, ...]
    #: of chunks that are gone, whose range is not known
    unbounded: tuple[str, ...]

    def spans(self, column: str, literal: str = "{}") -> list[str]:
        """SQL that is true of rows of each range; `literal` makes a value of a time."""

        def value(bound: str) -> str:
            return bound if bound.lstrip("-").isdigit() else literal.format(f"'{bound}'")

        return [f"({column} >= {value(begin)} AND {column} < {value(end)})" for begin, end in self.ranges]

    def condition(self, column: str) -> str:
        """SQL that is true of rows that are gone."""
        return "\n   OR ".join(self.spans(column)) or "false"


def boundary_of(chunks: Sequence[dict[str, Any]]) -> Boundary:
    """Of the chunks of one hypertable, as `GET /chunks` has them, in the order of their ranges."""
    there = [chunk for chunk in chunks if chunk["in_database"]]
    gone = [chunk for chunk in chunks if not chunk["in_database"] and chunk["state"] in _GONE]
    bounded = [chunk for chunk in gone if chunk["range_start"] is not None and chunk["range_end"] is not None]
    ranges: list[tuple[str, str]] = []
    for begin, end in sorted({(chunk["range_start"], chunk["range_end"]) for chunk in bounded}, key=_order):
        if ranges and ranges[-1][1] == begin:
            begin = ranges.pop()[0]
        ranges.append((begin, end))
    spans = {(chunk["range_start"], chunk["range_end"]) for chunk in there}
    return Boundary(
        tuple(ranges),
        tuple(chunk["chunk"] for chunk in bounded if (chunk["range_start"], chunk["range_end"]) in spans),
        tuple(chunk["chunk"] for chunk in gone if chunk not in bounded),
    )


def _order(span: tuple[str, str]) -> tuple[int, str]:
    begin = span[0]
    return (int(begin), "") if begin.lstrip("-").isdigit() else (0, begin)
