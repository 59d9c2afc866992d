"""Removals and verifications are shared with other instances, by messages; nothing depends on who helps."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from archival_core.errors import AwayError
from archival_core.flows.removal import chunk_removal
from archival_core.flows.upkeep.lake import verification
from archival_core.model.jobs.message import JobMessage
from archival_core.source.removal import dropping

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

MINUTE = timedelta(minutes=1)
CHUNKS = 10
TABLE = """
create table $s.readings (time timestamptz not null) partition by range (time);
do $do$ begin for i in 1..10 loop
    execute format('create table $s.c%s partition of $s.readings for values from (%L) to (%L)', i,
                   timestamptz '2026-01-01Z' + (i - 1) * interval '1 day', timestamptz '2026-01-01Z' + i * interval '1 day');
end loop; end $do$;
insert into $s.readings select generate_series(timestamptz '2026-01-01Z', '2026-01-10Z', '1 day')
"""


async def archived(service: Service, *, remove: bool) -> None:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", older_than="2026-12-01T00:00:00Z", remove=remove)
    await service.work()


def taken(service: Service, queue: str) -> list[JobMessage]:
    """The messages of a queue, which is made when it is first used."""
    with QueueClient.from_connection_string(
        service.names["AzureWebJobsStorage"], service.names[queue], message_decode_policy=TextBase64DecodePolicy()
    ) as client:
        try:
            found = list(client.receive_messages(messages_per_page=32))
        except Exception:
            return []
        for message in found:
            client.delete_message(message)
        return [JobMessage.from_json(message.content) for message in found]


async def helping(service: Service, queue: str, handle: Callable[[JobMessage], Awaitable[None]], until: asyncio.Event) -> int:
    """What other instances do, until the run is over; returns how many messages there were."""
    helped = 0
    while not until.is_set():
        for message in taken(service, queue):
            await handle(message)
            helped += 1
        await asyncio.sleep(0.05)
    return helped


def statuses(service: Service) -> Counter[str]:
    return Counter(job["status"] for job in service.jobs())


@pytest.mark.slow
async def test_chunks_go_once_whoever_helps(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    await archived(service, remove=True)
    monkeypatch.setattr(chunk_removal, "_OWN", 1)
    drops: list[str] = []
    drop = dropping.drop

    async def counted(conn: Any, chunk: Any) -> None:
        drops.append(str(chunk.relation))
        await drop(conn, chunk)

    monkeypatch.setattr(dropping, "drop", counted)
    is_over, removal = asyncio.Event(), service.runtime.chunk_removal
    helpers = asyncio.create_task(helping(service, "REMOVAL_QUEUE", removal.help, is_over))
    report = await removal.remove_due(MINUTE)
    is_over.set()
    helped = await helpers
    assert statuses(service) == {"removed": CHUNKS}
    assert (len(drops), len(set(drops))) == (CHUNKS, CHUNKS)
    assert 0 < report.removed < CHUNKS
    assert helped > 0
    ends = [result["type"] for result in await service.results() if result["type"].endswith(".removed")]
    assert len(ends) == CHUNKS


async def test_what_nobody_helps_with_is_done_all_the_same(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    await archived(service, remove=True)
    monkeypatch.setattr(chunk_removal, "_OWN", 1)
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == CHUNKS
    # and messages that come late find nothing to do
    messages = taken(service, "REMOVAL_QUEUE")
    assert messages != []
    before = service.jobs()
    for message in messages:
        await service.runtime.chunk_removal.help(message)
    assert service.jobs() == before


@pytest.mark.parametrize("what", ["removal", pytest.param("verification", marks=pytest.mark.slow)])
@pytest.mark.slow
async def test_a_queue_that_is_away_means_that_nobody_helps(
    service: Service, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    await archived(service, remove=what == "removal")
    own: Any = service.runtime.chunk_removal if what == "removal" else service.runtime.verification
    monkeypatch.setattr(chunk_removal if what == "removal" else verification, "_OWN", 1)

    async def away(_: Sequence[JobMessage], **__: Any) -> None:
        raise AwayError("the queue does not answer", code="queue", dependency="queue")

    monkeypatch.setattr(own._sharing._queue, "send", away)
    report = await (own.remove_due(MINUTE) if what == "removal" else own.verify_due(MINUTE))
    assert (report.removed if what == "removal" else report.verified) == CHUNKS


async def test_an_archive_that_a_worker_is_at_is_left_to_that_worker(service: Service) -> None:
    await archived(service, remove=True)
    job = service.jobs()[0]
    with psycopg.connect(service.url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", (dropping._key(f"claim {job['job_id']}"),))
        await service.runtime.chunk_removal.help(JobMessage(job["job_id"]))
        assert statuses(service) == {"archived": CHUNKS}
        assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == CHUNKS - 1
        # a session that has just been left may hold its locks for a moment more
        other.execute("select pg_advisory_unlock_all()")
    await service.runtime.chunk_removal.help(JobMessage(job["job_id"]))
    assert statuses(service) == {"removed": CHUNKS}


async def test_a_hypertable_that_somebody_holds_is_left_alone_by_all(service: Service) -> None:
    """Writers of a table that cannot be locked would wait behind each of the instances in turn."""
    await archived(service, remove=True)
    first, second, *_ = service.jobs()
    with psycopg.connect(service.url) as reader:
        reader.execute(f"select count(*) from {service.schema}.readings".encode())
        await service.runtime.chunk_removal.help(JobMessage(first["job_id"]))
    assert service.jobs()[0]["removal_error"]["code"] == "source-locked"
    await service.runtime.chunk_removal.help(JobMessage(second["job_id"]))
    assert (service.jobs()[1]["status"], service.jobs()[1]["removal_tried_at"]) == ("archived", None)
    service.execute("update archival.job set removal_tried_at = now() - interval '2 minutes' where removal_error is not null")
    await service.runtime.chunk_removal.help(JobMessage(second["job_id"]))
    assert service.jobs()[1]["status"] == "removed"


async def test_a_removal_that_kills_its_workers_is_told(service: Service) -> None:
    await archived(service, remove=True)
    job = service.jobs()[0]
    await service.runtime.chunk_removal.give_up(JobMessage(job["job_id"]))
    after = service.jobs()[0]
    assert (after["status"], after["removal_error"]["code"]) == ("archived", "poisoned")
    # and waits before it is tried again
    await service.runtime.chunk_removal.help(JobMessage(job["job_id"]))
    assert service.jobs()[0]["status"] == "archived"


async def test_verifications_are_shared(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    await archived(service, remove=False)
    monkeypatch.setattr(verification, "_OWN", 1)
    own: Any = service.runtime.verification
    share = own._sharing.share

    async def and_others_help(jobs: Sequence[Any]) -> Any:
        shared = await share(jobs)
        for message in taken(service, "VERIFY_QUEUE"):
            await own.help(message, MINUTE)
        return shared

    monkeypatch.setattr(own._sharing, "share", and_others_help)
    assert (await own.verify_due(MINUTE)).verified == 1
    assert service.rows("select count(*) from archival.job where verified_at is not null") == [(CHUNKS,)]
    before = service.jobs()
    await own.help(JobMessage(before[0]["job_id"]), MINUTE)
    assert service.jobs() == before
