"""Archives of histories that were put back, and archives that such an archive had superseded.

Where the source was put back to before an archive was read, the source has no mark of that reading, and the archive need
not hold what the source has now. Such an archive supersedes no other. What it had superseded counts again, if the mark of
that archive is there.
"""

from __future__ import annotations

import logging
from typing import Final
from uuid import uuid4

from archival_core.clients.postgres.database import Connection
from archival_core.errors import ArchivalError, AwayError
from archival_core.flows.archive.retiring import Retiring
from archival_core.ledger.archives.marked_archives import MarkedArchives
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.state import history
from archival_core.source.state.marks import readings

_LOG = logging.getLogger(__name__)

#: the archives whose marks one run asks for, and the superseded archives that one run brings back
_LOOKED_AT: Final = 10_000
_BROUGHT_BACK: Final = 500


class LostHistories:
    """Compares the readings that the ledger knows with the marks of the source."""

    def __init__(self, marked: MarkedArchives, retiring: Retiring) -> None:
        self._marked, self._retiring = marked, retiring

    async def look(self, connection: Connection) -> int:
        """Note which archives have lost their mark, and which have it again; returns how many were lost since the last
        look.

        Each run begins at a place drawn by chance, so that each archive has its turn.
        """
        here = await catalog.server_identity(connection)
        if here.timeline is None or not here.system_identifier:
            return 0  # a standby may not have the marks yet
        found = await self._marked.readings(here, uuid4(), _LOOKED_AT)
        read = await readings.known_readings(
            connection, [(archive.job_id, nonce) for archive in found for nonce in archive.nonces]
        )
        proven = {job_id for job_id, _ in read}
        await self._marked.set_history_lost([a.job_id for a in found if a.history_lost and a.job_id in proven], lost=False)
        lost = [a.job_id for a in found if not a.history_lost and a.job_id not in proven]
        return await self._marked.set_history_lost(lost, lost=True)

    async def bring_back(self, connection: Connection) -> int:
        """Make archives that only lost archives had superseded `archived` again; returns how many."""
        brought = 0
        for job in await self._marked.superseded_by_lost(_BROUGHT_BACK):
            try:
                brought += await self._bring_one_back(connection, job)
            except AwayError:
                raise
            except ArchivalError as error:
                # One archive that cannot come back keeps no other archive from coming back.
                _LOG.error("archive %s is not brought back: %s", job.job_id, error)
        return brought

    async def _bring_one_back(self, connection: Connection, job: Job) -> bool:
        manifest = Manifest.of_ledger(job.manifest, job.job_id)
        grounds = manifest.grounds_since(job.proof)
        async with self._marked.superseded(job.job_id) as ledger:
            if ledger is None or not await history.stands_on(connection, job.job_id, grounds):
                return False
            if await history.any_table_went_by_another(connection, job.job_id, manifest):
                return False  # another archive stands in for the rows of its table
            # the folder moves first: if the run ends here, the next run finds a superseded archive below `tables/` and
            # moves it away again
            await self._retiring.bring_back(manifest.lake_path)
            await self._marked.back_from_superseded(job.job_id, ledger)
        _LOG.warning("archive %s is archived again: what had taken its place is of a history that was put back", job.job_id)
        return True
