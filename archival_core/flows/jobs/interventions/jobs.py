"""Jobs as people handle them: list, look at one, cancel."""

from __future__ import annotations

import logging
from collections.abc import Collection
from uuid import UUID

from archival_core.errors import PermanentError
from archival_core.ledger.jobs.job_list import JobList
from archival_core.model.jobs.job import LIVE, Status
from archival_core.model.jobs.job_record import JobEvent, JobFilter, JobPosition, JobRecord

_LOG = logging.getLogger(__name__)


class Jobs:
    """The jobs of one ledger."""

    def __init__(self, jobs: JobList) -> None:
        self._jobs = jobs

    async def page(self, wanted: JobFilter, after: JobPosition | None, limit: int) -> list[JobRecord]:
        """The newest jobs that are `wanted`, from the position `after` on."""
        return await self._jobs.page(wanted, after, limit)

    async def total(self, wanted: JobFilter) -> int | None:
        """How many jobs are `wanted`; `None` where only reading all of them would tell."""
        return await self._jobs.total(wanted)

    async def these(self, job_ids: Collection[UUID]) -> list[JobRecord]:
        """Those of `job_ids` that are jobs, in the order of their chunks' ranges."""
        return await self._jobs.these(job_ids)

    async def get(self, job_id: UUID) -> JobRecord:
        """One job; raises `PermanentError` (`unknown-job`)."""
        found = await self._jobs.these([job_id])
        if not found:
            raise PermanentError(f"there is no job {job_id}", code="unknown-job")
        return found[0]

    async def changes(self, job_id: UUID) -> list[JobEvent]:
        """How a job came to its status, the oldest first; empty for a job that nobody has worked on yet."""
        return await self._jobs.changes(job_id)

    async def cancel(self, job_id: UUID, cancelled_by: str) -> JobRecord:
        """End a job that is queued or running; a job that is cancelled already stays cancelled.

        The worker of a running job stops at its next lease renewal or guarded write, and what it left in staging is swept.
        If the worker has just published its archive, reconcile finds the archive, and the job is archived after all. Raises
        `PermanentError`: `unknown-job`, `not-cancellable`.
        """
        if await self._jobs.cancel(job_id, cancelled_by):
            _LOG.warning("job %s is cancelled by %r", job_id, cancelled_by)
        job = await self.get(job_id)
        if job.status is not Status.CANCELLED:
            live = " and ".join(sorted(LIVE))
            raise PermanentError(f"job {job_id} is {job.status}; {live} ones are cancelled", code="not-cancellable")
        return job
