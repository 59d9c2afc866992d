"""Trimming a stream on a real server: what a group still has to read, or to acknowledge, stays."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from archival_core.clients.redis import stream_trim
from archival_core.clients.redis.stream_trim import Hold, TrimmedStream, TrimRule

LARGEST = 2**64 - 1
LAST_OF_ALL = f"{LARGEST}-{LARGEST}"


class Stream:
    """A stream of its own, and the hands of those who use it."""

    def __init__(self, redis: Redis) -> None:
        self.redis, self.name = redis, f"trim.{uuid4().hex}"

    async def add(self, *ids: str) -> None:
        async with self.redis.pipeline(transaction=False) as adding:
            for entry_id in ids:
                adding.xadd(self.name, {"event": "x"}, id=entry_id)
            await adding.execute()

    async def fill(self, count: int, first: int = 1) -> None:
        await self.add(*(f"{number}-0" for number in range(first, first + count)))

    async def read(self, group: str, count: int, *, acknowledge: bool = True, start: str = "0") -> list[str]:
        groups: Any = await self.redis.xinfo_groups(self.name)
        if group.encode() not in [found["name"] for found in groups]:
            await self.redis.xgroup_create(self.name, group, id=start)
        found: Any = await self.redis.xreadgroup(group, "c", {self.name: ">"}, count=count) if count else []
        ids = [entry_id.decode() for _, entries in found for entry_id, _ in entries]
        if ids and acknowledge:
            await self.redis.xack(self.name, group, *ids)
        return ids

    async def ids(self) -> list[str]:
        entries: Any = await self.redis.xrange(self.name)
        return [entry_id.decode() for entry_id, _ in entries]

    async def trim(
        self, old_below: str | None = LAST_OF_ALL, *, keep: int = 10**9, known: str | None = None, needed: str | None = None
    ) -> TrimmedStream:
        found = await stream_trim.trim(self.redis, TrimRule(self.name, old_below, known, keep, needed))
        assert found is not None
        return found


@pytest.fixture
async def stream(redis_url: str) -> AsyncIterator[Stream]:
    async with Redis.from_url(redis_url) as redis:
        yield Stream(redis)


async def test_what_a_group_has_pending_stays_with_all_that_follows(stream: Stream) -> None:
    await stream.fill(500)
    await stream.read("mine", 500)
    read = await stream.read("other", 300, acknowledge=False)
    await stream.redis.xack(stream.name, "other", *read[:120], *read[121:])
    found = await stream.trim()
    assert (await stream.ids())[0] == read[120] == "121-0"
    assert (found.trimmed, found.length, found.first_id, found.last_id) == (120, 380, "121-0", "500-0")
    assert found.hold == Hold("other", "121-0", is_gone=False)
    await stream.redis.xack(stream.name, "other", "121-0")
    # the entry that was delivered last stays: the next trim takes it along
    assert (await stream.trim()).first_id == "300-0"


async def test_what_a_group_was_not_given_stays(stream: Stream) -> None:
    await stream.fill(300)
    await stream.read("mine", 300)
    await stream.read("slow", 10)
    found = await stream.trim()
    assert (found.first_id, found.hold) == ("10-0", Hold("slow", "10-0", is_gone=False))
    await stream.read("slow", 300)
    found = await stream.trim()
    assert (found.length, found.hold) == (1, None)


async def test_a_group_that_was_moved_back_is_given_everything_again(stream: Stream) -> None:
    await stream.fill(50)
    read = await stream.read("mine", 50, acknowledge=False)
    await stream.redis.xack(stream.name, "mine", *read[:40])
    await stream.redis.xgroup_setid(stream.name, "mine", "7-0")
    found = await stream.trim()
    assert (found.first_id, found.hold) == ("7-0", Hold("mine", "7-0", is_gone=False))


@pytest.mark.parametrize("keep", [1, 10**9])
async def test_a_group_at_the_beginning_keeps_everything(stream: Stream, keep: int) -> None:
    await stream.fill(300)
    await stream.read("mine", 300)
    await stream.read("new", 0)
    found = await stream.trim(keep=keep)
    assert (found.trimmed, found.length, found.hold) == (0, 300, Hold("new", "0-0", is_gone=False))
    await stream.redis.xgroup_destroy(stream.name, "new")
    assert (await stream.trim(keep=keep)).length == 1


async def test_a_stream_that_nobody_has_read_yet_is_left_alone_where_a_reader_is_needed(stream: Stream) -> None:
    await stream.fill(300)
    for _ in range(2):
        found = await stream.trim(keep=1, needed="mine")
        assert (found.trimmed, found.length, found.hold) == (0, 300, None)
        # somebody else's group is no proof that the reader has read
        await stream.read("other", 300)
    await stream.read("mine", 300)
    assert (await stream.trim(needed="mine")).length == 1


async def test_a_stream_without_groups_is_trimmed_by_age_and_length(stream: Stream) -> None:
    await stream.fill(1000)
    found = await stream.trim("151-0")
    assert (found.trimmed, found.first_id) == (150, "151-0")
    found = await stream.trim(None, keep=300)
    assert 300 <= found.length < 400, "whole blocks go"
    assert (await stream.ids())[-1] == "1000-0"
    assert (await stream.trim(None)).trimmed == 0
    assert (found.hold, (await stream.trim()).length) == (None, 0)


async def test_length_never_trims_past_a_group(stream: Stream) -> None:
    await stream.fill(1000)
    await stream.read("mine", 450)
    found = await stream.trim(None, keep=10)
    assert 351 <= found.trimmed <= 449
    assert (await stream.ids())[-551:] == [f"{number}-0" for number in range(450, 1001)]
    assert found.hold == Hold("mine", "450-0", is_gone=False)


async def test_ids_are_compared_as_numbers_however_large(stream: Stream) -> None:
    ids = ["1-1", "9-18446744073709551615", "10-0", "9007199254740993-1", "9007199254740993-9", "9007199254740993-10"]
    ids += [f"{LARGEST}-9", f"{LARGEST}-10"]
    await stream.add(*ids)
    await stream.read("mine", len(ids))
    for old in (*ids, LAST_OF_ALL):
        found = await stream.trim(old)
        assert found.hold is None
        assert await stream.ids() == (ids[ids.index(old) :] if old in ids else ids[-1:])


async def test_an_entry_that_was_trimmed_by_others_and_is_pending_is_told(stream: Stream) -> None:
    await stream.fill(300)
    await stream.read("mine", 300)
    await stream.read("other", 200, acknowledge=False)
    await stream.redis.xtrim(stream.name, maxlen=250, approximate=False)
    found = await stream.trim()
    assert (found.trimmed, found.hold) == (0, Hold("other", "1-0", is_gone=True))


async def test_ids_from_before_a_stream_was_put_back_say_nothing(stream: Stream) -> None:
    await stream.fill(300)
    await stream.read("mine", 300)
    # the ledger knows of a later time, in which the stream had given out more ids
    assert (await stream.trim("301-0", known="400-0")).trimmed == 0
    assert (await stream.trim("299-0", known="300-0")).trimmed == 298


async def test_no_stream_is_nothing_to_trim(stream: Stream) -> None:
    assert await stream_trim.trim(stream.redis, TrimRule(stream.name, "1-0", None, 1)) is None
    await stream.add("5-0")
    await stream.redis.xdel(stream.name, "5-0")
    found = await stream.trim(keep=1)
    assert (found.trimmed, found.length, found.first_id, found.last_id) == (0, 0, None, "5-0")


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_groups_do_nothing_is_taken_from_them(stream: Stream, seed: int) -> None:
    rng = random.Random(seed)
    groups = [f"g{number}" for number in range(rng.randint(1, 4))]
    last = 0
    for _ in range(15):
        await stream.fill(count := rng.choice([1, 3, 30, 130]), last + 1)
        last += count
        group = rng.choice(groups)
        read = await stream.read(group, rng.choice([0, 1, 50, 400]), acknowledge=False, start=rng.choice(["0", "$"]))
        if read:
            await stream.redis.xack(stream.name, group, *rng.sample(read, rng.randint(0, len(read))), "0-1")
        if rng.random() < 0.05:
            await stream.redis.xgroup_destroy(stream.name, group)
        before, wanted = set(await stream.ids()), await claims(stream)
        rule: dict[str, Any] = {
            "old_below": rng.choice([None, f"{rng.randint(1, last)}-0", LAST_OF_ALL]),
            "keep": rng.randint(1, 500),
        }
        found = await stream.trim(**rule)
        after = set(await stream.ids())
        assert found.length == len(after) == len(before) - found.trimmed
        assert wanted & before <= after, (seed, rule)
        if wanted - after:
            assert found.hold is not None or rule["old_below"] != LAST_OF_ALL


async def claims(stream: Stream) -> set[str]:
    """What any group has pending, or was not given, and all that follows."""
    groups: Sequence[Any] = await stream.redis.xinfo_groups(stream.name)
    lowest = []
    for group in groups:
        if group["pending"]:
            lowest.append(int((await stream.redis.xpending(stream.name, group["name"]))["min"].split(b"-")[0]))
        lowest.append(int(group["last-delivered-id"].split(b"-")[0]) + 1)
    return {entry_id for entry_id in await stream.ids() if lowest and int(entry_id.split("-")[0]) >= min(lowest)}


async def test_a_group_that_is_made_while_it_is_trimmed_gets_all_that_was_there(stream: Stream) -> None:
    async def keep_trimming() -> None:
        while not done.is_set():
            await stream.trim()

    done = asyncio.Event()
    await stream.fill(20)
    trimming = asyncio.create_task(keep_trimming())
    for turn in range(1, 31):
        await stream.fill(20, 20 * turn + 1)
        async with stream.redis.pipeline(transaction=True) as together:
            together.xgroup_create(stream.name, f"g{turn}", id="0")
            together.xlen(stream.name)
            _, there = await together.execute()
        read: Any = await stream.redis.xreadgroup(f"g{turn}", "c", {stream.name: ">"}, noack=True)
        assert sum(len(entries) for _, entries in read) == there, turn
    done.set()
    await trimming
