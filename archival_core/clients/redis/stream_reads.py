"""Reads of a stream that are bounded by bytes.

Redis bounds a read by the number of entries, and one entry may hold gigabytes. Scripts on the server therefore read entries one
after the other. A script stops after so many bytes; of an entry that is too large it tells the size and shows the beginning.
Each script works on one key, which every kind of cluster allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from archival_core.clients.redis import lua

#: After so many bytes a script stops. One entry more is looked at, at most, and other clients wait for no longer than that.
_STEP_BYTES: Final = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Which entries are shown whole, and how much is shown of the others."""

    largest_bytes: int
    largest_fields: int
    shown_bytes: int
    shown_fields: int

    @property
    def arguments(self) -> tuple[int, ...]:
        """As the scripts take them."""
        return self.largest_bytes, self.largest_fields, self.shown_bytes, self.shown_fields

    def show_all(self, size: int, count: int) -> bool:
        """Whether an entry of `size` bytes in `count` fields is shown whole."""
        return size <= self.largest_bytes and count <= self.largest_fields


@dataclass(frozen=True, slots=True)
class MeasuredEntry:
    """An entry with its true size, and as much of its fields as the limits show."""

    entry_id: str
    #: bytes of names and values, and how many fields
    size: int
    count: int
    #: empty for an entry that was trimmed away
    fields: Mapping[bytes, bytes]
    #: how often it was delivered, where a group reads
    deliveries: int = 1


async def take(
    redis: Redis, stream: str, group: str, consumer: str, start: str, count: int, limits: Limits
) -> tuple[list[MeasuredEntry], int]:
    """Up to `count` entries that are `consumer`'s and behind `start`, or new ones for `>`; fewer where they are large.

    None at all means that there is none. The number beside them is that of new entries which were gone before anybody read
    them. Raises redis-py's errors.
    """
    lost, found = await _run(redis, "take", stream, limits, group, consumer, start, count, _STEP_BYTES)
    return _measured(found), lost


async def claim(
    redis: Redis, stream: str, group: str, consumer: str, after: str, idle_ms: int, count: int, limits: Limits
) -> list[MeasuredEntry]:
    """As `take`, of entries behind the id `after` that others have left unacknowledged for `idle_ms`.

    The entries are `consumer`'s from now on. An entry that was trimmed away is nobody's any more, and stays pending where
    it was until somebody acknowledges the loss.
    """
    cursor: Any = after
    while True:
        cursor, found = await _run(redis, "claim", stream, limits, group, consumer, idle_ms, cursor, count, _STEP_BYTES)
        if found or cursor == b"0-0":
            return _measured(found)


async def look(
    redis: Redis,
    stream: str,
    count: int,
    limits: Limits,
    *,
    after: str = "",
    newest_first: bool = False,
    apart: Mapping[str, int],
    most_shown: int,
    most_looked_at: int,
) -> tuple[list[MeasuredEntry], bool]:
    """Up to `count` entries behind the id `after`, and whether there may be more.

    Fewer where `most_shown` bytes were shown or `most_looked_at` bytes looked at, but at least one if there is one. Fields that
    `apart` names do not count as the entry's, and are cut at the length given there. Raises redis-py's errors.
    """
    command, start, end = ("XREVRANGE", "+", "-") if newest_first else ("XRANGE", "-", "+")
    start = f"({after}" if after else start
    names = [value for pair in apart.items() for value in pair]
    entries: list[MeasuredEntry] = []
    shown = looked_at = 0
    more = True
    while more and len(entries) < count and shown < most_shown and looked_at < most_looked_at:
        left = count - len(entries)
        has_more, found = await _run(redis, "look", stream, limits, command, start, end, left, _STEP_BYTES, *names)
        more, batch = bool(has_more), _measured(found)
        entries += batch
        looked_at += sum(entry.size for entry in batch)
        shown += sum(len(name) + len(value) for entry in batch for name, value in entry.fields.items())
        if batch:
            start = f"({batch[-1].entry_id}"
    return entries, more


async def one(redis: Redis, stream: str, entry_id: str, limits: Limits, *, apart: Mapping[str, int]) -> MeasuredEntry | None:
    """The entry of this id, as `look` shows it; `None` if there is none. Raises redis-py's errors."""
    names = [value for pair in apart.items() for value in pair]
    _, found = await _run(redis, "look", stream, limits, "XRANGE", entry_id, entry_id, 1, _STEP_BYTES, *names)
    return _measured(found)[0] if found else None


async def whole(redis: Redis, stream: str, entry_id: str) -> Mapping[bytes, bytes] | None:
    """Every field of one entry, however large it is; `None` if it is gone. Raises redis-py's errors."""
    entries: Any = await redis.xrange(stream, min=entry_id, max=entry_id)
    return entries[0][1] if entries else None


async def _run(redis: Redis, script: str, stream: str, limits: Limits, *arguments: str | int | bytes) -> Any:
    # with its text, since a server that was restarted or failed over knows no script by its digest
    answer: Any = redis.eval(lua.script("measured", "fields", script), 1, stream, *limits.arguments, *arguments)
    return await answer


def _measured(entries: Sequence[Sequence[Any]]) -> list[MeasuredEntry]:
    return [
        MeasuredEntry(entry_id.decode(), size, count, _pairs(fields), *deliveries)
        for entry_id, size, count, fields, *deliveries in entries
    ]


def _pairs(fields: Sequence[bytes] | None) -> dict[bytes, bytes]:
    return dict(zip(fields[::2], fields[1::2], strict=True)) if fields else {}
