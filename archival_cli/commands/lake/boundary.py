"""Which ranges of a hypertable are in the lake, in the database and in the lake alone, by the chunks that the service knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_GONE: Final = frozenset({"removed", "restoring"})
_ARCHIVED: Final = _GONE | {"archived"}


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


@dataclass(frozen=True, slots=True)
class Extent:
    """What of a hypertable is in one place."""

    #: from the first chunk's begin, and before the last one's end; `None` where no chunk has both
    range: tuple[str, str] | None
    #: on disk
    bytes: int


def extent_in_lake(chunks: Sequence[dict[str, Any]]) -> Extent:
    """Of the archives that count."""
    there = [chunk for chunk in chunks if chunk["state"] in _ARCHIVED]
    return Extent(_whole(there), sum(chunk["parquet_bytes"] or 0 for chunk in there))


def extent_in_database(chunks: Sequence[dict[str, Any]]) -> Extent:
    """Of the chunks that are there, with their indexes."""
    there = [chunk for chunk in chunks if chunk["in_database"]]
    return Extent(_whole(there), sum(chunk["database_bytes"] or 0 for chunk in there))


def _whole(chunks: Sequence[dict[str, Any]]) -> tuple[str, str] | None:
    spans = [(c["range_start"], c["range_end"]) for c in chunks if c["range_start"] is not None and c["range_end"] is not None]
    if not spans:
        return None
    return min(spans, key=_order)[0], max((end for _, end in spans), key=lambda end: _order((end, "")))


def _order(span: tuple[str, str]) -> tuple[int, str]:
    begin = span[0]
    return (int(begin), "") if begin.lstrip("-").isdigit() else (0, begin)
