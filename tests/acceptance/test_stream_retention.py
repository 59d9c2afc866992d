"""Streams do not grow for ever, a lost event leaves a trace, and a Redis that is full is no end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from archival_core.flows.upkeep.reconcile import ReconcileReport
from dev.servers.valkey import ValkeyServer
from tests.acceptance.api_client import api_client
from tests.kit.log_records import codes, events
from tests.kit.redis_commands import entries

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
insert into $s.readings select t, 1 from generate_series(timestamptz '2026-01-01Z', '2026-03-31Z', '1 day') t;
"""
GROUP = "archival-service"
ENTRY: dict[Any, Any] = {"event": "{}"}


async def archive(service: Service, *chunks: str) -> None:
    for chunk in chunks:
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}")
    await service.work()


async def reconcile(service: Service) -> ReconcileReport:
    report = await service.runtime.reconciler.reconcile(MINUTE)
    assert report.failed == {}
    return report


async def length(service: Service, stream: str) -> int:
    return int(await service.redis.xlen(service.names[stream]))


def time_passes(service: Service, days: int) -> None:
    """Everything that the ledger has seen of the streams was so many days ago."""
    service.execute(f"update archival.stream_position set seen_at = seen_at - interval '{days} days'")
    service.execute(f"update archival.stream set held_since = held_since - interval '{days} days'")
    service.execute(f"update archival.stream set told_at = told_at - interval '{days} days'")


