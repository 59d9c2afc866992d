"""A ledger, and the marks of its source, as years of archives leave them: written by one statement each, without any chunk."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import psycopg

from archival_core.source.state.marks import mark_schema

#: Hypertables that share the archives.
HYPERTABLES: Final = 4
_STATEMENTS: Final = Path(__file__).with_suffix(".sql")


def fill(connection: psycopg.Connection[Any], archives: int, *, kept: bool = True) -> None:
    """Write `archives` archives of schema `scale`, each of an hour, and their marks. Without `kept`, all are removed, since the
    tables of those that are not would be missing.

    The ledger is in the source, is migrated, and holds no job; `connection` is in autocommit mode.
    """
    values = {"archives": archives, "hypertables": HYPERTABLES, "kept": kept}
    connection.execute("create schema if not exists archival_marks")
    connection.execute(mark_schema.MAKE)
    # one row after the other would take the triggers minutes
    connection.execute("alter table archival.job disable trigger user")
    for statement in _STATEMENTS.read_text().split(";\n"):
        if statement.strip():
            connection.execute(statement.encode(), values)
    connection.execute("alter table archival.job enable trigger user")
    connection.execute("select archival.count_again()")
    connection.execute("vacuum analyze")
