"""The newest entries of the event stream, and how far each has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from archival_core.clients.redis import stream_reads
from archival_core.clients.redis.stream_reads import Limits, MeasuredEntry
from archival_core.clients.redis.stream_state import find_group
from archival_core.model.insight.insight import EventProgress

#: One page: what it holds, and what the server reads for it.
_MOST_SHOWN: Final = 1024 * 1024
_MOST_LOOKED_AT: Final = 64 * 1024 * 1024
#: Pending entries that are looked at between the first and the last of a page; some may be of entries that are gone.
_MOST_PENDING: Final = 10_000


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """One entry of the event stream."""

    entry_id: str
    #: of an entry that is too large for an event, the beginning
    fields: Mapping[bytes, bytes]
    size: int
    is_whole: bool
    progress: EventProgress


async def newest(
    redis: Redis, stream: str, group: str, count: int, before: str, limits: Limits
) -> tuple[list[ListedEvent], bool]:
    """Up to `count` entries with ids before `before` (empty for the newest), the newest first, and whether there may be more.

    Raises redis-py's errors.
    """
    entries, more = await stream_reads.look(
        redis,
        stream,
        count,
        limits,
        after=before,
        newest_first=True,
        apart={},
        most_shown=_MOST_SHOWN,
        most_looked_at=_MOST_LOOKED_AT,
    )
    found = await find_group(redis, stream, group) if entries else None
    delivered = _order(found["last-delivered-id"].decode()) if found else (0, 0)
    pending: set[str] = set()
    if found and found["pending"]:
        entry_states: Any = await redis.xpending_range(stream, group, entries[-1].entry_id, entries[0].entry_id, _MOST_PENDING)
        pending = {one["message_id"].decode() for one in entry_states}
    return [_listed(entry, delivered, pending, limits) for entry in entries], more


def _listed(entry: MeasuredEntry, delivered: tuple[int, int], pending: set[str], limits: Limits) -> ListedEvent:
    progress: EventProgress = "drained"
    if _order(entry.entry_id) > delivered:
        progress = "waiting"
    elif entry.entry_id in pending:
        progress = "pending"
    return ListedEvent(entry.entry_id, entry.fields, entry.size, limits.show_all(entry.size, entry.count), progress)


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)
