"""What lies in a poison queue is never forgotten: it is settled, or kept until it can be."""

from __future__ import annotations

import asyncio
import base64
import time
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import azure.functions as func
import pytest
from azure.storage.queue import QueueClient, QueueMessage

from archival_core.flows.jobs.queues import poisoned
from archival_core.functions import queues
from archival_core.model.jobs.message import JobMessage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.conftest import Service

UNREADABLE = {
    "not base64": "{not base64}",
    "not UTF-8": "/w==",
    "not JSON": base64.b64encode(b"hello").decode(),
    "no job": base64.b64encode(b'{"v":1,"job_id":"seven"}').decode(),
    "of another version": base64.b64encode(b'{"v":2,"job_id":"0"}').decode(),
    "of nobody's job": base64.b64encode(JobMessage(uuid4()).to_json().encode()).decode(),
}


@pytest.fixture
def poison(service: Service) -> Iterator[QueueClient]:
    """The poison queue of archives, as it lies there."""
    queue = QueueClient.from_connection_string(service.names["AzureWebJobsStorage"], f"{service.names['ARCHIVE_QUEUE']}-poison")
    with queue:
        queue.create_queue()
        yield queue


def show(queue: QueueClient) -> list[QueueMessage]:
    """Every visible message, left as it is."""
    return list(queue.peek_messages(max_messages=32))


async def call(function: str, text: str) -> None:
    """As the functions host does, with a message as it lies in the queue."""
    [found] = [f for f in queues.blueprint()._function_builders if f._function.get_user_function().__name__ == function]
    await found._function.get_user_function()(message=func.QueueMessage(body=text.encode()))


async def reasons(service: Service) -> list[str]:
    return [entry["dead.reason"].partition(":")[0] for entry in await service.results("DEAD_STREAM")]


async def a_killed_job(service: Service) -> JobMessage:
    """A job whose worker was killed each of five times."""
    service.execute(
        "create table $s.r (time timestamptz not null) partition by range (time);"
        "create table $s.jan partition of $s.r for values from ('2026-01-01Z') to ('2026-02-01Z')"
    )
    await service.publish(hypertable=f"{service.schema}.r", chunk=f"{service.schema}.jan")
    await service.runtime.event_drain.drain()
    [message] = service.messages()
    service.execute(
        "update archival.job set status = 'running', attempt = 5, lease_token = gen_random_uuid(), lease_until = now()"
        f""", failures = '{{"interrupted": 4}}' where job_id = '{message.job_id}'"""
    )
    return message


def on_its_way(message: JobMessage) -> str:
    return base64.b64encode(message.to_json().encode()).decode()


async def test_what_lies_in_a_poison_queue_is_settled_by_reconcile(service: Service, poison: QueueClient) -> None:
    """Its function is disabled, or the functions host could not decode the messages."""
    message = await a_killed_job(service)
    for text in (*UNREADABLE.values(), on_its_way(message)):
        poison.send_message(text)
    report = await service.runtime.reconciler.reconcile(timedelta(minutes=5))
    assert report.poisoned == len(UNREADABLE) + 1
    assert "poisoned messages settled: 7" in str(report)
    assert poison.get_queue_properties().approximate_message_count == 0
    assert [job["status"] for job in service.jobs()] == ["failed"]
    assert sorted(await reasons(service)) == ["invalid-message"] * 5 + ["unknown-job"]
    buried = [entry["message"] for entry in await service.results("DEAD_STREAM")]
    assert {"{not base64}", "/w==", "hello"} <= set(buried), "as far as they can be read"
    assert (await service.runtime.reconciler.reconcile(timedelta(minutes=5))).poisoned == 0


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=list(UNREADABLE))
async def test_the_function_buries_what_nobody_can_read(service: Service, text: str) -> None:
    await call("archive_chunk_poison", text)
    assert len(await reasons(service)) == 1


@pytest.mark.parametrize("by", ["function", "reconcile"])
async def test_what_cannot_be_settled_is_kept_and_never_expires(
    service: Service, poison: QueueClient, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dead stream takes nothing."""
    monkeypatch.setattr(poisoned, "_LATER_SECONDS", 1.0)
    await service.redis.set(service.names["DEAD_STREAM"], "no stream")
    poison.send_message("{not base64}")
    if by == "function":
        [message] = poison.receive_messages()
        await call("archive_chunk_poison", message.content)
        poison.delete_message(message)  # as the host does: the function has succeeded
    else:
        report = await service.runtime.reconciler.reconcile(timedelta(minutes=5))
        assert "poisoned messages" in report.failed
    assert poison.get_queue_properties().approximate_message_count == 1
    await service.redis.delete(service.names["DEAD_STREAM"])

    while not (shown := show(poison)):
        await asyncio.sleep(0.1)
    [kept] = shown
    assert kept.expires_on is not None
    assert kept.expires_on.year == 9999
    assert (await service.runtime.reconciler.reconcile(timedelta(minutes=5))).poisoned == 1
    assert [entry["message"] for entry in await service.results("DEAD_STREAM")] == ["{not base64}"]


async def test_two_at_a_time_settle_each_message_once(service: Service, poison: QueueClient) -> None:
    message = await a_killed_job(service)
    for text in (*UNREADABLE.values(), on_its_way(message)):
        poison.send_message(text)
    deadline = time.monotonic() + 30
    settled = await asyncio.gather(*(service.runtime.poisoned_archives.sweep(deadline) for _ in range(3)))
    assert sum(settled) == len(UNREADABLE) + 1
    assert len(await reasons(service)) == len(UNREADABLE)
    assert [result["type"] for result in await service.results()] == ["archival.chunk.failed"]


async def test_messages_are_read_with_and_without_base64(service: Service) -> None:
    """Who sends one by hand need not encode it."""
    message = await a_killed_job(service)
    assert JobMessage.from_text(message.to_json()) == JobMessage.from_text(on_its_way(message)) == message