async def test_what_is_drained_and_told_goes_after_its_time(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb", "mar")
    assert (await reconcile(service)).trimmed == 0
    time_passes(service, 8)
    # the last entry of each stream stays until another one came
    assert (await reconcile(service)).trimmed == 2
    assert (await length(service, "EVENTS_STREAM"), await length(service, "RESULTS_STREAM")) == (1, 3)
    time_passes(service, 23)
    assert (await reconcile(service)).trimmed == 2
    assert (await length(service, "EVENTS_STREAM"), await length(service, "RESULTS_STREAM")) == (1, 1)
    assert (await reconcile(service)).is_empty
    assert [job["status"] for job in service.jobs()] == ["archived"] * 3


async def test_time_counts_from_when_an_entry_was_seen_whatever_its_id_says(service: Service) -> None:
    stream, entry = service.names["RESULTS_STREAM"], ENTRY
    for number in range(5):
        await service.redis.xadd(stream, entry, id=f"{number}-1")
    assert (await reconcile(service)).trimmed == 0, "an id of 1970 is no age"
    time_passes(service, 31)
    await service.redis.xadd(stream, entry, id="99999999999999-1")
    assert (await reconcile(service)).trimmed == 4
    await reconcile(service)
    time_passes(service, 31)
    await service.redis.xadd(stream, entry)
    assert (await reconcile(service)).trimmed == 1, "an id of the year 5138 is none either"


async def test_a_redis_that_was_put_back_keeps_its_new_entries(service: Service) -> None:
    stream, entry = service.names["RESULTS_STREAM"], ENTRY
    await service.redis.xadd(stream, entry, id="100-0")
    await reconcile(service)
    time_passes(service, 31)
    await service.redis.delete(stream)
    for number in range(10, 15):
        await service.redis.xadd(stream, entry, id=f"{number}-0")
    assert (await reconcile(service)).trimmed == 0
    await service.redis.xadd(stream, entry, id="101-0")
    assert (await reconcile(service)).trimmed == 0, "what the ledger knew of the lost ids is forgotten"
    await service.redis.delete(stream)
    assert (await reconcile(service)).trimmed == 0
    for number in range(5):
        await service.redis.xadd(stream, entry, id=f"{number}-1")
    assert (await reconcile(service)).trimmed == 0


@pytest.fixture
def short_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTS_KEEP", "150")
    monkeypatch.setenv("RESULTS_KEEP", "150")


async def test_streams_have_a_length(short_streams: None, service: Service) -> None:
    for name in ("EVENTS_STREAM", "RESULTS_STREAM"):
        async with service.redis.pipeline(transaction=False) as adding:
            for _ in range(1000):
                adding.xadd(service.names[name], {"event": "{}"})
            await adding.execute()
    report = await reconcile(service)
    assert await length(service, "EVENTS_STREAM") == 1000, "nobody has read them"
    assert 150 <= await length(service, "RESULTS_STREAM") == 1000 - report.trimmed <= 250
    await service.runtime.event_drain.drain()
    await reconcile(service)
    assert 150 <= await length(service, "EVENTS_STREAM") <= 250


async def test_a_group_that_stands_still_keeps_its_entries_and_people_are_told(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    results = service.names["RESULTS_STREAM"]
    service.execute(TABLE)
    await service.redis.xgroup_create(results, "billing", id="0", mkstream=True)
    await archive(service, "jan", "feb", "mar")
    await service.redis.xreadgroup("billing", "b", {results: ">"}, count=1)
    await reconcile(service)
    time_passes(service, 31)
    assert (await reconcile(service)).trimmed == 2, "events"
    assert await length(service, "RESULTS_STREAM") == 3
    assert events(caplog, "archival.stream.held") == [], "so far it is only slow"
    service.execute("update archival.stream set held_since = held_since - interval '2 hours'")
    for _ in range(2):
        await reconcile(service)
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 1
    assert events(caplog, "archival.stream.held") == [{"stream": results, "group": "billing", "is_lost": False}]
    async with api_client() as http:
        metrics = (await http.get("/metrics")).text
    assert f'archival_stream_held_timestamp_seconds{{group="billing",stream="{results}"}}' in metrics
    # as soon as the group reads on, everything is well
    read: Any = await service.redis.xreadgroup("billing", "b", {results: ">"})
    await service.redis.xack(results, "billing", *(entry_id for entry_id, _ in await entries(service.redis, results)))
    assert read
    assert (await reconcile(service)).trimmed == 2
    assert service.rows("select count(*) from archival.stream where held_since is not null") == [(0,)]


async def test_a_pending_entry_that_somebody_trimmed_is_told(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    results = service.names["RESULTS_STREAM"]
    await service.redis.xgroup_create(results, "billing", id="0", mkstream=True)
    for _ in range(3):
        await service.redis.xadd(results, {"event": "{}"}, maxlen=2, approximate=False)
        await service.redis.xreadgroup("billing", "b", {results: ">"})
    await reconcile(service)
    time_passes(service, 31)
    await reconcile(service)
    time_passes(service, 1)
    await reconcile(service)
    assert events(caplog, "archival.stream.held") == [{"stream": results, "group": "billing", "is_lost": True}]
    assert service.rows("select held_by, held_gone from archival.stream where held_by is not null") == [("billing", True)]


@pytest.mark.parametrize("consumer", ["another", "drain"])
async def test_an_event_that_was_trimmed_before_it_was_drained_is_lost_and_never_silently(
    service: Service, consumer: str
) -> None:
    stream = service.names["EVENTS_STREAM"]
    await service.runtime.event_drain.drain()
    for number in range(3):
        await service.redis.xadd(stream, {"event": str(number)})
    await service.redis.xreadgroup(GROUP, consumer, {stream: ">"})
    await service.redis.xtrim(stream, maxlen=0, approximate=False)
    pending: Any = await service.redis.xpending_range(stream, GROUP, "-", "+", 10)
    lost = [entry["message_id"].decode() for entry in pending]
    messaging = service.runtime.messaging
    # a drain that dies just after it has heard of the loss
    if consumer == "drain":
        heard = await messaging.pending_of("drain", "0", 10)
    else:
        heard = await messaging.claim_stale("drain", timedelta(0), 10)
    assert [entry.entry_id for entry in heard] == lost
    assert (await service.redis.xpending(stream, GROUP))["pending"] == 3, "nobody has recorded the loss yet"
    service.runtime.event_drain._limits = type(service.runtime.event_drain._limits)(100, 30.0, 5, timedelta(0))
    report = await service.runtime.event_drain.drain()
    assert (report.events, report.buried) == (3, 3)
    assert (await service.redis.xpending(stream, GROUP))["pending"] == 0
    letters, _ = await service.runtime.dead_letters.page(10)
    assert {letter.reason.partition(":")[0] for letter in letters} == {"event-lost"}
    entries: Any = await service.redis.xrange(service.names["DEAD_STREAM"])
    assert [fields[b"dead.entry_id"].decode() for _, fields in entries] == lost
    assert not any(letter.is_replayable for letter in letters)


async def test_events_that_nobody_had_read_are_counted_when_they_are_lost(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    stream = service.names["EVENTS_STREAM"]

    async def add(count: int, most: int) -> None:
        for _ in range(count):
            await service.redis.xadd(stream, {"event": "of no use"}, maxlen=most, approximate=False)

    async def lost() -> list[str]:
        await service.runtime.event_drain.drain()
        letters, _ = await service.runtime.dead_letters.page(100)
        return [letter.reason.split(" were")[0] for letter in letters if letter.reason.startswith("event-lost")]

    # what is trimmed after it was drained, or before there was a group, is lost to nobody
    await add(5, 3)
    assert await lost() == []
    await service.redis.xtrim(stream, maxlen=0, approximate=False)
    await add(2, 10)
    assert await lost() == []
    await add(10, 4)
    assert await lost() == ["event-lost: 6 events"]
    await add(3, 0)
    assert await lost() == ["event-lost: 6 events"], "nobody can tell yet"
    await add(1, 1)
    assert await lost() == ["event-lost: 6 events", "event-lost: 3 events"]
    assert [event["events"] for event in events(caplog, "archival.event.lost")] == [6, 3]
    # a group that was lost begins anew, and misses nothing that its stream has
    await service.redis.xgroup_destroy(stream, GROUP)
    assert len(await lost()) == 2
    letters, _ = await service.runtime.dead_letters.page(100)
    [letter, _] = [letter for letter in letters if letter.reason.startswith("event-lost")]
    assert not letter.is_replayable
    await service.runtime.dead_letters.discard(letter.entry_id, "they were asked for again", "test")


class TestAFullRedis:
    """On a server of its own."""

    @pytest.fixture
    def redis_url(self, tmp_path: Path) -> Iterator[str]:
        with ValkeyServer(tmp_path / "valkey") as server:
            yield server.url

    async def test_says_so_and_goes_on_by_itself(self, service: Service, caplog: pytest.LogCaptureFixture) -> None:
        service.execute(TABLE)
        await service.runtime.event_drain.drain()
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
        await service.redis.xadd(service.names["EVENTS_STREAM"], {"event": "of no use"})
        await service.redis.config_set("maxmemory", 1)
        # events that are there are drained: reading and acknowledging take no memory
        report = await service.runtime.event_drain.drain()
        assert (report.queued, report.buried, report.postponed) == (1, 0, 1)
        [message] = service.messages()
        await service.runtime.archival_processor.process(message)
        assert "redis-full" in codes(caplog)
        assert [job["status"] for job in service.jobs()] == ["archived"]
        assert "streams" not in (await service.runtime.reconciler.reconcile(MINUTE)).failed, "trimming is what helps"
        await service.redis.config_set("maxmemory", 0)
        assert (await service.runtime.event_drain.drain()).buried == 1
        service.execute("update archival.job set finished_at = finished_at - interval '1 hour'")
        assert (await reconcile(service)).announced == 1
        assert [result["type"] for result in await service.results()] == ["archival.chunk.archived"]

    async def test_without_a_group_says_so_too(self, service: Service, caplog: pytest.LogCaptureFixture) -> None:
        await service.redis.config_set("maxmemory", 1)
        assert (await service.runtime.event_drain.drain()).away == "redis"
        assert "redis-full" in codes(caplog)
        async with api_client() as http:
            answer = await http.get("/dead-letters")
            assert answer.status_code == 200, "what is there can be looked at"
        await service.redis.config_set("maxmemory", 0)
        await asyncio.wait_for(service.runtime.event_drain.drain(), 10)
