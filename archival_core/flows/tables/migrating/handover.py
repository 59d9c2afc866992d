"""An archive that was written anew takes the place of the former one.

Where the ledger is in the source, the mark and both rows of the ledger change in one transaction. Where it is elsewhere, the
ledger's rows are locked, the mark changes hands and commits, and the rows follow. If a crash comes in between, the mark names
the new archive, whose manifest is in the lake: the job comes again and finds that, or `reconcile` follows the mark.
"""

from __future__ import annotations

import logging
from uuid import UUID

from archival_core.clients.postgres.database import Database
from archival_core.errors import ArchivalError, PermanentError
from archival_core.flows.archive.retiring import Retiring
from archival_core.flows.tables.migrating.outdated import why_not
from archival_core.ledger.archives.rewrites import OutdatedArchive, Rewrites
from archival_core.model.jobs.job import Job, Status
from archival_core.model.lake.manifest import Manifest
from archival_core.source.state.marks import handing_over, stand_ins
from archival_core.source.state.marks.stand_ins import StandIn, StandInKind
from archival_core.source.state.snapshot.waiting import BRIEFLY

_LOG = logging.getLogger(__name__)


class Handover:
    """Hands the marks of one source over, and the ledger's rows with them."""

    def __init__(self, source: Database, rewrites: Rewrites, retiring: Retiring) -> None:
        self._source, self._rewrites, self._retiring = source, rewrites, retiring

    async def former(self, job: Job, archive: UUID) -> OutdatedArchive:
        """The archive that `job` writes anew. Raises `PermanentError` (`not-rewritable`) if it stands in for no rows."""
        found = await self._rewrites.former(archive)
        if found is None or found.status is not Status.REMOVED:
            raise PermanentError(
                f"there is nothing to write anew: the archive of {job.chunk} does not stand in for rows any more",
                code="not-rewritable",
            )
        async with self._source.connect(BRIEFLY) as connection:
            marks = await stand_ins.stand_ins(connection, [archive, job.job_id])
        # the mark may have changed hands before a crash
        if job.job_id not in marks and (reason := why_not(found, marks.get(archive))):
            raise PermanentError(f"the archive of {job.chunk} is not written anew: {reason}", code="not-rewritable")
        return found

    async def hand_over(self, job: Job, former: OutdatedArchive, manifest: Manifest) -> None:
        """Let the archive of `manifest` stand in for the rows, and have the former superseded.

        Raises `PermanentError` (`not-rewritable`), and `LostLeaseError`.
        """
        marks = [_mark(UUID(manifest.job_id), manifest.sha256(), manifest.lake_path, former, job)]
        marks.insert(0, _mark(former.archive, former.manifest_sha256 or "", former.lake_path, former, job))
        async with self._rewrites.held(job, former.archive) as elsewhere, self._source.connect(BRIEFLY) as connection:
            async with connection.transaction():
                await handing_over.hand_over(connection, *marks)
                if elsewhere is None:
                    await self._rewrites.finish(job, former, manifest, connection)
            if elsewhere is not None:
                await self._rewrites.finish(job, former, manifest, elsewhere)
        try:
            await self._retiring.retire([former.lake_path])
        except ArchivalError as error:
            # the job has ended: what lies in the lake does not make it fail now
            _LOG.warning("job %s: the former archive is left to reconcile: %s", job.job_id, error)


def _mark(archive: UUID, manifest: str, lake_path: str, former: OutdatedArchive, job: Job) -> StandIn:
    # the kind stays that of the mark in the source
    kind, chunk = StandInKind.REMOVED, str(job.chunk)
    return StandIn(archive, kind, former.hypertable, chunk, lake_path, manifest, former.oid, former.born or "")
