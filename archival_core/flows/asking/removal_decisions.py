"""Whether an archived chunk leaves the database: what a person says counts before the policy and the default."""

from __future__ import annotations

import logging

from archival_core.errors import PermanentError
from archival_core.flows.removal.chunk_removal import ChunkRemoval
from archival_core.ledger.archives.removals import Removals
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.job import Job

_LOG = logging.getLogger(__name__)


class RemovalDecisions:
    """Removes nothing itself: the timer does, with every proof that it needs."""

    def __init__(self, removal: ChunkRemoval, removals: Removals) -> None:
        self._removal, self._removals = removal, removals

    async def decide(self, hypertable: Relation, chunk: str, *, remove: bool | None, decided_by: str) -> None:
        """Record whether the chunk goes; `None` leaves it to the policy. Raises `PermanentError` (`no-archive`)."""
        await self._removals.decide(await self._archived(hypertable, chunk), remove=remove)
        _LOG.warning("%s %s: removal is %s, decided by %r", hypertable, chunk, remove, decided_by)

    async def refusal(self, hypertable: Relation, chunk: str) -> str | None:
        """Why the chunk would not be removed if it were to go now. Raises `PermanentError` (`no-archive`)."""
        return await self._removal.refusal(await self._archived(hypertable, chunk))

    async def _archived(self, hypertable: Relation, chunk: str) -> Job:
        job = await self._removals.archived(hypertable, chunk)
        if job is None:
            raise PermanentError(
                f"{chunk} has no archive that stands beside its rows: it is not archived, removed already, or was restored",
                code="no-archive",
            )
        return job
