"""How far behind its policies the service is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from archival_core.errors import PermanentError
from archival_core.flows.asking.due_chunks import DueChunks
from archival_core.ledger.asking.policies import DuePolicy, Policies
from archival_core.model.chunks.chunk import Chunk
from archival_core.model.chunks.moment import moment
from archival_core.model.insight.insight import Overdue

_MICROSECONDS: Final = 1_000_000


class OverdueChunks:
    """Compares what policies mean now with the archives there are."""

    def __init__(self, policies: Policies, due: DueChunks) -> None:
        self._policies, self._due = policies, due

    async def oldest(self) -> dict[str, Overdue | None]:
        """By hypertable with an enabled policy: the oldest chunk that is due and not archived, if there is one.

        A chunk that people have restored is not due, because no policy archives it again by itself. A policy that cannot be
        followed is left out: its row says why.
        """
        found: dict[str, Overdue | None] = {}
        for policy in await self._policies.all():
            if policy.policy.enabled:
                try:
                    chunks = await self._due.ended_by(policy.policy.hypertable, policy.cutoff)
                except PermanentError:
                    continue
                found[str(policy.policy.hypertable)] = await self._first_unarchived(policy, chunks)
        return found

    async def _first_unarchived(self, policy: DuePolicy, chunks: Sequence[Chunk]) -> Overdue | None:
        chunk = await self._policies.first_overdue(policy.policy.hypertable, chunks)
        if chunk is None:
            return None
        cutoff, end = moment(policy.cutoff), moment(chunk.range.end)
        # an end that is not in the calendar is older than any that is
        seconds = (cutoff - end) / _MICROSECONDS if isinstance(cutoff, int) and isinstance(end, int) else float("inf")
        return Overdue(str(chunk.relation), chunk.range, seconds)
