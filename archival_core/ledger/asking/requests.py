"""The ledger's part in answering the same request again instead of doing it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from archival_core.ledger.pool import LedgerPool


@dataclass(frozen=True, slots=True)
class ClaimedRequest:
    """What is known of a key."""

    fingerprint: str
    #: `None` while it is worked on, or after a crash
    jobs: tuple[UUID, ...] | None


class Requests:
    """Table `archival.request`; keys are forgotten after 7 days."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def claim(self, key: str, fingerprint: str) -> ClaimedRequest:
        """Record the key, or find it again."""
        await self._pool.all("forget_requests")
        # nothing only while another request of the same key has not committed, which the next look sees
        for _ in range(2):
            row = await self._pool.one("claim_request", key=key, fingerprint=fingerprint)
            if row is not None:
                break
        assert row is not None, "a key that could not be inserted is there"
        return ClaimedRequest(row["fingerprint"], None if row["jobs"] is None else tuple(row["jobs"]))

    async def answer(self, key: str, jobs: Sequence[UUID]) -> None:
        """The request was done, with these jobs."""
        await self._pool.one("answer_request", key=key, jobs=list(jobs))
