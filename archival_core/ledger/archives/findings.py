"""The ledger's part in verification: which archives are due, and what was found wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from archival_core.clients.postgres.prose import Prose
from archival_core.ledger.jobs.job_life import read_job
from archival_core.ledger.pool import LedgerPool
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.job import Job, Status
from archival_core.model.lake.finding import Finding, Problem


@dataclass(frozen=True, slots=True)
class RecordedFinding:
    """A finding that no later verification has found right."""

    job_id: UUID
    hypertable: Relation
    chunk: Relation
    #: `removed`: the archive was the only copy
    status: Status
    finding: Finding
    #: when it was found first
    found_at: datetime


class Findings:
    """Table `archival.finding`, and `verified_at` of the archives."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def due(self, every: timedelta, tried: Collection[UUID], limit: int) -> list[Job]:
        """Published archives that were not verified for `every`, those verified longest ago first; none of `tried`."""
        rows = await self._pool.all("verification_due", every=every, tried=list(tried), limit=limit)
        return [read_job(row) for row in rows]

    async def due_one(self, every: timedelta, job_id: UUID) -> list[Job]:
        """The archive of one job, if it was not verified for `every`."""
        rows = await self._pool.all("verification_due_one", every=every, job_id=job_id)
        return [read_job(row) for row in rows]

    async def record(self, job: Job, findings: Sequence[Finding]) -> bool:
        """The archive of `job` was verified, with this result. False if it is not published where it was any more."""
        unique = {finding.file: finding for finding in findings}
        row = await self._pool.one(
            "record_verification",
            job_id=job.job_id,
            lake_path=job.lake_path,
            files=list(unique),
            problems=[str(finding.problem) for finding in unique.values()],
            details=[Prose(finding.detail) for finding in unique.values()],
        )
        return row is not None

    async def request(self, *, hypertable: Relation | None = None, job_id: UUID | None = None) -> int:
        """Make the published archives of a hypertable, or that of one job, due now; returns how many they are."""
        row = await self._pool.one(
            "request_verification", job_id=job_id, hypertable=None if hypertable is None else str(hypertable)
        )
        return int(row["archives"]) if row else 0

    async def worst(self, limit: int) -> list[RecordedFinding]:
        """What is wrong, the worst first: archives that were the only copy."""
        return [
            RecordedFinding(
                row["job_id"],
                Relation.parse(row["hypertable"]),
                Relation.parse(row["chunk"]),
                Status(row["status"]),
                Finding(row["file"], Problem(row["problem"]), row["detail"]),
                row["found_at"],
            )
            for row in await self._pool.all("findings", limit=limit)
        ]
