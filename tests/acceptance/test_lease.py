"""The lease of a job: kept while it is worked on, and let go of only by whoever holds it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from archival_core.errors import LostLeaseError
from archival_core.flows.jobs.watches.lease import kept_lease
from archival_core.model.jobs.job import Job
from tests.acceptance.conftest import no_marks

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

LEASE = timedelta(seconds=0.3)
#: in which the lease would be renewed several times
A_WHILE = 0.5

TABLE = """
create table $s.readings (time timestamptz not null) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
"""


async def taken(service: Service) -> Job:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    await service.runtime.event_drain.drain()
    [message] = service.messages()
    job = await service.runtime.ledger.take_lease(message.job_id, LEASE)
    assert job is not None
    return job


async def test_work_that_has_just_ended_its_job_has_not_lost_it(service: Service) -> None:
    job = await taken(service)
    async with kept_lease(service.runtime.ledger, job, LEASE):
        manifest = await service.runtime.chunk_archiver.archive(job)
        assert manifest is not None
        await service.runtime.ledger.finish_archive(job, manifest, no_marks)
        await asyncio.sleep(A_WHILE)


async def test_work_whose_job_was_cancelled_and_asked_for_again_is_stopped(service: Service) -> None:
    job = await taken(service)
    with pytest.raises(LostLeaseError):
        async with kept_lease(service.runtime.ledger, job, LEASE):
            await service.runtime.jobs.cancel(job.job_id, "test")
            await service.runtime.dead_letters.retry(job.job_id)
            await asyncio.sleep(10)


async def test_work_whose_job_somebody_else_has_taken_is_stopped(service: Service) -> None:
    job = await taken(service)
    await asyncio.sleep(LEASE.total_seconds())
    assert await service.runtime.ledger.take_lease(job.job_id, timedelta(minutes=1)) is not None
    with pytest.raises(LostLeaseError):
        async with kept_lease(service.runtime.ledger, job, LEASE):
            await asyncio.sleep(10)
