"""The ledger's part in requests that mean many chunks of a hypertable: a job for each that needs one, a line for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archival_core.clients.postgres.prose import Prose
from archival_core.ledger.jobs.adding import AddedJob
from archival_core.ledger.pool import LedgerPool
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.job import Status


@dataclass(frozen=True, slots=True)
class ChunksRequest:
    """Who asks for chunks of a hypertable."""

    hypertable: Relation
    remove: bool | None
    request_key: str
    requested_by: str
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class AddedChunks:
    """What became of some chunks that a request means."""

    jobs: list[AddedJob]
    #: those that have a job of somebody else
    duplicates: list[Relation]


class ChunkRequests:
    """Rows of `archival.job` for requests that mean many chunks."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def add(self, request: ChunksRequest, chunks: Sequence[Relation]) -> AddedChunks:
        """A job for each of `chunks` that has none, in one transaction. That the request wants chunks removed counts for the
        jobs that are there already. The same request finds its own jobs again."""
        # somebody may be queuing a job for one of these chunks at this moment, which the next try sees
        rows = await self._pool.all_again(
            "add_chunk_jobs",
            hypertable=str(request.hypertable),
            chunks=[str(chunk) for chunk in chunks],
            remove=request.remove,
            request_key=Prose(request.request_key),
            requested_by=Prose(request.requested_by),
            traceparent=request.traceparent,
        )
        return AddedChunks(
            [AddedJob(row["job_id"], Status(row["status"]), row["traceparent"]) for row in rows if row["taken"] is None],
            [Relation.parse(row["taken"]) for row in rows if row["taken"] is not None],
        )

    async def note_duplicates(self, requests: Sequence[ChunksRequest], chunk: Relation, what: str) -> list[AddedJob]:
        """Requests of one hypertable ask for chunks that have jobs already, `chunk` among them: a line for each, once."""
        rows = await self._pool.all(
            "note_duplicates",
            hypertable=str(requests[0].hypertable),
            chunk=str(chunk),
            what=Prose(what),
            keys=[Prose(request.request_key) for request in requests],
            requesters=[Prose(request.requested_by) for request in requests],
            traceparents=[request.traceparent for request in requests],
            removes=[request.remove for request in requests],
        )
        return [AddedJob(row["job_id"], Status.SKIPPED, row["traceparent"]) for row in rows]
