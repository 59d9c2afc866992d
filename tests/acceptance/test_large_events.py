"""Events of any size: what is read of them is bounded by bytes, and none of them keeps the others waiting."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from archival_core.clients.redis import messaging as client
from archival_core.errors import PermanentError
from tests.acceptance.api_client import api_client
from tests.kit.redis_commands import added, entries

if TYPE_CHECKING:
    from archival_core.clients.redis.messaging import DeadLetter
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

TABLE = """
create table $s.readings (time timestamptz not null) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
"""
MEGABYTE = 1_000_000
LARGE = 10 * MEGABYTE


@contextmanager
def memory_below(most: int) -> Iterator[None]:
    """Of this process, while what is inside runs."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most, f"{peak / MEGABYTE:.0f} MB"


async def add(service: Service, *events: bytes, stream: str = "EVENTS_STREAM") -> list[str]:
    return [await added(service.redis, service.names[stream], {"event": event}) for event in events]


async def all_letters(service: Service, limit: int = 100) -> list[DeadLetter]:
    found: list[DeadLetter] = []
    after: str | None = ""
    while after is not None:
        page, after = await service.runtime.dead_letters.page(limit, after)
        found += page
    return found


async def test_large_events_are_buried_and_others_do_not_wait(service: Service) -> None:
    service.execute(TABLE)
    # many small ones in front, so that whoever reads more and more of them at a time meets the large ones at once
    for _ in range(300):
        await add(service, b"{}")
    await add(service, *(b"x" * LARGE for _ in range(6)))
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    with memory_below(4 * LARGE):
        report = await service.runtime.event_drain.drain()
    assert (report.events, report.queued, report.buried, report.postponed) == (307, 1, 306, 0)
    assert (await service.redis.xpending(service.names["EVENTS_STREAM"], "archival-service"))["pending"] == 0
    with memory_below(2 * MEGABYTE):
        large = [letter for letter in await all_letters(service) if letter.size > MEGABYTE]
        assert [letter.is_event for letter in await service.runtime.messaging.newest_dead(50)][:1] == [True]
    assert [(letter.size, letter.is_whole, letter.is_replayable) for letter in large] == [(LARGE + 5, False, False)] * 6
    assert {letter.reason for letter in large} == {
        "invalid-event: the event has 10000005 bytes; 65536 bytes in 1024 fields are the most"
    }
    [(_, kept)] = await entries(service.redis, service.names["DEAD_STREAM"], large[0].entry_id, large[0].entry_id)
    assert kept[b"event"] == b"x" * LARGE, "as it came"


