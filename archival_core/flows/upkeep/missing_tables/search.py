"""Archived chunks whose table is missing, although the service has not dropped it.

A table that is missing does not mean that its rows are: merging, splitting and renaming leave the rows in other tables. So
the rows themselves are looked for. If none of them is there, somebody has dropped the chunk, a retention policy or a
person, and the rows live in the archive alone. If all of them are there, the archive stands for nothing and is superseded.
If some are there, nothing is decided, and somebody has to say what became of them (`settling`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID, uuid4

from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import ArchivalError, AwayError, PermanentError
from archival_core.flows.upkeep.missing_tables.former_servers import FormerServers
from archival_core.flows.upkeep.missing_tables.later_archives import MOST, LaterArchives
from archival_core.flows.upkeep.missing_tables.may_stand_in import check_name, check_own_history
from archival_core.flows.upkeep.missing_tables.report import MissingTablesReport
from archival_core.flows.upkeep.missing_tables.rows_elsewhere import RowsElsewhere, RowsFound
from archival_core.flows.upkeep.missing_tables.verdicts import Verdicts, dropped_kind
from archival_core.ledger.archives.marked_archives import ArchivedTable, MarkedArchives
from archival_core.model.jobs.job import Job, Status
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.state import history, tables
from archival_core.source.state.marks import placed, stand_ins
from archival_core.source.state.origin import origin_of

#: the archives whose table one run asks for, and the archives without a table that one run decides about
_LOOKED_AT: Final = 10_000
_DECIDED: Final = 200


class MissingTables:
    """Compares archives that are not removed with the tables of the database."""

    def __init__(
        self,
        source: Database,
        marked: MarkedArchives,
        elsewhere: RowsElsewhere,
        later_archives: LaterArchives,
        former_servers: FormerServers,
        verdicts: Verdicts,
    ) -> None:
        self._source, self._marked, self._verdicts = source, marked, verdicts
        self._elsewhere, self._later_archives, self._former_servers = elsewhere, later_archives, former_servers

    async def decide(self, deadline: float) -> MissingTablesReport:
        """Decide about archives whose table is missing, until `deadline` (`time.monotonic`).

        Each run begins at a place drawn by chance, so that each archive has its turn.
        """
        report = MissingTablesReport()
        found = await self._marked.tables(uuid4(), _LOOKED_AT)
        if not found:
            return report
        async with self._source.connect() as connection:
            here = await catalog.server_identity(connection)
            if here.timeline is None:
                return report  # a standby may not have the tables yet
            former = {job_id: table for job_id, table in found.items() if table.server not in (None, here.key)}
            # half of the time at most: what nobody can decide is looked at again and again
            await self._former_servers.decide(connection, former, here, report, (time.monotonic() + deadline) / 2)
            own = {job_id: table for job_id, table in found.items() if job_id not in former}
            missing = await missing_of(connection, own)
            await self._verdicts.take_back({job_id for job_id, table in own.items() if table.is_undecided}.difference(missing))
            resting = [job_id for job_id in missing if own[job_id].rests]
            report.undecided += len(resting)
            missing = list(set(missing).difference(resting))
            gone = await self._marked.archived(random.sample(missing, min(_DECIDED, len(missing))))
            names = {job.job_id: await _names(connection, job) for job, _ in gone}
            unfollowed = await self._unfollowed(connection, set[str]().union(*names.values()))
            for job, forget in gone:
                if time.monotonic() > deadline:
                    break
                try:
                    manifest = Manifest.of_ledger(job.manifest, job.job_id)
                    await self._decide(connection, job, manifest, forget, not unfollowed.isdisjoint(names[job.job_id]), report)
                except AwayError:
                    raise
                except ArchivalError as error:
                    report.undecided += 1
                    await self._verdicts.leave(job, error)
        return report

    async def _unfollowed(self, connection: Connection, hypertables: Collection[str]) -> set[str]:
        """Those of `hypertables` of which the source has a mark that the ledger does not follow yet."""
        marked = await stand_ins.standing_in(connection, hypertables)
        recorded = await self._marked.recorded(marked.keys())
        follows = {archive for archive, known in recorded.items() if known.status is Status.REMOVED}
        return {hypertable for archive, hypertable in marked.items() if archive not in follows}

    async def _decide(
        self, connection: Connection, job: Job, manifest: Manifest, forget: bool, unfollowed: bool, report: MissingTablesReport
    ) -> None:
        if await history.any_table_went_by_another(connection, job.job_id, manifest):
            report.reshaped += await self._verdicts.supersede(job)
            return
        await check_own_history(connection, job, manifest)
        await check_name(connection, job, manifest)
        later = await self._marked.later(job, MOST + 1)
        # Guard GONE: a table that is gone is not rows that are gone.
        rows = await self._elsewhere.look(connection, manifest)
        if rows is RowsFound.ALL_THERE and not later:
            # As long as the tables that have the rows now are not archived, this archive is the only one.
            await self._verdicts.take_back([job.job_id])
            return
        # Slices of the archive may miss the rows that are nowhere else, or those that are there.
        rows = await self._elsewhere.look(connection, manifest, surely=True)
        if rows is RowsFound.ALL_THERE:
            report.reshaped += await self._verdicts.supersede(job)
        # Guard DROPPED: the rows may be in a later archive of the range too, which is then the one that stands for them. A mark
        # that the ledger does not follow yet may be of such an archive.
        elif rows is RowsFound.NONE_THERE and unfollowed:
            report.undecided += 1
        elif rows is RowsFound.NONE_THERE and not await self._later_archives.may_hold_rows(connection, manifest, later):
            report.removed += await self._verdicts.drop(connection, job, manifest, dropped_kind(forget))
        else:
            beside = ", while a later archive may have some of them" if rows is RowsFound.NONE_THERE else ""
            raise PermanentError(
                f"its table is gone, and {rows} of its rows are in {job.hypertable}{beside}", code="archive-undecided"
            )


async def _names(connection: Connection, job: Job) -> set[str]:
    """What the hypertable of an archive was called then, and is called now."""
    try:
        origin = await origin_of(connection, Manifest.of_ledger(job.manifest, job.job_id))
    except PermanentError:
        # The error is told where this archive is decided about, and keeps no other archive from its turn.
        return {str(job.hypertable)}
    return {str(job.hypertable), str(origin.table)}


async def missing_of(connection: Connection, found: Mapping[UUID, ArchivedTable]) -> list[UUID]:
    """Archives of `found` that no table holds any more."""
    there = await tables.those_there(connection, {(t.oid, t.born) for t in found.values() if not t.restored})
    gone = [job_id for job_id, table in found.items() if not table.restored and (table.oid, table.born) not in there]
    restored = await placed.restored_and_dropped(connection, [job_id for job_id, table in found.items() if table.restored])
    return [*gone, *sorted(restored)]
