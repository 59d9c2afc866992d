"""The last step of an archive: ledger and marks together decide what its row in the ledger says."""

from __future__ import annotations

import logging
from collections.abc import Collection
from uuid import UUID

from archival_core.errors import ArchivalError, TransientError
from archival_core.flows.archive.retiring import Retiring
from archival_core.ledger.jobs.job_life import Ledger, Marked
from archival_core.model.jobs.job import Job, Status
from archival_core.model.lake.manifest import Manifest
from archival_core.source.at_once import at_once
from archival_core.source.beside import Beside
from archival_core.source.session import piped
from archival_core.source.state import history
from archival_core.source.state.marks import stand_ins

_LOG = logging.getLogger(__name__)


class Finishing:
    """Records published archives of one source."""

    def __init__(self, beside: Beside, ledger: Ledger, retiring: Retiring) -> None:
        self._beside, self._ledger, self._retiring = beside, ledger, retiring

    async def finish(self, job: Job, manifest: Manifest) -> None:
        """Record that the archive of `manifest` is published, and take the archives that it supersedes out of `tables/`.

        Where the ledger is in another database, the source may have a mark that the ledger does not know. A remover may
        have dropped the chunk, or reconcile may have found it dropped by others, and died before the ledger was written.
        This archive then comes too late, and is recorded as superseded. Raises `LostLeaseError`, and `TransientError`
        (`history-changed`) where the source was put back since the chunk was read.
        """

        async def ask_source(archives: Collection[UUID]) -> Marked:
            async with self._beside.connect() as connection:
                async with piped(connection):
                    stands, found, went = await at_once(
                        connection,
                        history.stands_on(connection, job.job_id, manifest.grounds),
                        stand_ins.stand_ins(connection, archives),
                        stand_ins.went_by_another(connection, job.job_id, manifest.relation_oid, manifest.relation_born),
                    )
                if manifest.nonce is not None and not stands:
                    raise TransientError(
                        f"the source was put back to before {job.chunk} was read, so it is read again", code="history-changed"
                    )
            return Marked(any(mark.kind.stands_in for mark in found.values()), went)

        if await self._ledger.finish_archive(job, manifest, ask_source) is Status.ARCHIVED:
            try:
                await self._retiring.retire(manifest.supersedes)
            except ArchivalError as error:
                # The job has ended. Who can write to the lake does not make it fail now.
                _LOG.warning("job %s: what it supersedes is left to reconcile: %s", job.job_id, error)