async def test_what_another_consumer_left_is_read_within_the_same_bounds(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.runtime.event_drain.drain()
    ids = await add(service, *(b"x" * LARGE for _ in range(4)), b"{}", b"trimmed")
    stream, group = service.names["EVENTS_STREAM"], "archival-service"
    for entry_id in ids:
        await service.redis.xreadgroup(group, "another", {stream: ">"}, count=1)
        await service.redis.xclaim(stream, group, "another", 0, [entry_id], idle=3_600_000)
    await service.redis.xdel(stream, ids[-1])
    with memory_below(4 * LARGE):
        report = await service.runtime.event_drain.drain()
    assert report.buried == 6
    assert (await service.redis.xpending(stream, group))["pending"] == 0
    assert [letter.size for letter in await all_letters(service)] == [LARGE + 5] * 4 + [7, 0]
    assert "trimmed" in (await all_letters(service))[-1].reason


async def test_own_entries_that_were_not_acknowledged_are_read_within_the_same_bounds(service: Service) -> None:
    await service.runtime.event_drain.drain()
    await add(service, *(b"x" * LARGE for _ in range(4)))
    await service.redis.xreadgroup("archival-service", "drain", {service.names["EVENTS_STREAM"]: ">"})
    with memory_below(4 * LARGE):
        assert (await service.runtime.event_drain.drain()).buried == 4


async def test_an_event_of_many_fields_or_of_long_names_is_large_too(service: Service) -> None:
    many: dict[Any, Any] = {f"f{number}": "" for number in range(100_000)}
    await service.redis.xadd(service.names["EVENTS_STREAM"], many)
    await service.redis.xadd(service.names["EVENTS_STREAM"], {b"n" * LARGE: b""})
    with memory_below(8 * LARGE):
        assert (await service.runtime.event_drain.drain()).buried == 2
    with memory_below(2 * MEGABYTE):
        first, second = await all_letters(service)
    assert (first.size, first.is_whole, len(first.fields)) == (sum(map(len, many)), False, 16)
    assert (second.size, second.is_whole, [len(name) for name in second.fields]) == (LARGE, False, [1024])


async def test_what_cannot_be_carried_stays_and_is_referred_to(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_MOST_CARRIED", 1_000_000)
    [entry_id] = await add(service, b"y" * 2_000_000)
    assert (await service.runtime.event_drain.drain()).buried == 1
    [letter] = await all_letters(service)
    assert (letter.size, letter.is_whole, len(letter.fields[b"event"])) == (2_000_005, False, 1019)
    [(_, kept)] = await entries(service.redis, service.names["DEAD_STREAM"])
    assert (kept[b"dead.entry_id"].decode(), kept[b"dead.bytes"]) == (entry_id, b"2000005")
    [(_, original)] = await entries(service.redis, service.names["EVENTS_STREAM"], entry_id, entry_id)
    assert original == {b"event": b"y" * 2_000_000}


async def test_one_event_that_cannot_be_buried_keeps_no_other_from_it(service: Service) -> None:
    service.execute(TABLE)
    await add(service, b"z" * 100_000)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    await service.redis.set(service.names["DEAD_STREAM"], "something else")
    report = await service.runtime.event_drain.drain()
    assert (report.queued, report.buried, report.postponed) == (1, 0, 1)
    await service.redis.delete(service.names["DEAD_STREAM"])
    assert (await service.runtime.event_drain.drain()).buried == 1


async def test_large_letters_are_shown_in_part_given_up_and_never_replayed(service: Service) -> None:
    await add(service, b"w" * LARGE, b"{}")
    await service.runtime.event_drain.drain()
    async with api_client() as http:
        with memory_below(4 * MEGABYTE):
            page = (await http.get("/dead-letters")).json()
        large, small = page["dead_letters"]
        assert (large["bytes"], large["truncated"], large["replayable"]) == (LARGE + 5, True, False)
        assert large["fields"] == {"event": "w" * 1019}
        assert (small["bytes"], small["truncated"], small["replayable"]) == (7, False, True)
        with memory_below(4 * MEGABYTE):
            answer = await http.post(f"/dead-letters/{large['entry_id']}/replay")
            assert (answer.status_code, answer.json()["code"]) == (409, "not-replayable")
            assert "10000005 bytes" in answer.json()["detail"]
            answer = await http.post(f"/dead-letters/{large['entry_id']}/discard", json={"reason": "too large"})
            assert answer.status_code == 204
        with memory_below(4 * MEGABYTE):
            overview = (await http.get("/dashboard/overview")).json()
        assert [letter["entry_id"] for letter in overview["dead_letters"]] == [small["entry_id"]]
    [(fields,)] = service.rows("select fields from archival.discarded")
    assert (fields["event"], fields["dead.bytes"]) == ("w" * 1019, "10000005")


async def test_a_page_of_letters_is_full_after_so_many_bytes(service: Service) -> None:
    # what others write into the dead stream is bounded too
    for number in range(100):
        await service.redis.xadd(
            service.names["DEAD_STREAM"],
            {"event": b"e" * 60_000, "dead.stream": "s", "dead.reason": f"{number}" + "r" * 99_999},
        )
    async with api_client() as http:
        seen, after = [], ""
        while after is not None:
            answer = await http.get("/dead-letters", params={"limit": 500, "after": after})
            assert len(answer.content) < 5 * MEGABYTE
            page = answer.json()
            after = page["next"]
            seen += [letter["reason"].rstrip("r") for letter in page["dead_letters"]]
            assert {len(letter["reason"]) for letter in page["dead_letters"]} <= {2000}
    assert seen == [str(number) for number in range(100)]


async def test_deliveries_are_counted_however_many_entries_others_have(service: Service) -> None:
    await service.runtime.event_drain.drain()
    stream, group, messaging = service.names["EVENTS_STREAM"], "archival-service", service.runtime.messaging
    pipeline = service.redis.pipeline()
    for number in range(10_500):
        pipeline.xadd(stream, {"event": str(number)})
    await pipeline.execute()
    [first] = await messaging.new("drain", 1)
    assert first.deliveries == 1
    await service.redis.xreadgroup(group, "another", {stream: ">"}, count=10_400)
    [last] = await messaging.new("drain", 1)
    for deliveries in (2, 3):
        found = await messaging.pending_of("drain", "0", 10)
        assert [(entry.entry_id, entry.deliveries) for entry in found] == [
            (first.entry_id, deliveries),
            (last.entry_id, deliveries),
        ]
    # nothing of the other's is stale, and all of it is looked through
    assert await messaging.claim_stale("drain", timedelta(hours=1), 10) == []
    await service.redis.xclaim(stream, group, "another", 0, [last.entry_id], idle=7_200_000)
    [claimed] = await messaging.claim_stale("drain", timedelta(hours=1), 10)
    assert claimed.entry_id == last.entry_id


@pytest.mark.parametrize("where", ["id", "source", "hypertable", "chunk"])
async def test_an_event_that_no_ledger_can_hold_is_buried_alone(service: Service, where: str) -> None:
    service.execute(TABLE)
    data = {"hypertable": f"{service.schema}.readings", "chunk": f"{service.schema}.jan"}
    event: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "s", "type": "archival.chunk.requested", "data": data}
    (data if where in data else event)[where] = "a\0b"
    await add(service, json.dumps(event).encode())
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.feb")
    report = await service.runtime.event_drain.drain()
    assert (report.queued, report.buried, report.postponed) == (1, 1, 0)
    assert "NUL" in (await all_letters(service))[0].reason


async def test_an_event_that_the_ledger_refuses_keeps_no_other_from_it(service: Service) -> None:
    service.execute(TABLE)
    await service.runtime.event_drain.drain()
    service.execute("alter table archival.job add constraint strange check (chunk <> '$s.jan')")
    for chunk in ("feb", "jan", "mar"):
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}")
    report = await service.runtime.event_drain.drain()
    assert (report.queued, report.buried, report.postponed) == (2, 0, 1)
    assert len(service.messages()) == 2
    service.execute("alter table archival.job drop constraint strange")
    assert (await service.runtime.event_drain.drain()).queued == 1


async def test_a_letter_is_looked_up_by_its_id_alone(service: Service) -> None:
    ids = await add(service, b"1", b"2", stream="DEAD_STREAM")
    found = await service.runtime.messaging.dead_letter(ids[0])
    assert found is not None
    assert (found.entry_id, found.fields, found.is_event) == (ids[0], {b"event": b"1"}, False)
    with pytest.raises(PermanentError) as caught:
        await service.runtime.dead_letters.replay("1-1")
    assert caught.value.code == "unknown-dead-letter"
