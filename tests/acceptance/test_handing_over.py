"""Nothing is let go of before somebody else has it: an event, a dead letter, a message, a result."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pytest

from archival_core.clients.queue import QueueClient
from archival_core.errors import TransientError
from dev.lake_emulator import Emulator

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

TABLE = """
create table $s.readings (time timestamptz not null) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
"""
REFUSE = """
create function public.refuse() returns trigger language plpgsql as $$ begin raise exception 'the ledger is full'; end $$;
create trigger refuse before insert on archival.job for each row execute function public.refuse();
"""


async def ask(service: Service) -> None:
    service.execute(TABLE)
    await service.runtime.ledger.ping()
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")


async def pending(service: Service) -> int:
    """Events that were delivered and not acknowledged."""
    found = await service.redis.xpending(service.names["EVENTS_STREAM"], "archival-service")
    return int(found["pending"])


@asynccontextmanager
async def queue_that_refuses(service: Service, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The key of the queue's account is not valid any more."""
    wrong = re.sub("AccountKey=[^;]+", "AccountKey=d3Jvbmc=", service.names["AzureWebJobsStorage"])
    other = QueueClient.open(service.names["ARCHIVE_QUEUE"], connection_string=wrong, service_url=None)
    with monkeypatch.context() as patched:
        patched.setattr(service.runtime.queue, "_client", other._client)
        yield
    await other.close()


@asynccontextmanager
async def unwritable(service: Service, stream: str) -> AsyncIterator[None]:
    """Redis refuses to add to a stream: its key holds something else for a while."""
    name, aside = service.names[stream], f"{service.names[stream]}.aside"
    there = await service.redis.exists(name)
    if there:
        await service.redis.rename(name, aside)
    await service.redis.set(name, "no stream")
    try:
        yield
    finally:
        await service.redis.delete(name)
        if there:
            await service.redis.rename(aside, name)


async def test_an_event_whose_job_is_not_recorded_comes_again(service: Service) -> None:
    await ask(service)
    service.execute(REFUSE)
    report = await service.runtime.event_drain.drain()
    assert (report.postponed, report.queued, await pending(service)) == (1, 0, 1)
    service.execute("drop trigger refuse on archival.job")
    assert (await service.runtime.event_drain.drain()).queued == 1
    assert await pending(service) == 0


async def test_an_event_whose_message_is_not_sent_comes_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    await ask(service)
    send = QueueClient.send

    async def refused_at_the_last_moment(*args: Any, **kwargs: Any) -> None:
        async with queue_that_refuses(service, monkeypatch):
            await send(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(QueueClient, "send", refused_at_the_last_moment)
        assert (await service.runtime.event_drain.drain()).away == "queue"
    assert await pending(service) == 1
    assert (await service.runtime.event_drain.drain()).queued == 1
    assert [job["job_id"] for job in service.jobs()] == [message.job_id for message in service.messages()]


async def test_an_event_that_cannot_be_understood_now_comes_again(
    own_database_url: str,
    source_database_url: str,
    redis_url: str,
    storage_connection: str,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tests.acceptance.conftest import open_service

    # the ledger is elsewhere, and the source takes no connections for a while
    monkeypatch.setenv("LEDGER_DATABASE_URL", source_database_url)
    allow = f"alter database {urlsplit(own_database_url).path[1:]} allow_connections"
    async for service in open_service(own_database_url, redis_url, storage_connection, emulator, monkeypatch):
        service.execute(TABLE)
        await service.publish(hypertable=f"{service.schema}.readings", older_than="2026-03-01T00:00:00Z")
        with psycopg.connect(source_database_url, autocommit=True) as elsewhere:
            elsewhere.execute(f"{allow} false".encode())
            try:
                report = await service.runtime.event_drain.drain()
            finally:
                elsewhere.execute(f"{allow} true".encode())
        # the event was not even read
        assert (report.away, report.events, report.buried, report.queued) == ("source", 0, 0, 0)
        assert (await service.runtime.event_drain.drain()).queued == 2
        assert await pending(service) == 0


async def test_an_event_that_cannot_be_buried_comes_again(service: Service) -> None:
    await service.redis.xadd(service.names["EVENTS_STREAM"], {"event": "{not json"})
    async with unwritable(service, "DEAD_STREAM"):
        report = await service.runtime.event_drain.drain()
    assert (report.postponed, report.buried, await pending(service)) == (1, 0, 1)
    assert (await service.runtime.event_drain.drain()).buried == 1
    assert len(await service.results("DEAD_STREAM")) == 1


async def test_a_dead_letter_that_cannot_be_replayed_stays(service: Service) -> None:
    await service.redis.xadd(service.names["EVENTS_STREAM"], {"event": "{not json"})
    await service.runtime.event_drain.drain()
    [letter], _ = await service.runtime.dead_letters.page(10)
    async with unwritable(service, "EVENTS_STREAM"):
        with pytest.raises(TransientError):
            await service.runtime.dead_letters.replay(letter.entry_id)
    assert await service.runtime.dead_letters.page(10) == ([letter], None)
    await service.runtime.dead_letters.replay(letter.entry_id)
    assert await service.runtime.dead_letters.page(10) == ([], None)


async def test_an_end_that_cannot_be_told_is_told_later(service: Service) -> None:
    await ask(service)
    await service.runtime.event_drain.drain()
    [message] = service.messages()
    async with unwritable(service, "RESULTS_STREAM"):
        await service.runtime.archival_processor.process(message)
    assert [(job["status"], job["announced"]) for job in service.jobs()] == [("archived", False)]
    service.execute("update archival.job set finished_at = finished_at - interval '1h'")
    await service.runtime.reconciler.reconcile(timedelta(minutes=1))
    assert [result["type"] for result in await service.results()] == ["archival.chunk.archived"]
    assert [job["announced"] for job in service.jobs()] == [True]


@pytest.mark.parametrize("delivery", ["process", "give_up"])
async def test_the_message_of_a_job_that_another_worker_has_comes_again(service: Service, delivery: str) -> None:
    await ask(service)
    await service.runtime.event_drain.drain()
    [message] = service.messages()
    service.execute("update archival.job set failures = '{\"interrupted\": 9}'")
    assert await service.runtime.ledger.take_lease(message.job_id, timedelta(minutes=1)) is not None
    await getattr(service.runtime.archival_processor, delivery)(message)
    # the other one may die: somebody has to look when its lease is over
    assert [job["status"] for job in service.jobs()] == ["running"]
    assert service.messages() == []
    assert service.queue.get_queue_properties().approximate_message_count == 1


async def test_the_message_of_a_job_that_waits_comes_again(service: Service) -> None:
    """Delivered too often while something was away: nobody has failed, and the job is not left without a message."""
    await ask(service)
    await service.runtime.event_drain.drain()
    [message] = service.messages()
    await service.runtime.archival_processor.give_up(message)
    assert [job["status"] for job in service.jobs()] == ["queued"]
    assert service.queue.get_queue_properties().approximate_message_count == 1


async def test_a_ledger_that_can_only_be_read_for_a_moment_ends_no_job(service: Service) -> None:
    await ask(service)
    await service.runtime.event_drain.drain()
    [message] = service.messages()
    # as a server answers that is just not the primary any more, at the last write of the job
    service.execute(REFUSE.replace("insert", "update").replace("full'", "read-only' using errcode = '25006'"))
    await service.runtime.archival_processor.process(message)
    service.execute("drop trigger refuse on archival.job")
    [again] = service.messages()
    await service.runtime.archival_processor.process(again)
    assert [job["status"] for job in service.jobs()] == ["archived"]
