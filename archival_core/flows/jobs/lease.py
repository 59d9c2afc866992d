"""Keeping a job's lease while it is worked on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from archival_core.errors import LostLeaseError, TransientError
from archival_core.ledger.jobs import Ledger
from archival_core.model.job import Job, Status

_LOG = logging.getLogger(__name__)

#: How work itself ends its job. Every write after that is refused, whoever does it.
_DONE = frozenset({Status.ARCHIVED, Status.SUPERSEDED, Status.REMOVED, Status.RESTORED, Status.SKIPPED})


@asynccontextmanager
async def kept_lease(ledger: Ledger, job: Job, lease: timedelta) -> AsyncIterator[None]:
    """Renew the lease three times a period. When it is lost, the work inside is cancelled and `LostLeaseError` raised."""
    owner = asyncio.current_task()
    assert owner is not None
    lost: LostLeaseError | None = None

    async def renew() -> None:
        nonlocal lost
        while lost is None:
            await asyncio.sleep(lease.total_seconds() / 3)
            try:
                if not await _renewed(ledger, job, lease):
                    return
            except LostLeaseError as error:
                lost = error
                owner.cancel()
            except TransientError as error:
                # the ledger is away for a moment; if it stays away, the lease runs out and its token guards
                _LOG.warning("lease of job %s not renewed: %s", job.job_id, error)

    renewal = asyncio.create_task(renew())
    try:
        yield
    except asyncio.CancelledError:
        if lost is None:
            raise
        owner.uncancel()
        raise lost from None
    finally:
        renewal.cancel()


async def _renewed(ledger: Ledger, job: Job, lease: timedelta) -> bool:
    """False when there is nothing to renew, because the work has just ended its job. Raises `LostLeaseError`."""
    try:
        await ledger.renew_lease(job, lease)
    except LostLeaseError:
        found = await ledger.find(job.job_id)
        if found is None or found[0].lease_token != job.lease_token or found[0].status not in _DONE:
            raise
        return False
    return True
