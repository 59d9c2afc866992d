"""Archives of another server or database, as after a dump or an upgrade: table and columns are known by their names alone."""

from __future__ import annotations

from archival_core.errors import PermanentError
from archival_core.source.state.marks.standing import StandingArchive
from archival_core.source.state.snapshot.moment import TableThen


def in_doubt(mark: StandingArchive, table: TableThen) -> PermanentError:
    """What to say of a question to a table of which nobody knows whether, or how, an archive belongs to it."""
    return PermanentError(
        f"{table.table.relation} cannot be asked: the archive {mark.lake_path} of {mark.hypertable} stands in for rows and was"
        " made in another database, where tables and columns have other numbers. Names have changed since, so that nobody can"
        " tell whose rows or whose values these are. Give table and columns the names and the order that the manifest has, or"
        " restore the archive into a table of its own",
        code="archives-in-doubt",
    )
