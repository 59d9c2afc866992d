"""The chunks that a policy means now."""

from __future__ import annotations

from collections.abc import Sequence

from archival_core.errors import PermanentError
from archival_core.flows.asking.event_drain import FindChunks
from archival_core.ledger.asking.policies import Policies
from archival_core.model.chunks.chunk import Chunk, Relation


class DueChunks:
    """Compares the source's catalog with the ledger."""

    def __init__(self, policies: Policies, find_chunks: FindChunks) -> None:
        self._policies, self._find_chunks = policies, find_chunks

    async def ended_by(self, hypertable: Relation, cutoff: str) -> Sequence[Chunk]:
        """Every chunk whose range ends by `cutoff`, the oldest first.

        Raises `PermanentError`: `unknown-hypertable`, `unsupported-partitioning`, `unsupported-time-type`, and
        `no-clock-time` for integer time, which has no age.
        """
        try:
            return await self._find_chunks(hypertable, cutoff)
        except PermanentError as error:
            if error.code != "wrong-bound":
                raise
            raise PermanentError(
                f"{hypertable} is partitioned by an integer, which has no age, so no policy can say when its chunks are due;"
                " archive them by requests with older_than",
                code="no-clock-time",
            ) from None

    async def of(self, hypertable: Relation, cutoff: str, limit: int) -> list[Chunk]:
        """The oldest chunks that are due and have no job; raises as `ended_by`."""
        chunks = await self.ended_by(hypertable, cutoff)
        return await self._policies.without_job(hypertable, chunks, limit) if chunks else []
