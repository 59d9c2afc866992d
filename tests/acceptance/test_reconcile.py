"""Reconcile: whatever a crash, a lost message or a lost event left undone is done, once."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from archival_core.model.jobs.message import JobMessage
from dev.lake_emulator import Fault
from tests.acceptance.reconciling import (
    TABLE,
    age,
    archive,
    as_if_crashed_after_the_rename,
    published,
    reconcile,
    statuses,
)

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database


async def test_a_healthy_service_needs_nothing(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb")
    before = (service.jobs(), service.files())
    assert (await reconcile(service)).is_empty
    assert (service.jobs(), service.files()) == before


async def test_what_a_worker_is_at_is_left_alone(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    as_if_crashed_after_the_rename(service, "running")
    assert (await reconcile(service)).adoption.adopted == []
    service.execute("update archival.job set status = 'failed'")
    # another job of the chunk decides what becomes of it
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    await service.runtime.event_drain.drain()
    assert (await reconcile(service)).adoption.adopted == []
    assert statuses(service) == ["failed", "queued"]
    assert service.files("manifests") == []


async def test_a_lost_message_is_sent_again_and_a_backlog_is_not(service: Service) -> None:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", older_than="2026-03-01T00:00:00Z")
    await service.runtime.event_drain.drain()
    service.execute("update archival.job set messaged_at = now() - interval '1 day', requested_at = now() - interval '1 day'")
    # a day in the queue, and nothing amiss
    assert (await reconcile(service)).messages == 0
    lost = service.queue.receive_message()
    assert lost is not None
    service.queue.delete_message(lost)
    # which of the two is lost cannot be seen: the turn of the other comes with the next run that misses a message
    assert (await reconcile(service)).messages == 1
    sent = {message.job_id for message in service.messages()}
    assert (await reconcile(service)).messages == 1
    sent |= {message.job_id for message in service.messages()}
    assert sent == {job["job_id"] for job in service.jobs()}
    # both were just sent, so both are given time
    assert (await reconcile(service)).messages == 0


async def test_a_job_that_was_never_sent_and_one_whose_worker_died(service: Service) -> None:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", older_than="2026-03-01T00:00:00Z")
    await service.runtime.event_drain.drain()
    service.messages()
    service.execute(
        "update archival.job set requested_at = now() - interval '1 day', messaged_at = null where chunk like '%jan';"
        "update archival.job set status = 'running', attempt = 1, lease_until = now() - interval '1 minute',"
        " messaged_at = now() - interval '1 day' where chunk like '%feb'"
    )
    first, second = await asyncio.gather(reconcile(service), reconcile(service))
    assert 2 <= first.messages + second.messages <= 4  # a duplicate is harmless
    messages = service.messages()
    assert {message.job_id for message in messages} == {job["job_id"] for job in service.jobs()}
    assert (await reconcile(service)).messages == 0
    for message in messages:
        await service.runtime.archival_processor.process(message)
    assert statuses(service) == ["archived", "archived"]
    assert (await reconcile(service)).is_empty


async def test_ten_thousand_waiting_jobs_get_no_duplicates(service: Service) -> None:
    await service.runtime.ledger.ping()
    service.execute(
        "insert into archival.job (kind, hypertable, chunk, status, request_key, requested_by, requested_at, messaged_at)"
        " select 'archive', '$s.readings', '$s.c' || n, 'queued', 'k', 'test', now() - interval '2 d', now() - interval '1 d'"
        " from generate_series(1, 1010) n"
    )
    jobs = [JobMessage(job["job_id"]) for job in service.jobs()]
    await service.runtime.queue.send(jobs[:1000])
    assert (await reconcile(service)).messages == 10
    assert (await reconcile(service)).messages == 0
    # duplicates make the queue longer than there are jobs, and nothing is wrong with that
    await service.runtime.queue.send(jobs[:2])
    report = await reconcile(service)
    assert (report.messages, report.failed) == (0, {})
    assert service.queue.get_queue_properties().approximate_message_count == 1012


async def test_leftovers_of_staging_go(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb")
    feb, jan = service.jobs()
    service.execute(
        "insert into archival.job (kind, hypertable, chunk, status, lease_until, request_key, requested_by) values"
        " ('archive', '$s.readings', '$s.queued', 'queued', null, 'k', 'test'),"
        " ('archive', '$s.readings', '$s.running', 'running', now() + interval '5 minutes', 'k', 'test')"
    )
    live = [job["job_id"] for job in service.jobs() if job["status"] in ("queued", "running")]
    unknown, old = uuid4(), uuid4()
    for name in (
        f"{jan['job_id']}/1/part-00000.parquet",
        f"{feb['job_id']}/1/x",
        *(f"{job_id}/1/x" for job_id in live),
        f"{unknown}/1/x",
        f"{old}/1/x",
        "write-once/a",
        "write-once/b",
    ):
        file = service.lake / "staging" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    for job_id in (old, *live):
        age(service.lake / f"staging/{job_id}", 8)
    age(service.lake / f"staging/{unknown}", 6)
    age(service.lake / "staging/write-once/a", 2)
    service.execute("update archival.job set finished_at = now() - interval '2 hours' where chunk like '%jan'")
    assert (await reconcile(service)).swept == 3
    assert service.files("staging") == sorted(
        [*(f"staging/{wanted}/1/x" for wanted in (feb["job_id"], *live, unknown)), "staging/write-once/b"]
    )
    assert (await reconcile(service)).swept == 0


async def test_an_end_that_nobody_was_told_is_told(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb")
    service.execute(
        "update archival.job set announced = false;"
        "update archival.job set finished_at = now() - interval '10 minutes' where chunk like '%jan'"
    )
    assert (await reconcile(service)).announced == 1
    assert [json.dumps(result["data"]).count("jan") > 0 for result in await service.results()] == [True, False, True]
    assert (await reconcile(service)).announced == 0


async def test_two_at_a_time_do_no_harm(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    as_if_crashed_after_the_rename(service)
    await archive(service, "jan", "feb")
    as_if_crashed_after_the_rename(service)
    reports = await asyncio.gather(*(reconcile(service) for _ in range(3)))
    assert all(report.failed == {} and report.adoption.strays == {} for report in reports)
    assert sum(len(report.adoption.adopted) for report in reports) == 2
    assert sorted(statuses(service)) == ["archived", "archived", "superseded"]
    assert published(service).count_rows() == service.rows("select count(*) from $s.readings")[0][0]
    assert (await reconcile(service)).is_empty


async def test_one_duty_that_fails_keeps_no_other_from_its_turn(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute("update archival.job set announced = false, finished_at = now() - interval '1 hour'")
    service.emulator.faults.append(
        Fault(method="GET", contains="resource=filesystem", status=403, code="AuthorizationFailure", times=99)
    )
    report = await reconcile(service)
    assert sorted(report.failed) == ["adoption", "staging"]
    assert report.announced == 1
    service.emulator.faults.clear()

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("with a secret")

    monkeypatch.setattr(service.runtime.reconciler._adoption, "adopt", broken)
    service.execute("update archival.job set announced = false")
    report = await reconcile(service)
    assert (set(report.failed), report.announced) == ({"adoption"}, 1)
    assert "secret" not in report.failed["adoption"]


async def test_a_lost_message_of_a_restore_goes_to_its_own_queue(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute(
        "insert into archival.job (kind, hypertable, chunk, status, restores, request_key, requested_by, requested_at)"
        " select 'restore', hypertable, chunk, 'queued', job_id, 'k', 'test', now() - interval '1 hour' from archival.job"
    )
    assert (await reconcile(service)).messages == 1
    assert await service.runtime.restore_queue.count() == 1
    assert service.messages() == []
