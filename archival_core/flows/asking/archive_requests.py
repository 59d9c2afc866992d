"""Ask for archives by name, age or time: which chunks are meant becomes one job each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from archival_core.clients.postgres.database import Database
from archival_core.clients.queue import QueueClient
from archival_core.errors import PermanentError
from archival_core.flows.jobs.queues.messages import submit
from archival_core.ledger.jobs.adding import AddedJob, NewJob
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.model.insight.chunk_state import position
from archival_core.source import catalog
from archival_core.source.catalog import sizes

#: One answer of the host may take 230 s; this many jobs and messages take a tenth of that.
MOST_CHUNKS: Final = 5000


@dataclass(frozen=True, slots=True)
class ArchiveWish:
    """Which chunks: the one named, or all that end by `until` and, if `since` is given, begin no earlier."""

    hypertable: Relation
    chunk: Relation | None = None
    #: RFC 3339 in UTC, or an integer for integer time
    since: str | int | None = None
    until: str | int | None = None
    #: drop the chunk afterwards; `None` leaves it to the policy
    remove: bool | None = None
    #: archive again, as a new revision, what has a finished archive
    force: bool = False


@dataclass(frozen=True, slots=True)
class WantedChunk:
    """A chunk that would be archived."""

    chunk: Chunk
    #: by the database's statistics; `None` where they do not tell
    rows: int | None
    #: on disk, indexes included
    bytes: int | None


class ArchiveRequests:
    """Turns requests of people into jobs and messages."""

    def __init__(self, source: Database, ledger: Ledger, queue: QueueClient) -> None:
        self._source, self._ledger, self._queue = source, ledger, queue

    async def request(
        self, wish: ArchiveWish, request_key: str, requested_by: str, traceparent: str | None = None
    ) -> list[AddedJob]:
        """One job for each chunk that is meant; the same key never makes a second one.

        Raises `PermanentError`: `unknown-hypertable`, `unknown-chunk`, `wrong-bound`, `too-many-chunks`, and what the catalog
        says of tables that cannot be archived.
        """
        jobs = [
            NewJob(
                hypertable=wish.hypertable,
                chunk=chunk.relation,
                remove=wish.remove,
                request_key=request_key,
                requested_by=requested_by,
                traceparent=traceparent,
                force=wish.force,
            )
            for chunk in await self._meant(wish)
        ]
        return await submit(self._queue, self._ledger, jobs)

    async def preview(self, wish: ArchiveWish) -> list[WantedChunk]:
        """What `request` would ask for, and how much it is; nothing is recorded. Raises as `request`."""
        chunks = await self._meant(wish)
        async with self._source.connect() as connection:
            found = await sizes.estimates(connection, chunks)
        known = [(chunk, found.get(chunk.oid)) for chunk in chunks]
        return [WantedChunk(chunk, size.rows if size else None, size.bytes if size else None) for chunk, size in known]

    async def _meant(self, wish: ArchiveWish) -> Sequence[Chunk]:
        async with self._source.connect() as connection:
            if wish.chunk is not None:
                return [await catalog.find_chunk(connection, wish.hypertable, wish.chunk)]
            assert wish.until is not None, "a wish names a chunk or a bound"
            chunks = await catalog.chunks_ending_by(connection, wish.hypertable, wish.until)
        if wish.since is not None:
            first = position(str(wish.since))
            chunks = [chunk for chunk in chunks if position(chunk.range.start) >= first]
        if len(chunks) > MOST_CHUNKS:
            raise PermanentError(
                f"{len(chunks)} chunks are meant and {MOST_CHUNKS} are the most for one request: narrow the bounds",
                code="too-many-chunks",
            )
        return chunks
