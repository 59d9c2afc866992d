"""Redis: events in, results out, and a stream for events that cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, ResponseError

from archival_core import telemetry
from archival_core.clients.redis import dead_stream, event_list, stream_losses, stream_reads, stream_state, stream_trim
from archival_core.clients.redis.connection import open_redis
from archival_core.clients.redis.event_list import ListedEvent
from archival_core.clients.redis.stream_reads import Limits, MeasuredEntry
from archival_core.clients.redis.stream_trim import TrimmedStream, TrimRule
from archival_core.clients.redis.troubles import calling
from archival_core.model.asking.event import MAX_EVENT_BYTES, MAX_EVENT_FIELDS
from archival_core.model.insight.insight import StreamState

#: An event is whole for whatever may be valid. Of a larger one nothing but its reason is of use, and its beginning.
_EVENTS: Final = Limits(MAX_EVENT_BYTES, MAX_EVENT_FIELDS, shown_bytes=1024, shown_fields=16)
#: For who looks at reasons alone.
_REASONS: Final = Limits(0, 0, shown_bytes=0, shown_fields=0)
#: One page of dead letters: what it holds, and what the server reads for it.
_PAGE_BYTES: Final = 1024 * 1024
_PAGE_LOOKED_AT: Final = 256 * 1024 * 1024
#: For a list that is asked for every few seconds.
_LIST_LOOKED_AT: Final = 64 * 1024 * 1024
#: An event beyond this is not carried to the dead stream: its beginning goes there, and the rest stays in the event stream.
_MOST_CARRIED: Final = 64 * 1024 * 1024
_MOST_CARRIED_FIELDS: Final = 10_000
#: What `bury` adds to an entry, and how long each may be.
_ADDED: Final = {"dead.reason": 2000, "dead.stream": 512, "dead.entry_id": 64, "dead.deliveries": 32, "dead.bytes": 32}


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One entry of the event stream, as it was delivered."""

    entry_id: str
    #: of an entry that is not whole, the beginning
    fields: Mapping[bytes, bytes]
    #: how often it has been delivered, this time included
    deliveries: int
    #: bytes of names and values, and how many fields
    size: int
    count: int
    #: whether it is small enough for an event
    is_whole: bool


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One entry of the dead stream."""

    entry_id: str
    reason: str
    #: the event as it came, or the text of a queue message in `message`; of one that is not whole, the beginning
    fields: Mapping[bytes, bytes]
    #: and not a message that names no job
    is_event: bool
    #: bytes of what came, however much of it is shown
    size: int
    is_whole: bool

    @property
    def is_replayable(self) -> bool:
        """An event that was too large would be too large again."""
        return self.is_event and self.is_whole


class MessagingClient:
    """One connection pool to Redis."""

    def __init__(self, redis: Redis, *, events: str, group: str, results: str, dead: str) -> None:
        self._redis = redis
        self._events, self._group, self._results, self._dead = events, group, results, dead

        #: as its entries' spans name it
        self.channel = telemetry.Channel("redis", events)

    @classmethod
    def open(
        cls, url: str, *, events: str, group: str, results: str, dead: str, token: Callable[[], str] | None = None
    ) -> Self:
        """Connects on first use. A `rediss://` URL with a user and without a password asks `token` for one, at each connect."""
        redis = open_redis(url, token)
        return cls(redis, events=events, group=group, results=results, dead=dead)

    async def close(self) -> None:
        """Close the pool."""
        await self._redis.aclose()

    async def pending_of(self, consumer: str, after: str, count: int) -> list[StreamEntry]:
        """Entries that were delivered to `consumer` and never acknowledged, with ids after `after` (`0` for the first)."""
        return await self._read(consumer, after, count)

    async def new(self, consumer: str, count: int) -> list[StreamEntry]:
        """Entries that nobody has seen."""
        return await self._read(consumer, ">", count)

    async def claim_stale(self, consumer: str, idle: timedelta, count: int, after: str = "0") -> list[StreamEntry]:
        """Take over entries with ids after `after` that another consumer has left unacknowledged for `idle`."""
        with calling("XCLAIM"):
            await self._ensure_group()
            milliseconds = round(idle.total_seconds() * 1000)
            entries = await stream_reads.claim(
                self._redis, self._events, self._group, consumer, after, milliseconds, count, _EVENTS
            )
        return [_stream_entry(entry) for entry in entries]

    async def acknowledge(self, entry_ids: Sequence[str]) -> None:
        """These entries are in hand and need not come again."""
        if entry_ids:
            with calling("XACK"):
                await self._redis.xack(self._events, self._group, *entry_ids)

    async def bury(self, entry: StreamEntry, reason: str) -> None:
        """Copy an entry with the reason to the dead stream, then acknowledge it.

        A crash in between leaves the entry in both streams.
        """
        with calling("XADD"):
            fields: dict[Any, Any] = {
                **(entry.fields if entry.is_whole else await self._carried(entry)),
                "dead.reason": reason[:2000],
                "dead.stream": self._events,
                "dead.entry_id": entry.entry_id,
                "dead.deliveries": entry.deliveries,
                **({} if entry.is_whole else {"dead.bytes": entry.size}),
            }
            await self._redis.xadd(self._dead, fields)
            await self._redis.xack(self._events, self._group, entry.entry_id)

    async def bury_message(self, text: str, reason: str) -> None:
        """Keep a queue message that cannot be understood."""
        with calling("XADD"):
            await self._redis.xadd(self._dead, {"message": text[:65536], "dead.reason": reason[:2000]})

    async def dead_letters(self, after: str, count: int, *, reasons_alone: bool = False) -> tuple[list[DeadLetter], bool]:
        """Entries of the dead stream with ids after `after` (empty for the first), oldest first, and whether there may be more.

        Fewer than `count` where they are large; with `reasons_alone` without their fields.
        """
        with calling("XRANGE"):
            entries, more = await stream_reads.look(
                self._redis,
                self._dead,
                count,
                _REASONS if reasons_alone else _EVENTS,
                after=after,
                apart=_ADDED,
                most_shown=_PAGE_BYTES,
                most_looked_at=_PAGE_LOOKED_AT,
            )
        return [_dead_letter(entry) for entry in entries], more

    async def newest_dead(self, count: int) -> list[DeadLetter]:
        """The newest entries of the dead stream, newest first and without their fields; fewer where they are large."""
        with calling("XREVRANGE"):
            entries, _ = await stream_reads.look(
                self._redis,
                self._dead,
                count,
                _REASONS,
                newest_first=True,
                apart=_ADDED,
                most_shown=_PAGE_BYTES,
                most_looked_at=_LIST_LOOKED_AT,
            )
        return [_dead_letter(entry) for entry in entries]

    async def dead_letter(self, entry_id: str) -> DeadLetter | None:
        """One entry of the dead stream."""
        with calling("XRANGE"):
            found = await stream_reads.one(self._redis, self._dead, entry_id, _EVENTS, apart=_ADDED)
        return _dead_letter(found) if found else None

    async def replay(self, letter: DeadLetter) -> None:
        """Put an event back as it came, then take it off the dead stream.

        A crash in between leaves the event in both streams.
        """
        with calling("XADD"):
            fields: dict[Any, Any] = dict(letter.fields)
            await self._redis.xadd(self._events, fields)
            await self._redis.xdel(self._dead, letter.entry_id)

    async def replay_many(self, entry_ids: Sequence[str]) -> int:
        """Put events back as they came, and off the dead stream; how many of them were there."""
        with calling("XADD"):
            return await dead_stream.replay(self._redis, self._dead, self._events, entry_ids, _ADDED)

    async def remove_dead(self, *entry_ids: str) -> int:
        """Take entries off the dead stream; how many of them were there."""
        with calling("XDEL"):
            return int(await self._redis.xdel(self._dead, *entry_ids))

    async def prove_writable(self) -> None:
        """Raises `AwayError` when Redis does not answer, or takes no writes: XGROUP is one, even where the group is there."""
        with calling("XGROUP"):
            await self._make_group()

    async def state(self) -> StreamState:
        """How far the event stream has been read, and how much is dead."""
        with calling("XINFO"):
            return await stream_state.read(self._redis, events=self._events, group=self._group, dead=self._dead)

    async def newest_events(self, count: int, before: str) -> tuple[list[ListedEvent], bool]:
        """Entries of the event stream with ids before `before` (empty for the newest), the newest first, and whether there may
        be more."""
        with calling("XREVRANGE"):
            return await event_list.newest(self._redis, self._events, self._group, count, before, _EVENTS)

    async def trim(self, rule: TrimRule) -> TrimmedStream | None:
        """Trim a stream within what its groups allow; `None` if there is no such stream."""
        with calling("XTRIM"):
            return await stream_trim.trim(self._redis, rule)

    async def announce(self, event_type: str, subject: str, data: Mapping[str, Any], traceparent: str | None) -> None:
        """Publish a result as a CloudEvent."""
        event: dict[str, Any] = {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": "archival_service",
            "type": event_type,
            "subject": subject,
            "time": datetime.now(UTC).isoformat(),
            "datacontenttype": "application/json",
            "data": dict(data),
        }
        described = {"cloudevents.event_id": event["id"], "cloudevents.event_type": event_type}
        with telemetry.produce(telemetry.Channel("redis", self._results), traceparent, described) as sent, calling("XADD"):
            if sent:
                event["traceparent"] = sent
            await self._redis.xadd(self._results, {"event": json.dumps(event, default=str)})

    async def _read(self, consumer: str, start: str, count: int) -> list[StreamEntry]:
        with calling("XREADGROUP"):
            await self._ensure_group()
            entries, lost = await stream_reads.take(self._redis, self._events, self._group, consumer, start, count, _EVENTS)
            if lost:
                await stream_losses.tell(self._redis, events=self._events, dead=self._dead, lost=lost)
        return [_stream_entry(entry) for entry in entries]

    async def _carried(self, entry: StreamEntry) -> Mapping[bytes, bytes]:
        """All of an entry that is not whole, if it can be carried; else the beginning that is there."""
        if entry.size > _MOST_CARRIED or entry.count > _MOST_CARRIED_FIELDS:
            return entry.fields
        return await stream_reads.whole(self._redis, self._events, entry.entry_id) or entry.fields

    async def _ensure_group(self) -> None:
        # for every read, since a Redis that was flushed or failed over has lost the group
        try:
            await self._make_group()
        except OutOfMemoryError:
            # a full Redis makes no group, and still reads for a group that is there
            if await stream_state.find_group(self._redis, self._events, self._group) is None:
                raise

    async def _make_group(self) -> None:
        try:
            # from 0: at the tail, a backlog that is there already would be lost
            await self._redis.xgroup_create(self._events, self._group, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise


def _stream_entry(entry: MeasuredEntry) -> StreamEntry:
    is_whole = _EVENTS.show_all(entry.size, entry.count)
    return StreamEntry(entry.entry_id, entry.fields, entry.deliveries, entry.size, entry.count, is_whole)


def _dead_letter(entry: MeasuredEntry) -> DeadLetter:
    added = {name.encode(): entry.fields.get(name.encode()) for name in _ADDED}
    dead_bytes = added[b"dead.bytes"]
    size = max(entry.size, int(dead_bytes)) if dead_bytes and dead_bytes.isdigit() else entry.size
    return DeadLetter(
        entry_id=entry.entry_id,
        reason=(added[b"dead.reason"] or b"").decode(errors="replace"),
        fields={name: value for name, value in entry.fields.items() if name not in added},
        is_event=added[b"dead.stream"] is not None and entry.count > 0,
        size=size,
        is_whole=_EVENTS.show_all(size, entry.count),
    )
