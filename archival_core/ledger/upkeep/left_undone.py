"""The ledger's part in looking after jobs: which wait for a message, whose staging is left over, whose end nobody was told."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from archival_core.ledger.pool import LedgerPool
from archival_core.model.jobs.job import Kind
from archival_core.model.jobs.message import JobMessage


class Upkeep:
    """Jobs that something was forgotten about."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def live_jobs(self, kind: Kind, patience: timedelta) -> int:
        """Jobs that are queued or running, without those younger than `patience` whose message is yet to come."""
        row = await self._pool.one("live_jobs", kind=kind, patience=patience)
        return int(row["jobs"]) if row else 0

    async def waiting(self, kind: Kind, patience: timedelta, limit: int) -> list[JobMessage]:
        """A message for each job that nobody works on and whose message is older than `patience`, those in need first."""
        rows = await self._pool.all("waiting_jobs", kind=kind, patience=patience, limit=limit)
        return [JobMessage(row["job_id"], row["traceparent"]) for row in rows]

    async def staging_owners(self, job_ids: Collection[UUID], patience: timedelta) -> dict[UUID, bool]:
        """Those of `job_ids` that are jobs, and whether their staging may still be wanted: they live, or ended just now."""
        rows = await self._pool.all("staging_owners", job_ids=list(job_ids), patience=patience)
        return {row["job_id"]: row["wanted"] for row in rows}

    async def unannounced(self, patience: timedelta, limit: int) -> list[UUID]:
        """Jobs that ended longer than `patience` ago without a word on the result stream."""
        return [row["job_id"] for row in await self._pool.all("unannounced_jobs", patience=patience, limit=limit)]
