"""Whether an archived chunk leaves the database: what a person says counts before the policy and the default."""

from __future__ import annotations

import logging
from uuid import UUID

from archival_core.clients.postgres.database import Database
from archival_core.errors import PermanentError
from archival_core.flows.jobs.chunk_places import ChunkPlaces
from archival_core.flows.removal.chunk_removal import ChunkRemoval
from archival_core.ledger.archives.removals import Removals
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.job import Job
from archival_core.source import catalog

_LOG = logging.getLogger(__name__)


class RemovalDecisions:
    """Removes nothing itself: the timer does, with every proof that it needs."""

    def __init__(
        self, source: Database, places: ChunkPlaces, ledger: Ledger, removal: ChunkRemoval, removals: Removals
    ) -> None:
        self._source, self._places, self._ledger = source, places, ledger
        self._removal, self._removals = removal, removals

    async def decide(self, hypertable: Relation, chunk: str, *, remove: bool | None, decided_by: str) -> None:
        """Record whether the chunk goes; `None` leaves it to the policy. Raises `PermanentError` (`no-archive`)."""
        await self._removals.decide(await self._archived(hypertable, chunk), remove=remove)
        _LOG.warning("%s %s: removal is %s, decided by %r", hypertable, chunk, remove, decided_by)

    async def refusal(self, hypertable: Relation, chunk: str) -> str | None:
        """Why the chunk would not be removed if it were to go now. Raises `PermanentError` (`no-archive`)."""
        return await self._removal.refusal(await self._archived(hypertable, chunk))

    async def _archived(self, hypertable: Relation, chunk: str) -> Job:
        archive = await self._archive_beside(hypertable, Relation.parse(chunk))
        found = await self._ledger.find(archive) if archive else None
        if found is None:
            raise PermanentError(
                f"{chunk} has no archive that stands beside its rows: it is not archived, removed already, or was restored",
                code="no-archive",
            )
        return found[0]

    async def _archive_beside(self, hypertable: Relation, chunk: Relation) -> UUID | None:
        async with self._source.connect() as connection:
            try:
                found = await catalog.find_chunk(connection, hypertable, chunk)
            except PermanentError as error:
                if error.code not in ("unknown-chunk", "unknown-hypertable"):
                    raise
                return None
        return (await self._places.of(str(hypertable), [found], limit=0)).archive(found)
