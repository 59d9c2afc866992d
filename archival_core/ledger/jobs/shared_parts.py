"""The parts of a large chunk that several instances read: who has claimed which.

The worker that has the job shares its parts. Whoever works on one of them has a claim, with a random token, for as long as it
renews the claim. A part is recorded only with the token of its claim, and only under the job's lease under which the part
was shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from archival_core.errors import LostClaimError, LostLeaseError
from archival_core.ledger.jobs.job_life import read_job
from archival_core.ledger.pool import LedgerPool, Row
from archival_core.model.jobs.job import Job
from archival_core.model.jobs.part_claim import PartClaim
from archival_core.model.jobs.progress import Progress
from archival_core.model.lake.manifest import ManifestPart


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Shared parts that are not finished."""

    missing: int
    #: those of them that somebody works on
    claimed: int


class SharedParts:
    """Shared parts of running jobs."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def share(self, job: Job, numbers: Sequence[int]) -> None:
        """The parts of these numbers may be claimed, and no others; raises `LostLeaseError`."""
        await self._by_owner("share_parts", job, numbers=list(numbers))

    async def find(self, job_id: UUID) -> tuple[Job, Progress] | None:
        """The job, if its parts are shared now, with the lease of its worker; `None` if there is nothing to help with."""
        row = await self._pool.one("find_shared", job_id=job_id)
        if row is None or (progress := Progress.read(row["progress"])) is None:
            return None
        return read_job(row), progress

    async def claim(self, job: Job, lease: timedelta) -> PartClaim | None:
        """Claim one part of `job`, under the lease that `job` has; `None` if there is none to be had now."""
        row = await self._pool.one("claim_part", job_id=job.job_id, lease_token=job.lease_token, lease=lease)
        return PartClaim(row["job_id"], row["number"], row["token"], row["lease_token"]) if row else None

    async def renew(self, claim: PartClaim, lease: timedelta) -> None:
        """Go on; raises `LostClaimError`."""
        await self._by_claim("renew_claim", claim, lease=lease)

    async def give_back(self, claim: PartClaim) -> None:
        """Let somebody else have the part; nothing happens if somebody has it already."""
        values = {"job_id": claim.job_id, "number": claim.number, "token": claim.token}
        await self._pool.one("give_back_claim", **values)

    async def finish(self, claim: PartClaim, part: ManifestPart, staged: str) -> None:
        """The part's file lies at `staged`, verified; raises `LostClaimError`."""
        values = {"lease_token": claim.lease_token, "part": Jsonb(part.model_dump(mode="json")), "staged": staged}
        await self._by_claim("finish_part", claim, **values)

    async def unfinished(self, job: Job) -> Unfinished:
        """What is still to be done; raises `LostLeaseError`."""
        row = await self._by_owner("shared_parts", job)
        return Unfinished(row["missing"], row["claimed"])

    async def withdraw(self, job: Job) -> None:
        """Nobody may begin a part any more; raises `LostLeaseError`."""
        await self._by_owner("withdraw_parts", job)

    async def read_alone(self, job: Job) -> None:
        """The chunk has changed meanwhile: all parts are forgotten, and the next run reads it in one snapshot.

        Raises `LostLeaseError`.
        """
        await self._by_owner("read_alone", job)

    async def _by_owner(self, query: str, job: Job, **parameters: Any) -> Row:
        row = await self._pool.one(query, job_id=job.job_id, token=job.lease_token, **parameters)
        if row is None:
            raise LostLeaseError(job.job_id, job.attempt)
        return row

    async def _by_claim(self, query: str, claim: PartClaim, **parameters: Any) -> None:
        values = {"job_id": claim.job_id, "number": claim.number, "token": claim.token, **parameters}
        if await self._pool.one(query, **values) is None:
            raise LostClaimError(claim.job_id, claim.number)
