"""A job's lease, or the claim of one of its parts, is renewed for as long as somebody works on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from archival_core.errors import LostClaimError, LostLeaseError, TransientError
from archival_core.flows.jobs.watches.calling_off import CallOff, watched
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.ledger.jobs.shared_parts import SharedParts
from archival_core.model.jobs.job import Job, Status
from archival_core.model.jobs.part_claim import PartClaim

_LOG = logging.getLogger(__name__)

#: Statuses by which work itself ends its job. The ledger refuses every later write of the lease, whoever makes it.
_DONE = frozenset({Status.ARCHIVED, Status.SUPERSEDED, Status.REMOVED, Status.RESTORED, Status.SKIPPED})


@asynccontextmanager
async def kept_lease(ledger: Ledger, job: Job, lease: timedelta) -> AsyncIterator[None]:
    """Renew the lease three times in each of its periods.

    If the lease is lost, the work inside is cancelled and `LostLeaseError` is raised.
    """

    async def renew(call_off: CallOff) -> None:
        while True:
            await asyncio.sleep(lease.total_seconds() / 3)
            try:
                if not await _renewed(ledger, job, lease):
                    return
            except LostLeaseError as error:
                call_off(error)
                return
            except TransientError as error:
                # The ledger may be away for a moment only. If it stays away, the lease runs out, and then the token refuses
                # this worker's writes.
                _LOG.warning("lease of job %s not renewed: %s", job.job_id, error)

    async with watched(renew):
        yield


@asynccontextmanager
async def kept_claim(parts: SharedParts, claim: PartClaim, lease: timedelta) -> AsyncIterator[None]:
    """The same for the claim of one part. If the claim is lost, `LostClaimError` is raised."""

    async def renew(call_off: CallOff) -> None:
        while True:
            await asyncio.sleep(lease.total_seconds() / 3)
            try:
                await parts.renew(claim, lease)
            except LostClaimError as error:
                call_off(error)
                return
            except TransientError as error:
                _LOG.warning("the claim of part %d of job %s is not renewed: %s", claim.number, claim.job_id, error)

    async with watched(renew):
        yield


async def _renewed(ledger: Ledger, job: Job, lease: timedelta) -> bool:
    """Renew the lease once; false if the work has just ended its job, so that there is nothing to renew.

    Raises `LostLeaseError` if the job has another owner.
    """
    try:
        await ledger.renew_lease(job, lease)
    except LostLeaseError:
        found = await ledger.find(job.job_id)
        if found is None or found[0].lease_token != job.lease_token or found[0].status not in _DONE:
            raise
        return False
    return True
