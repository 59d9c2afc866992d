"""Events that mean all chunks up to a bound: some jobs at a time, equal events once, and one line for what is there already."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from archival_core.errors import AwayError
from archival_core.flows.asking import wide_requests

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

CHUNKS = 60
TABLE = """
create table $s.readings (time timestamptz not null) partition by range (time);
do $do$ begin for i in 1..60 loop
    execute format('create table $s.c%s partition of $s.readings for values from (%L) to (%L)', i,
                   timestamptz '2026-01-01Z' + (i - 1) * interval '1 day', timestamptz '2026-01-01Z' + i * interval '1 day');
end loop; end $do$
"""
ALL, HALF = "2026-12-01T00:00:00Z", "2026-01-31T00:00:00Z"


async def publish(service: Service, older_than: str = ALL, times: int = 1, **more: Any) -> None:
    events = service.redis.pipeline()
    for _ in range(times):
        data = {"hypertable": f"{service.schema}.readings", "older_than": older_than, **more}
        event = {"specversion": "1.0", "id": str(uuid4()), "source": "test", "type": "archival.chunk.requested", "data": data}
        events.xadd(service.names["EVENTS_STREAM"], {"event": json.dumps(event)})
    await events.execute()


async def drained(service: Service) -> tuple[int, int, int]:
    report = await service.runtime.event_drain.drain()
    return report.events, report.queued, report.duplicates


async def pending(service: Service) -> int:
    found: int = (await service.redis.xpending(service.names["EVENTS_STREAM"], "archival-service"))["pending"]
    return found


def statuses(service: Service) -> dict[str, int]:
    return dict(service.rows("select status, count(*) from archival.job group by status"))


async def test_equal_events_cost_one_line_each(service: Service) -> None:
    service.execute(TABLE)
    await publish(service, times=500)
    started = time.monotonic()
    assert await drained(service) == (500, CHUNKS, 499)
    # a row for each event and chunk were 30,000, and took half a minute
    assert time.monotonic() - started < 10
    assert statuses(service) == {"queued": CHUNKS, "skipped": 499}
    assert len(service.messages()) == CHUNKS
    assert await pending(service) == 0


async def test_an_event_is_told_once_about_what_is_there_already(service: Service) -> None:
    service.execute(TABLE)
    await publish(service, HALF)
    assert await drained(service) == (1, 30, 0)
    await publish(service, ALL)
    assert await drained(service) == (1, 30, 1)
    [(error,)] = service.rows("select error from archival.job where status = 'skipped'")
    assert (error["code"], error["message"][:43]) == ("duplicate", "30 of the 60 chunks that are meant have job")
    assert len(service.messages()) == CHUNKS


async def test_that_chunks_are_to_go_counts_for_jobs_that_are_there(service: Service) -> None:
    service.execute(TABLE)
    await publish(service, HALF)
    await publish(service, HALF, remove=True)
    assert await drained(service) == (2, 30, 1)
    assert service.rows("select remove, count(*) from archival.job where status = 'queued' group by 1") == [(True, 30)]


async def test_what_was_cut_off_comes_again_and_goes_on(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(TABLE)
    monkeypatch.setattr(wide_requests, "_AT_A_TIME", 20)
    send, sent = service.runtime.queue.send, list[int]()

    async def cut_off(messages: Sequence[Any], **options: Any) -> None:
        if len(sent) == 1:
            raise AwayError("the queue does not answer", code="queue", dependency="queue")
        sent.append(len(messages))
        await send(messages, **options)

    monkeypatch.setattr(service.runtime.queue, "send", cut_off)
    await publish(service, times=3)
    assert (await service.runtime.event_drain.drain()).away == "queue"
    assert (sent, statuses(service), await pending(service)) == ([20], {"queued": 40}, 3)
    monkeypatch.undo()
    assert await drained(service) == (3, CHUNKS, 2)
    assert (statuses(service), await pending(service)) == ({"queued": CHUNKS, "skipped": 2}, 0)
    assert {message.job_id for message in service.messages()} == {
        job_id for (job_id,) in service.rows("select job_id from archival.job where status = 'queued'")
    }
    # and once more, as if the acknowledgement had been lost: nothing is new
    before = service.jobs()
    await service.redis.xgroup_setid(service.names["EVENTS_STREAM"], "archival-service", "0")
    assert await drained(service) == (3, CHUNKS, 0)
    assert [(job["job_id"], job["status"]) for job in service.jobs()] == [(job["job_id"], job["status"]) for job in before]


async def test_an_event_that_the_ledger_cannot_hold_keeps_no_equal_one_from_it(service: Service) -> None:
    service.execute(TABLE)
    data = {"hypertable": f"{service.schema}.readings", "older_than": ALL}
    for name in ("a\0b", "c"):
        event = {"specversion": "1.0", "id": name, "source": "s", "type": "archival.chunk.requested", "data": data}
        await service.redis.xadd(service.names["EVENTS_STREAM"], {"event": json.dumps(event)})
    report = await service.runtime.event_drain.drain()
    assert (report.queued, report.buried, report.postponed) == (CHUNKS, 1, 0)
    assert await pending(service) == 0


async def test_a_table_that_is_unknown_buries_each_of_its_events(service: Service) -> None:
    await publish(service, times=3)
    report = await service.runtime.event_drain.drain()
    assert (report.buried, await pending(service)) == (3, 0)
