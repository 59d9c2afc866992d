"""Archives of a former table that had a table's name: their rows are no rows of the table, and whoever asks is told so.

A table that was dropped and made again under its name is another one. Nothing about its answers looks as if rows were missing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC
from typing import Protocol
from uuid import UUID

from archival_core.clients.postgres.database import Connection, Database
from archival_core.model.chunks.chunk import Relation
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.query.answer.notes import Note
from archival_core.query.archives.archives import Archives
from archival_core.source import catalog
from archival_core.source.state import tables
from archival_core.source.state.marks import stand_ins
from archival_core.source.state.marks.stand_ins import LastMark, StandInKind
from archival_core.source.state.marks.standing import StandingArchive, standing


class Marks(Protocol):
    """The source, as far as notes need it: in one moment, or now."""

    async def there(self, asked: Collection[TableIdentity]) -> set[TableIdentity]:
        """Those of `asked` that are in the database."""

    async def last_mark(self, archives: Collection[UUID]) -> LastMark:
        """What was marked last of `archives`, each of which has a mark."""


class FormerTables:
    """Tells of one table, besides any question."""

    def __init__(self, source: Database, archives: Archives) -> None:
        self._source, self._archives = source, archives

    async def note(self, hypertable: Relation) -> Note | None:
        """What has to be said of a table with this name; `None` if there is no table, or nothing to say."""
        async with self._source.connect() as connection:
            identity = await tables.identity_of(connection, hypertable)
            marked = await standing(connection, str(hypertable)) if identity is not None else ()
            if not marked:
                return None
            owners = await self._archives.owners(marked, await catalog.server_identity(connection))
            return await note_of(hypertable, identity, owners, _Now(connection))


class _Now:
    """The source as it is now."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def there(self, asked: Collection[TableIdentity]) -> set[TableIdentity]:
        return await tables.still_there(self._connection, asked)

    async def last_mark(self, archives: Collection[UUID]) -> LastMark:
        return await stand_ins.last_mark(self._connection, archives)


async def note_of(
    table: Relation, identity: TableIdentity | None, owners: Mapping[StandingArchive, TableIdentity], source: Marks
) -> Note | None:
    """What has to be said beside rows of `table`, where `owners` has the tables that archives are of.

    A table that was renamed is still there, and has its archives under its present name.
    """
    others = {mark: of for mark, of in owners.items() if mark.hypertable == str(table) and of != identity}
    still = await source.there(set(others.values())) if others else set()
    gone = [mark.archive for mark, of in others.items() if of not in still]
    if not gone:
        return None
    last = await source.last_mark(gone)
    # the service drops a chunk of a table that is there; a chunk that others dropped may have gone with its table
    when = "after" if last.kind is StandInKind.REMOVED else "about"
    number, is_not = ("1 archive", "is not") if len(gone) == 1 else (f"{len(gone)} archives", "are not")
    return Note(
        code="former-table",
        message=(
            f"{number} of a former table {table}, which was dropped {when} {last.marked_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ},"
            f" {is_not} part of {table}: the table that has the name now is another one."
            f" `archival restore {table} --chunk {last.chunk} --into TABLE` brings the rows of such an archive into a table of"
            " their own, which can be asked"
        ),
        hypertable=str(table),
        archives=len(gone),
    )
