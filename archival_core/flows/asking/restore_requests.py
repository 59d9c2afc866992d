"""Ask for restores: which archives are meant becomes one job each."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from archival_core.clients.queue import QueueClient
from archival_core.errors import PermanentError
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.ledger.jobs import AddedJob, Ledger
from archival_core.ledger.restores import NewRestore, Restores
from archival_core.model.chunk import ChunkRange, Relation
from archival_core.model.job import Status
from archival_core.model.message import JobMessage


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """Which archives to restore, and how."""

    hypertable: Relation
    #: only this chunk's; of several revisions those whose rows are not in the database
    chunk: Relation | None
    #: only those that overlap it; open ends mean all
    within: ChunkRange
    wish: RestoreWish
    #: the same key never restores twice
    request_key: str
    requested_by: str
    traceparent: str | None = None


class RestoreRequests:
    """Turns requests into jobs and messages."""

    def __init__(self, ledger: Ledger, restores: Restores, queue: QueueClient) -> None:
        self._ledger, self._restores, self._queue = ledger, restores, queue

    async def request(self, request: RestoreRequest) -> list[AddedJob]:
        """One job for each archive that is meant.

        Back into the hypertable go only archives whose chunk was removed. Raises `PermanentError` (`no-archive`,
        `not-restorable`) if there is none.
        """
        found = await self._restores.archives(request.hypertable, request.chunk, request.within)
        if not found:
            raise PermanentError(f"{request.hypertable} has no such archive", code="no-archive")
        wanted = [job for job in found if job.status is Status.REMOVED or request.wish.into is not None]
        if not wanted:
            raise PermanentError(
                f"the rows of {found[0].chunk} are still in {request.hypertable}: it was archived and not removed;"
                " restore into a table of its own",
                code="not-restorable",
            )
        added = await self._restores.add([self._new(request, job.job_id) for job in wanted])
        waiting = [job for job in added if job.status is Status.QUEUED]
        await self._queue.send([JobMessage(job.job_id, job.traceparent) for job in waiting])
        await self._ledger.messaged([job.job_id for job in waiting])
        return added

    def _new(self, request: RestoreRequest, archive: UUID) -> NewRestore:
        return NewRestore(
            archive=archive,
            options=request.wish.to_options(),
            request_key=f"{request.request_key}/{archive}",
            requested_by=request.requested_by,
            traceparent=request.traceparent,
        )
