"""Moves of many dead letters at a time, in few round trips."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ClusterCrossSlotError

from archival_core.clients.redis import lua


async def replay(redis: Redis, dead: str, events: str, entry_ids: Sequence[str], added: Collection[str]) -> int:
    """Put entries of `dead` back into `events` without the fields that `added` names; how many were still there.

    Each is moved in one step of the server. In a cluster that keeps the two streams on different servers no step spans
    both: there an entry is added first and deleted afterwards, so that one whose caller is killed in between is in both.
    Raises redis-py's errors.
    """
    if not entry_ids:
        return 0
    try:
        answer: Any = redis.eval(lua.script("replay"), 2, dead, events, len(added), *added, *entry_ids)
        return len(await answer)
    except ClusterCrossSlotError:
        return await _in_two_steps(redis, dead, events, entry_ids, {name.encode() for name in added})


async def _in_two_steps(redis: Redis, dead: str, events: str, entry_ids: Sequence[str], added: Collection[bytes]) -> int:
    async with redis.pipeline(transaction=False) as reading:
        for entry_id in entry_ids:
            reading.xrange(dead, entry_id, entry_id)
        found = [entries[0] for entries in await reading.execute() if entries]
    if not found:
        return 0
    async with redis.pipeline(transaction=False) as adding:
        for _, fields in found:
            adding.xadd(events, {name: value for name, value in fields.items() if name not in added})
        # raises before anything is deleted if the server takes no more, since what it took then stays in both
        await adding.execute()
    return int(await redis.xdel(dead, *(entry_id for entry_id, _ in found)))
