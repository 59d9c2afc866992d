"""Claims of shared parts: a part has one reader at a time, and counts under that claim and the job's lease alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from archival_core.errors import LostClaimError, LostLeaseError
from archival_core.lake import paths
from archival_core.ledger.jobs.shared_parts import SharedParts, Unfinished
from archival_core.model.jobs.job import Job
from archival_core.model.jobs.part_claim import PartClaim
from archival_core.model.lake.manifest import ManifestPart
from tests.acceptance.parts import request

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

LEASE = timedelta(minutes=1)
PART = ManifestPart(file="part-00000.parquet", rows=1, bytes=1, sha256="x", min_time=None, max_time=None, digests={}, exact={})


@pytest.fixture
def parts(service: Service) -> SharedParts:
    return SharedParts(service.runtime._pool)


async def leased(service: Service) -> Job:
    job = await service.runtime.ledger.take_lease(service.jobs()[0]["job_id"], LEASE)
    assert job is not None
    return job


@pytest.fixture
async def job(service: Service) -> Job:
    await request(service)
    return await leased(service)


async def claimed(parts: SharedParts, job: Job) -> PartClaim:
    claim = await parts.claim(job, LEASE)
    assert claim is not None
    return claim


def ran_out(service: Service) -> None:
    service.execute("update archival.part_claim set claimed_until = now() - interval '1 s' where token is not null")


async def test_each_part_is_claimed_once(parts: SharedParts, job: Job) -> None:
    await parts.share(job, [1, 3, 4])
    claims = [await claimed(parts, job) for _ in range(3)]
    assert [claim.number for claim in claims] == [1, 3, 4]
    assert await parts.claim(job, LEASE) is None
    assert await parts.unfinished(job) == Unfinished(missing=3, claimed=3)
    for claim in claims:
        await parts.renew(claim, LEASE)
        await parts.finish(claim, PART, f"staged {claim.number}")
    assert await parts.unfinished(job) == Unfinished(missing=0, claimed=0)
    assert await parts.claim(job, LEASE) is None


async def test_a_claim_that_ran_out_while_somebody_else_reads(service: Service, parts: SharedParts, job: Job) -> None:
    await parts.share(job, [0])
    late = await claimed(parts, job)
    ran_out(service)
    assert await parts.unfinished(job) == Unfinished(missing=1, claimed=0)
    second = await claimed(parts, job)
    assert paths.shared_part("f", 0, late.token) != paths.shared_part("f", 0, second.token)
    with pytest.raises(LostClaimError):
        await parts.renew(late, LEASE)
    with pytest.raises(LostClaimError):
        await parts.finish(late, PART, "late")
    await parts.give_back(late)
    assert await parts.claim(job, LEASE) is None
    await parts.finish(second, PART, "second")
    with pytest.raises(LostClaimError):
        await parts.finish(late, PART, "late")
    assert service.rows("select staged from archival.part") == [("second",)]


async def test_a_claim_that_is_given_back(parts: SharedParts, job: Job) -> None:
    await parts.share(job, [0])
    first = await claimed(parts, job)
    await parts.give_back(first)
    assert (await claimed(parts, job)).number == 0
    with pytest.raises(LostClaimError):
        await parts.finish(first, PART, "first")


async def test_a_part_of_a_lease_that_ran_out(service: Service, parts: SharedParts, job: Job) -> None:
    """The next worker shares what is missing anew, under its own lease."""
    await parts.share(job, [0, 1])
    claim = await claimed(parts, job)
    service.execute("update archival.job set lease_until = now() - interval '1 s'")
    assert await parts.find(job.job_id) is None
    second = await leased(service)
    # before anything is shared anew
    assert await parts.claim(job, LEASE) is None and await parts.claim(second, LEASE) is None
    for _ in range(2):
        with pytest.raises(LostClaimError):
            await parts.renew(claim, LEASE)
        with pytest.raises(LostClaimError):
            await parts.finish(claim, PART, "late")
        await parts.share(second, [0, 1])
    for write in (parts.unfinished, parts.withdraw, parts.read_alone):
        with pytest.raises(LostLeaseError):
            await write(job)
    assert service.rows("select from archival.part") == []
    assert (await claimed(parts, second)).lease_token == second.lease_token


async def test_a_job_that_was_cancelled_takes_no_part(service: Service, parts: SharedParts, job: Job) -> None:
    await parts.share(job, [0, 1])
    claim = await claimed(parts, job)
    await service.runtime.jobs.cancel(job.job_id, "a test")
    with pytest.raises(LostClaimError):
        await parts.finish(claim, PART, "late")
    assert await parts.claim(job, LEASE) is None
    assert service.rows("select from archival.part") == []


async def test_no_part_begins_any_more(service: Service, parts: SharedParts, job: Job) -> None:
    await parts.share(job, [0, 1])
    claim = await claimed(parts, job)
    await parts.withdraw(job)
    assert await parts.claim(job, LEASE) is None
    assert await parts.unfinished(job) == Unfinished(missing=1, claimed=1)
    await parts.finish(claim, PART, "in time")
    assert await parts.unfinished(job) == Unfinished(missing=0, claimed=0)


async def test_what_is_read_alone_forgets_what_was_shared(service: Service, parts: SharedParts, job: Job) -> None:
    await parts.share(job, [0, 1])
    await parts.finish(await claimed(parts, job), PART, "in time")
    claim = await claimed(parts, job)
    await parts.read_alone(job)
    assert service.rows("select from archival.part union all select from archival.part_claim") == []
    with pytest.raises(LostClaimError):
        await parts.finish(claim, PART, "late")
    assert service.jobs()[0]["reads_alone"] is True
