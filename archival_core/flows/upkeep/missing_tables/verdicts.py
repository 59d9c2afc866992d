"""What is recorded of an archive whose table is missing: its rows are elsewhere, they are gone, or somebody has to say it."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Final
from uuid import UUID

from archival_core.clients.postgres.database import Connection
from archival_core.errors import ArchivalError, PermanentError
from archival_core.flows.archive.retiring import Retiring
from archival_core.ledger.archives.marked_archives import MarkedArchives
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.model.jobs.job import Job, Status
from archival_core.model.lake.manifest import Manifest
from archival_core.source.state.marks import mark_schema, stand_ins
from archival_core.source.state.marks.stand_ins import StandIn, StandInKind

_LOG = logging.getLogger(__name__)

#: Why nobody can tell, and a person's word helps. What else goes wrong is no question for a person.
_QUESTIONS: Final = frozenset({"archive-undecided", "columns-differ", "not-restorable", "other-server"})
#: The same, of archives that may not stand in for rows, whatever a person says.
_NO_HISTORY: Final = frozenset({"copy-unsettled", "history-changed", "not-compared"})


class Verdicts:
    """Records what was decided, in the source and in the ledger."""

    def __init__(self, marked: MarkedArchives, retiring: Retiring) -> None:
        self._marked, self._retiring = marked, retiring

    async def supersede(self, job: Job) -> bool:
        """Record that later archives have the rows, and move the archive out of its table; false if it is not archived any
        more."""
        if not await self._marked.supersede(job.job_id, Status.ARCHIVED):
            return False
        await self._retiring.retire([job.lake_path] if job.lake_path else [])
        return True

    async def drop(
        self,
        connection: Connection,
        job: Job,
        manifest: Manifest,
        kind: StandInKind,
        *,
        why: str = "somebody else removed it",
        table: TableIdentity | None = None,
    ) -> bool:
        """Record what became of a chunk that the service has not dropped: by a mark, and in the ledger. False if a mark stands
        in already, which the ledger follows.

        The mark names `table`, or the table that the archive was read from. Raises `PermanentError` (`not-archived`).
        """
        note = PermanentError(f"{job.chunk} is gone: {why}", code="was-gone")
        went = table or TableIdentity(oid=manifest.relation_oid, born=manifest.relation_born or "")
        stand_in = StandIn(
            archive=job.job_id,
            kind=kind,
            hypertable=str(job.hypertable),
            chunk=str(job.chunk),
            lake_path=manifest.lake_path,
            manifest=job.manifest_sha256 or manifest.sha256(),
            oid=went.oid,
            born=went.born,
        )
        may_mark = await mark_schema.ensure(connection)
        async with self._marked.held(job) as elsewhere:
            async with connection.transaction():
                if may_mark:
                    found = await stand_ins.lock_stand_in(connection, job.job_id)
                    if found is not None and found.kind.stands_in:
                        return False
                    await stand_ins.record(connection, stand_in)
                if elsewhere is None:
                    await self._marked.finish_dropped(job, went, note, connection)
            if elsewhere is not None:
                await self._marked.finish_dropped(job, went, note, elsewhere)
        _LOG.warning("job %s: %s", job.job_id, note)
        return True

    async def leave(self, job: Job, why: ArchivalError) -> None:
        """Record that nobody can tell what became of the rows, so that somebody says it. What a person cannot answer is logged
        alone."""
        if why.code not in _QUESTIONS | _NO_HISTORY:
            _LOG.warning("job %s: its table is gone, and nothing is decided yet: %s", job.job_id, why)
            return
        words = "--rows moved (other tables have them)"
        if why.code not in _NO_HISTORY:
            words += " or --rows dropped (the lake alone has them)"
        error = PermanentError(
            f"nobody can tell what became of the rows of {job.chunk}: {why}. Say it: archival settle {job.job_id} {words}",
            code="archive-undecided",
        )
        if await self._marked.leave_undecided(job.job_id, error):
            _LOG.warning("job %s: %s", job.job_id, error)

    async def take_back(self, archives: Collection[UUID]) -> None:
        """Nobody need say anything about these archives any more."""
        if archives:
            await self._marked.take_back_undecided(archives)


def dropped_kind(forget: bool) -> StandInKind:
    """The mark of a chunk that somebody else has dropped, where its policy may forget its rows."""
    return StandInKind.FORGOTTEN if forget else StandInKind.DROPPED_BY_OTHERS
