"""How far the event stream has been read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from archival_core.model.insight.insight import StreamState


async def read(redis: Redis, *, events: str, group: str, dead: str) -> StreamState:
    """The state of stream `events` for `group`; raises redis-py's errors. What nobody has made yet is empty."""
    entries, buried = int(await redis.xlen(events)), int(await redis.xlen(dead))
    found = await find_group(redis, events, group)
    if found is None:
        return StreamState(entries, 0, entries, None, buried)
    oldest = None
    if found["pending"]:
        summary: Any = await redis.xpending(events, group)
        oldest = _moment(summary["min"])
    lag = found.get("lag")
    return StreamState(entries, int(found["pending"]), None if lag is None else int(lag), oldest, buried)


async def find_group(redis: Redis, events: str, group: str) -> dict[str, Any] | None:
    """What XINFO GROUPS tells of a group; `None` if there is none. Raises redis-py's errors."""
    try:
        groups: Any = await redis.xinfo_groups(events)
    except ResponseError as error:
        if "no such key" not in str(error).lower():
            raise
        return None
    return next((found for found in groups if found["name"] == group.encode()), None)


def _moment(entry_id: bytes | None) -> datetime | None:
    """When an entry was added: ids begin with milliseconds since 1970, unless their writer chose otherwise."""
    try:
        return None if entry_id is None else datetime.fromtimestamp(int(entry_id.partition(b"-")[0]) / 1000, UTC)
    except (ValueError, OverflowError):
        return None
