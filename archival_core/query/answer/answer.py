"""What is said of a result beside its rows, and what the result is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archival_core.query.answer.notes import Note
from archival_core.query.question.forms import Cut


@dataclass(frozen=True, slots=True)
class Figures:
    """What an answer is made of."""

    #: that stand in for rows of the tables, and of these that were read; the others hold no row for the filters
    archives: int
    archives_read: int
    files_read: int
    #: of the files that were read, as they lie in the lake
    bytes_read: int
    #: that came from the database, filtered there as far as PostgreSQL can
    live_rows: int
    seconds: float
    #: snapshots that had to be taken
    snapshots: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of a result beside its rows."""

    #: names, and types of DuckDB
    columns: tuple[tuple[str, str], ...]
    rows: int
    #: `None` if all rows are there
    cut: Cut | None
    figures: Figures
    #: of a question that was to be explained, what it read of each table
    tables: tuple[dict[str, Any], ...] | None = None
    #: what to know of a result that is right as it is
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Collected:
    """A result in memory."""

    answer: Answer
    #: of JSON the rows alone, a list of lists
    body: bytes
