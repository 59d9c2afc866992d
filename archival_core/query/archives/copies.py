"""Copies of archives that are part of a table, where nobody can tell whether they still have the archives' rows."""

from __future__ import annotations

from collections.abc import Collection

from archival_core.query.answer.notes import Note
from archival_core.query.archives.archive import Archive
from archival_core.source.state.snapshot.moment import TableThen


def note_of_copies(table: TableThen, archives: Collection[Archive]) -> Note | None:
    """What has to be said beside rows of `table`, of which `archives` are read; `None` if no copy is in doubt."""
    doubtful = sorted((a for a in archives if a.lake_path in table.copies.doubtful), key=lambda a: a.lake_path)
    if not doubtful:
        return None
    relation = table.table.relation
    number, is_read = ("1 archive", "is read") if len(doubtful) == 1 else (f"{len(doubtful)} archives", "are read")
    return Note(
        code="copy-in-doubt",
        message=(
            f"{number} of {relation} {is_read} although a copy was made part of {relation}: nobody knows which rows are in the"
            " copy, which was written anew since (TRUNCATE, VACUUM FULL, CLUSTER, compression), or is there only in part."
            " Rows that are in both are in the answer twice."
            f" `archival restore {relation} --chunk {doubtful[0].chunk}` compares the rows, and inserts none if all are there"
        ),
        hypertable=str(relation),
        archives=len(doubtful),
    )
