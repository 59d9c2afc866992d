"""Requests that mean all chunks up to a bound. Each may mean many chunks, and the same request may come many times.

Jobs are recorded and their messages sent some at a time, whatever the number of chunks. A request whose chunks have jobs
already leaves one line in the ledger, however many chunks these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Final

from archival_core.clients.queue import QueueClient
from archival_core.flows.jobs.queues.messages import send_for_queued
from archival_core.ledger.asking.chunk_requests import ChunkRequests, ChunksRequest
from archival_core.ledger.jobs.adding import AddedJob
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.chunks.chunk import Chunk, Relation

#: chunks of one transaction
_AT_A_TIME: Final = 500


@dataclass(frozen=True, slots=True)
class WideRequest:
    """Every chunk that ends by `older_than` is asked for: RFC 3339, or an integer for integer time."""

    older_than: str | int
    asked: ChunksRequest

    @property
    def meaning(self) -> tuple[object, ...]:
        """What the request wants. Requests of the same meaning want the same."""
        return self.asked.hypertable, type(self.older_than), self.older_than, self.asked.remove


class WideRequests:
    """Turns requests for many chunks into jobs and messages."""

    def __init__(self, requests: ChunkRequests, ledger: Ledger, queue: QueueClient) -> None:
        self._requests, self._ledger, self._queue = requests, ledger, queue

    async def ask(self, request: ChunksRequest, chunks: Sequence[Chunk]) -> list[AddedJob]:
        """A job and its message for each of `chunks` that has none, and one line if there are others; returns all of these.

        A crash in between leaves jobs and messages that the same request finds again.
        """
        added: list[AddedJob] = []
        duplicates: list[Relation] = []
        for some in batched(chunks, _AT_A_TIME, strict=False):
            found = await self._requests.add(request, [chunk.relation for chunk in some])
            await send_for_queued(self._queue, self._ledger, found.jobs)
            added += found.jobs
            duplicates += found.duplicates
        if duplicates:
            what = f"{len(duplicates)} of the {len(chunks)} chunks that are meant have jobs already, this chunk first"
            added += await self._requests.note_duplicates([request], duplicates[0], what)
        return added

    async def note(self, requests: Sequence[ChunksRequest], chunks: Sequence[Chunk]) -> list[AddedJob]:
        """A line for each of `requests`: another one has just asked for the same `chunks`."""
        if not chunks:
            return []
        what = f"another event has just asked for the same {len(chunks)} chunks, this chunk first"
        return await self._requests.note_duplicates(requests, chunks[0].relation, what)
