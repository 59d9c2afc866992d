"""Archives of another server or database, as after a dump or an upgrade: table and columns are known by their names alone.

A name may be another column's by now. What tells is the order: PostgreSQL adds columns at the end and changes no order.
"""

from __future__ import annotations

from collections.abc import Sequence

from archival_core.errors import PermanentError
from archival_core.source.state.snapshot.moment import StandingArchive, TableThen


def are_told_apart(then: Sequence[str], now: Sequence[str]) -> bool:
    """Whether the columns `now` are those of `then` by name, but for some that were dropped, or were added at the end.

    Both in the table's order. Where columns are missing and others are there, one may have the other's place and values.
    """
    kept = [name for name in then if name in now]
    added = [name for name in now if name not in then]
    if len(kept) < len(then) and added:
        return False
    return [*kept, *added] == list(now)


def in_doubt(mark: StandingArchive, table: TableThen) -> PermanentError:
    """What to say of a question to a table of which nobody knows whether, or how, an archive belongs to it."""
    return PermanentError(
        f"{table.table.relation} cannot be asked: the archive {mark.lake_path} of {mark.hypertable} stands in for rows and was"
        " made in another database, where tables and columns have other numbers. Names have changed since, so that nobody can"
        " tell whose rows or whose values these are. Give table and columns the names and the order that the manifest has, or"
        " restore the archive into a table of its own",
        code="archives-in-doubt",
    )
