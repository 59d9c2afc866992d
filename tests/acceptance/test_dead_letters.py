"""Dead letters: nothing that was given up is out of sight, and most can be tried again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from archival_core.errors import PermanentError
from tests.kit.redis_commands import entries

if TYPE_CHECKING:
    from archival_core.clients.redis.messaging import DeadLetter
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

TABLE = """
create table $s.readings (time timestamptz not null) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
"""


async def code_of(work: object) -> str:
    with pytest.raises(PermanentError) as caught:
        await work  # type: ignore[misc]
    return caught.value.code


async def letters(service: Service) -> list[DeadLetter]:
    found, _ = await service.runtime.dead_letters.page(10)
    return found


async def test_a_dead_event_is_replayed_as_it_came(service: Service) -> None:
    # the event is right, and its table is made too late
    await service.publish(hypertable=f"{service.schema}.readings", older_than="2026-03-01T00:00:00Z")
    [original] = await entries(service.redis, service.names["EVENTS_STREAM"])
    await service.runtime.event_drain.drain()
    [letter] = await letters(service)
    assert (letter.is_event, letter.fields) == (True, original[1])
    assert letter.reason.startswith("unknown-hypertable")
    service.execute(TABLE)
    await service.runtime.dead_letters.replay(letter.entry_id)
    assert await letters(service) == []
    assert (await entries(service.redis, service.names["EVENTS_STREAM"]))[-1][1] == original[1]
    await service.work()
    assert [job["status"] for job in service.jobs()] == ["archived"]
    assert await code_of(service.runtime.dead_letters.replay(letter.entry_id)) == "unknown-dead-letter"


async def test_pages_follow_each_other(service: Service) -> None:
    for number in range(5):
        await service.redis.xadd(service.names["EVENTS_STREAM"], {"event": f"bad {number}"})
    await service.runtime.event_drain.drain()
    seen: list[bytes] = []
    after: str | None = ""
    while after is not None:
        page, after = await service.runtime.dead_letters.page(2, after)
        assert 0 < len(page) <= 2
        seen += [letter.fields[b"event"] for letter in page]
    assert seen == [f"bad {number}".encode() for number in range(5)]
    assert await code_of(service.runtime.dead_letters.page(2, "0 0; FLUSHALL")) == "unknown-dead-letter"


async def test_a_message_that_names_no_job_can_only_be_discarded(service: Service) -> None:
    await service.runtime.messaging.bury_message("not \0 json", "not a job message")
    [letter] = await letters(service)
    assert (letter.is_event, letter.fields) == (False, {b"message": b"not \0 json"})
    assert await code_of(service.runtime.dead_letters.replay(letter.entry_id)) == "not-replayable"
    assert await code_of(service.runtime.dead_letters.discard(letter.entry_id, " ", "me")) == "no-reason"
    assert len(await letters(service)) == 1
    await service.runtime.dead_letters.discard(letter.entry_id, "a test's", "me")
    assert await letters(service) == []
    assert await service.runtime.dead_letters.discarded() == 1
    [(fields, reason, who)] = service.rows("select fields, reason, discarded_by from archival.discarded")
    assert (fields, reason, who) == ({"message": "not \\x00 json", "dead.reason": "not a job message"}, "a test's", "me")
    assert await code_of(service.runtime.dead_letters.discard(letter.entry_id, "again", "me")) == "unknown-dead-letter"


async def poisoned(service: Service) -> UUID:
    """A job whose message was given up."""
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    await service.runtime.event_drain.drain()
    [message] = service.messages()
    await service.give_up(message)
    return message.job_id


async def test_a_poisoned_job_is_tried_again(service: Service) -> None:
    job_id = await poisoned(service)
    assert service.jobs()[0]["status"] == "failed"
    assert (await service.runtime.dead_letters.retry(job_id)).job_id == job_id
    [job] = service.jobs()
    assert (job["status"], job["error"], job["finished_at"], job["messaged_at"] is not None) == ("queued", None, None, True)
    await service.work()
    assert [job["status"] for job in service.jobs()] == ["archived"]
    # its second end is told too
    assert [result["type"] for result in await service.results()] == ["archival.chunk.failed", "archival.chunk.archived"]
    assert await code_of(service.runtime.dead_letters.retry(job_id)) == "not-retryable"
    assert await code_of(service.runtime.dead_letters.retry(uuid4())) == "unknown-job"


async def test_no_job_is_queued_beside_a_live_one_of_its_chunk(service: Service) -> None:
    first = await poisoned(service)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    await service.runtime.event_drain.drain()
    assert await code_of(service.runtime.dead_letters.retry(first)) == "chunk-has-a-live-job"
    assert [job["status"] for job in service.jobs()] == ["failed", "queued"]


async def test_two_who_retry_at_the_same_time_queue_one(service: Service) -> None:
    await poisoned(service)
    service.execute(
        "insert into archival.job (kind, hypertable, chunk, status, request_key, requested_by)"
        " select kind, hypertable, chunk, 'cancelled', 'other', 'test' from archival.job"
    )
    ids = [job["job_id"] for job in service.jobs()]
    outcomes = await asyncio.gather(*(service.runtime.dead_letters.retry(job_id) for job_id in ids * 3), return_exceptions=True)
    codes = sorted(outcome.code for outcome in outcomes if isinstance(outcome, PermanentError))
    assert len(codes) == 5, outcomes
    assert set(codes) <= {"chunk-has-a-live-job", "not-retryable"}
    assert sorted(job["status"] for job in service.jobs()) in (["cancelled", "queued"], ["failed", "queued"])
    assert len(service.messages()) == 1


async def test_restores_of_different_archives_are_retried_beside_each_other(service: Service) -> None:
    archived = await poisoned(service)
    service.execute(
        "insert into archival.job (kind, hypertable, chunk, status, restores, request_key, requested_by)"
        " select 'archive', hypertable, chunk, 'removed', null, 'other', 'test' from archival.job;"
        "insert into archival.job (kind, hypertable, chunk, status, restores, request_key, requested_by)"
        " select 'restore', hypertable, chunk, 'failed', job_id, 'restore' || job_id || n, 'test'"
        " from archival.job, generate_series(1, 2) n"
    )
    restores = [job for job in service.jobs() if job["kind"] == "restore"]
    first, beside = (job["job_id"] for job in restores if job["restores"] == archived)
    await service.runtime.dead_letters.retry(first)
    assert await code_of(service.runtime.dead_letters.retry(beside)) == "chunk-has-a-live-job"
    await service.runtime.dead_letters.retry(next(job["job_id"] for job in restores if job["restores"] != archived))
    assert await service.runtime.restore_queue.count() == 2
