"""The ledger's part in folding: rows of ended jobs that no question needs become counts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from archival_core.ledger.pool import LedgerPool
from archival_core.model.chunks.chunk import Relation


@dataclass(frozen=True, slots=True)
class FoldableJob:
    """A job that ended without an archive, longer ago than jobs are kept."""

    job_id: UUID
    chunk: Relation
    #: no later job says more about the chunk: while the chunk is there, a policy must find this row, and a person may retry
    is_last: bool


class Folding:
    """Table `archival.folded_job`, and what of jobs is left over."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def foldable(self, age: timedelta, events: str, after: UUID, up_to: UUID, limit: int) -> list[FoldableJob]:
        """Jobs behind the id `after` up to `up_to` that ended longer than `age` ago; of events, none whose entry is in
        `events`."""
        rows = await self._pool.all("foldable_jobs", age=age, events=events, after=after, up_to=up_to, limit=limit)
        return [FoldableJob(row["job_id"], Relation.parse(row["chunk"]), row["is_last"]) for row in rows]

    async def fold(self, job_ids: Collection[UUID], age: timedelta) -> int:
        """Count these jobs and delete their rows; returns how many. A job that was retried meanwhile stays."""
        row = await self._pool.one("fold_jobs", job_ids=list(job_ids), age=age)
        return int(row["jobs"]) if row else 0

    async def forget_events(self, age: timedelta, after: UUID, limit: int) -> int:
        """Delete changes of jobs older than `age` among the `limit` lines behind the job `after`; returns how many."""
        row = await self._pool.one("forget_events", age=age, after=after, limit=limit)
        return int(row["events"]) if row else 0

    async def forget_parts(self, age: timedelta) -> int:
        """Delete the parts of jobs that ended longer than `age` ago; returns how many."""
        row = await self._pool.one("forget_parts", age=age)
        return int(row["parts"]) if row else 0
