"""Archives of a server that the source was before.

A dump and an upgrade bring the rows to another server, which numbers its tables anew. An archive of the former server stays
until its chunk is archived here. Then both archives have the rows, and the rows tell that the later one stands for them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from archival_core.clients.postgres.database import Connection
from archival_core.errors import ArchivalError, AwayError, PermanentError
from archival_core.flows.upkeep.missing_tables.report import MissingTablesReport
from archival_core.flows.upkeep.missing_tables.rows_elsewhere import RowsElsewhere, RowsFound
from archival_core.flows.upkeep.missing_tables.verdicts import Verdicts
from archival_core.ledger.archives.marked_archives import ArchivedTable, MarkedArchives
from archival_core.model.chunks.chunk import ChunkRange, Relation, ServerIdentity
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.state import tables
from archival_core.source.state.origin import origin_of

#: the archives that one run asks the ledger about, those that it decides about, and those of them whose chunk is there by name
_ASKED: Final = 10_000
_DECIDED: Final = 200
_CHECKED: Final = 50


class FormerServers:
    """Compares archives of former servers with the tables of this one."""

    def __init__(self, marked: MarkedArchives, elsewhere: RowsElsewhere, verdicts: Verdicts) -> None:
        self._marked, self._elsewhere, self._verdicts = marked, elsewhere, verdicts

    async def decide(
        self,
        connection: Connection,
        former: Mapping[UUID, ArchivedTable],
        here: ServerIdentity,
        report: MissingTablesReport,
        deadline: float,
    ) -> None:
        """Supersede archives whose rows have come here and are archived here, until `deadline` (`time.monotonic`).

        The others stay. Of those whose chunk has not come here nobody can tell: somebody may have dropped it on either server.
        """
        if not former or not here.system_identifier:
            return
        anew = await self._marked.archived_anew(former, _ASKED)
        names = await tables.names_there(connection, {table.chunk for table in former.values()})
        # what was restored has other tables
        own = {job_id: table for job_id, table in former.items() if not table.restored}
        absent = {job_id for job_id, table in own.items() if table.chunk not in names}
        resting = {job_id for job_id in absent if former[job_id].rests}
        report.undecided += len(resting)
        # a chunk of the name may be another one, or have come back
        others = random.sample(sorted(own), min(_CHECKED, len(own)))
        waiting = {job_id for job_id, table in former.items() if table.is_undecided}
        wanted = {*anew, *absent, *others, *waiting} - resting
        for job, _ in await self._marked.archived(random.sample(sorted(wanted), min(_DECIDED, len(wanted)))):
            if time.monotonic() > deadline:
                return
            try:
                await self._decide(connection, job, former[job.job_id], anew.get(job.job_id), report)
            except AwayError:
                raise
            except ArchivalError as error:
                report.undecided += 1
                await self._verdicts.leave(job, error)

    async def is_undecided(self, connection: Connection, job: Job) -> bool:
        """Whether nobody can tell what became of the rows of an archive of a former server."""
        anew = await self._marked.archived_anew([job.job_id], 1)
        return any(anew.values()) or not await _is_there(connection, Manifest.of_ledger(job.manifest, job.job_id))

    async def _decide(
        self, connection: Connection, job: Job, table: ArchivedTable, is_same_chunk: bool | None, report: MissingTablesReport
    ) -> None:
        """`is_same_chunk` says of a later archive of the range whether it is of a chunk of the same name; `None` if there is
        no later one."""
        manifest = Manifest.of_ledger(job.manifest, job.job_id)
        if (is_same_chunk is None and table.restored) or (not is_same_chunk and await _is_there(connection, manifest)):
            # what may be archived anew is a sibling: chunks of a space dimension share their range
            await self._verdicts.take_back([job.job_id] if table.is_undecided else [])
            return
        if table.rests:
            report.undecided += 1
            return
        is_anew = is_same_chunk is not None
        rows = await self._elsewhere.look(connection, manifest, surely=is_anew)
        if not is_anew:
            # the chunk has another name here, and is archived under that
            is_settled = not manifest.rows or rows in (RowsFound.ALL_THERE, RowsFound.MOST_THERE)
        # A chunk of the same name and range may be another one, into which few of the rows have come again, or none. One that
        # has most of them is the same, and was written to since, as a chunk is that changed on its own server. An archive
        # without rows stands for none.
        elif not manifest.rows or rows is RowsFound.ALL_THERE or (rows is RowsFound.MOST_THERE and is_same_chunk):
            is_settled = True
            report.reshaped += await self._verdicts.supersede(job)
        else:
            is_settled = False
        if is_settled:
            await self._verdicts.take_back([job.job_id] if table.is_undecided else [])
            return
        report.undecided += 1
        what = "its range is archived anew" if is_anew else "its chunk is not here"
        why = f"it was read on a former server, {what}, and {rows} of its rows are in {job.hypertable}"
        await self._verdicts.leave(job, PermanentError(why, code="archive-undecided"))


async def _is_there(connection: Connection, manifest: Manifest) -> bool:
    """Whether the archive's chunk is there, as far as its name and its range tell."""
    origin = await origin_of(connection, manifest)
    try:
        chunk = await catalog.find_chunk(connection, origin.table, Relation.parse(manifest.chunk))
    except PermanentError:
        return False
    return chunk.range == ChunkRange(manifest.range_start, manifest.range_end)
