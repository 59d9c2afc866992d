"""What a look at archives without a table has found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class MissingTablesReport:
    """In archives."""

    #: their chunk was dropped by others
    removed: int = 0
    #: their rows are in other tables
    reshaped: int = 0
    #: their table is missing, and nobody can tell where their rows are
    undecided: int = 0
