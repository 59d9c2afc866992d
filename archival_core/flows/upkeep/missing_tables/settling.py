"""What became of the rows of an archive whose table is gone, where nobody but a person can tell.

Rows that were moved and rewritten are in other tables, and none of them tells that it is the archive's. Rows that were
dropped and brought again in part are the archive's and the table's. `reconcile` leaves both undecided.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import ArchivalError, AwayError, PermanentError
from archival_core.flows.jobs.ownership import Ownership
from archival_core.flows.upkeep.missing_tables.former_servers import FormerServers
from archival_core.flows.upkeep.missing_tables.later_archives import MOST, LaterArchives
from archival_core.flows.upkeep.missing_tables.may_stand_in import check_compared, check_no_copy, check_own_history
from archival_core.flows.upkeep.missing_tables.rows_elsewhere import RowsElsewhere, RowsFound
from archival_core.flows.upkeep.missing_tables.search import missing_of
from archival_core.flows.upkeep.missing_tables.verdicts import Verdicts, dropped_kind
from archival_core.ledger.archives.marked_archives import MarkedArchives
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.state.marks.stand_ins import StandInKind

_LOG = logging.getLogger(__name__)


class Became(StrEnum):
    """What became of the rows."""

    #: other tables of the database have them, as they were or rewritten
    MOVED = "moved"
    #: they left the database, and the lake alone has them
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class RowsLooked:
    """What can be told of the rows."""

    #: how many of them are in the hypertable; `None` where that cannot be told
    found: RowsFound | None
    #: whether a later archive of the range may have some of them; `None` where that cannot be told
    later_archive: bool | None
    #: why it cannot be told
    untold: str | None


@dataclass(frozen=True, slots=True)
class _Undecided:
    job: Job
    manifest: Manifest
    #: its policy forgets what others drop
    forget: bool
    #: it was read on another server than the source is now, and never compared here
    is_former: bool


class Settling:
    """Takes a person's word for what became of rows."""

    def __init__(
        self,
        source: Database,
        ownership: Ownership,
        marked: MarkedArchives,
        elsewhere: RowsElsewhere,
        later_archives: LaterArchives,
        former_servers: FormerServers,
        verdicts: Verdicts,
    ) -> None:
        self._source, self._ownership, self._marked = source, ownership, marked
        self._elsewhere, self._later_archives = elsewhere, later_archives
        self._former_servers, self._verdicts = former_servers, verdicts

    async def look(self, archive: UUID, became: Became) -> RowsLooked:
        """What is there of the rows; nothing is changed. Raises as `settle` does."""
        async with self._source.connect() as connection:
            undecided = await self._undecided(connection, archive)
            await self._check(connection, undecided, became)
            looked = await self._found(connection, undecided.manifest)
            try:
                later = await self._marked.later(undecided.job, MOST + 1)
                may_hold = await self._later_archives.may_hold_rows(connection, undecided.manifest, later)
            except AwayError:
                raise
            except ArchivalError as error:
                return replace(looked, untold=looked.untold or str(error))
            return replace(looked, later_archive=may_hold)

    async def settle(self, archive: UUID, became: Became, reason: str, said_by: str) -> None:
        """Record what became of the rows, by a mark in the source.

        Where they were dropped, the archive stands in for them. Where they moved, it is forgotten: it is no part of its table
        any more, and can be restored on request all the same.

        Raises `PermanentError`: `other-owner`; `not-undecided` unless the archive's table is gone and its rows are undecided;
        `would-double` where all rows are there, and are said to be dropped; and of an archive that may not stand in for rows
        `not-compared`, `history-changed` and `copy-unsettled`.
        """
        await self._ownership.check()
        async with self._source.connect() as connection:
            undecided = await self._undecided(connection, archive)
            await self._check(connection, undecided, became)
            job, manifest = undecided.job, undecided.manifest
            if became is Became.DROPPED and (await self._found(connection, manifest)).found is RowsFound.ALL_THERE:
                raise PermanentError(
                    f"all rows of {job.chunk} are in {job.hypertable}, and would be there twice if the archive stood for them:"
                    " if these are other rows, restore the archive into a table of its own; else say that they moved",
                    code="would-double",
                )
            kind = StandInKind.FORGOTTEN if became is Became.MOVED else dropped_kind(undecided.forget)
            # what a former server's tables were called by number may be another table here
            table = TableIdentity(oid=0, born=str(archive)) if undecided.is_former else None
            why = f"its rows were {became}, as somebody says"
            is_settled = await self._verdicts.drop(connection, job, manifest, kind, why=why, table=table)
        if not is_settled:
            raise _not_undecided(archive)
        _LOG.warning("job %s: its rows were %s, as %r says: %r", archive, became, said_by, reason)

    async def _found(self, connection: Connection, manifest: Manifest) -> RowsLooked:
        try:
            return RowsLooked(await self._elsewhere.look(connection, manifest, surely=True), None, None)
        except AwayError:
            raise
        except ArchivalError as error:
            return RowsLooked(None, None, str(error))

    async def _undecided(self, connection: Connection, archive: UUID) -> _Undecided:
        table, found = await self._marked.table(archive), await self._marked.archived([archive])
        if table is None or not table.is_undecided or not found:
            raise _not_undecided(archive)
        here = await catalog.server_identity(connection)
        if here.timeline is None:
            raise PermanentError("the source is a standby, which may not have the tables yet", code="source-standby")
        [(job, forget)] = found
        is_former = table.server not in (None, here.key)
        if is_former:
            is_gone = await self._former_servers.is_undecided(connection, job)
        else:
            is_gone = bool(await missing_of(connection, {archive: table}))
        if not is_gone:
            raise _not_undecided(archive)
        return _Undecided(job, Manifest.of_ledger(job.manifest, job.job_id), forget, is_former)

    async def _check(self, connection: Connection, undecided: _Undecided, became: Became) -> None:
        """Raise `PermanentError` if the archive is to stand in for rows, and may not."""
        if became is Became.MOVED:
            return
        # whether the hypertable is the same is what a person says; no mark of a former server need be here
        if undecided.is_former:
            check_compared(undecided.job)
            await check_no_copy(connection, undecided.job, undecided.manifest)
        else:
            await check_own_history(connection, undecided.job, undecided.manifest)


def _not_undecided(archive: UUID) -> PermanentError:
    return PermanentError(
        f"job {archive} is no archive whose table is gone and whose rows nobody could tell about: jobs --not-removed"
        " archive-undecided lists these, and reconcile looks every five minutes",
        code="not-undecided",
    )
