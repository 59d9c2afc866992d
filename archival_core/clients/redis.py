"""Redis: events in, results out, and a stream for events that cannot be used."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import unquote, urlsplit, urlunsplit
from uuid import uuid4

from redis.asyncio import Redis
from redis.credentials import CredentialProvider
from redis.exceptions import RedisError, ResponseError

from archival_core import telemetry
from archival_core.clients import stream_state
from archival_core.errors import TransientError
from archival_core.model.insight import StreamState

REDIS_SCOPE = "https://redis.azure.com/.default"


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One entry of the event stream, as it was delivered."""

    entry_id: str
    fields: Mapping[bytes, bytes]
    #: how often it has been delivered, this time included
    deliveries: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One entry of the dead stream."""

    entry_id: str
    reason: str
    #: the event as it came, or the text of a queue message in `message`
    fields: Mapping[bytes, bytes]
    #: an event can be replayed; a message that names no job cannot
    is_event: bool


class EntraCredentials(CredentialProvider):
    """A Microsoft Entra token as the password of `user`, which is the object id of the identity. Asked at each connect.

    Redis ends a connection whose token has expired; the client connects again, with a new one.
    """

    def __init__(self, user: str, token: Callable[[], str]) -> None:
        self._user, self._token = user, token

    def get_credentials(self) -> tuple[str, str]:
        """What AUTH is given."""
        return self._user, self._token()

    async def get_credentials_async(self) -> tuple[str, str]:
        """The same, without holding up the loop."""
        return self._user, await asyncio.to_thread(self._token)


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
        options: dict[str, Any] = {"socket_timeout": 10, "socket_connect_timeout": 10, "health_check_interval": 30}
        parts = urlsplit(url)
        # a token is sent over TLS only
        if token is not None and parts.scheme == "rediss" and parts.username and parts.password is None:
            options["credential_provider"] = EntraCredentials(unquote(parts.username), token)
            url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        redis = Redis.from_url(url, **options)
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

    async def claim_stale(self, consumer: str, idle: timedelta, count: int) -> list[StreamEntry]:
        """Take over entries that another consumer has left unacknowledged for `idle`."""
        with _calling("XAUTOCLAIM"):
            await self._ensure_group()
            answer = await self._redis.xautoclaim(
                self._events,
                self._group,
                consumer,
                min_idle_time=round(idle.total_seconds() * 1000),
                start_id="0-0",
                count=count,
            )
        return await self._with_deliveries(answer[1])

    async def acknowledge(self, entry_ids: Sequence[str]) -> None:
        """These entries are in hand and need not come again."""
        if entry_ids:
            with _calling("XACK"):
                await self._redis.xack(self._events, self._group, *entry_ids)

    async def bury(self, entry: StreamEntry, reason: str) -> None:
        """Copy an entry with the reason to the dead stream, then acknowledge it: it is never in neither."""
        with _calling("XADD"):
            fields: dict[Any, Any] = {
                **entry.fields,
                "dead.reason": reason[:2000],
                "dead.stream": self._events,
                "dead.entry_id": entry.entry_id,
                "dead.deliveries": entry.deliveries,
            }
            await self._redis.xadd(self._dead, fields)
            await self._redis.xack(self._events, self._group, entry.entry_id)

    async def bury_message(self, text: str, reason: str) -> None:
        """Keep a queue message that cannot be understood."""
        with _calling("XADD"):
            await self._redis.xadd(self._dead, {"message": text[:65536], "dead.reason": reason[:2000]})

    async def dead_letters(self, after: str, count: int) -> list[DeadLetter]:
        """Entries of the dead stream with ids after `after` (empty for the first), oldest first."""
        with _calling("XRANGE"):
            entries: Any = await self._redis.xrange(self._dead, min=f"({after}" if after else "-", count=count)
        return [_dead_letter(entry_id.decode(), fields) for entry_id, fields in entries]

    async def newest_dead(self, count: int) -> list[DeadLetter]:
        """The newest entries of the dead stream, newest first."""
        with _calling("XREVRANGE"):
            entries: Any = await self._redis.xrevrange(self._dead, count=count)
        return [_dead_letter(entry_id.decode(), fields) for entry_id, fields in entries]

    async def dead_letter(self, entry_id: str) -> DeadLetter | None:
        """One entry of the dead stream."""
        with _calling("XRANGE"):
            entries: Any = await self._redis.xrange(self._dead, min=entry_id, max=entry_id)
        return _dead_letter(entry_id, entries[0][1]) if entries else None

    async def replay(self, letter: DeadLetter) -> None:
        """Put an event back as it came, then take it off the dead stream: it is never in neither."""
        with _calling("XADD"):
            fields: dict[Any, Any] = dict(letter.fields)
            await self._redis.xadd(self._events, fields)
            await self._redis.xdel(self._dead, letter.entry_id)

    async def remove_dead(self, entry_id: str) -> None:
        """Take an entry off the dead stream."""
        with _calling("XDEL"):
            await self._redis.xdel(self._dead, entry_id)

    async def ping(self) -> None:
        """Raises `TransientError` when Redis does not answer."""
        with _calling("PING"):
            await self._redis.ping()

    async def state(self) -> StreamState:
        """How far the event stream has been read, and how much is dead."""
        with _calling("XINFO"):
            return await stream_state.read(self._redis, events=self._events, group=self._group, dead=self._dead)

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
        with telemetry.produce(telemetry.Channel("redis", self._results), traceparent, described) as sent, _calling("XADD"):
            if sent:
                event["traceparent"] = sent
            await self._redis.xadd(self._results, {"event": json.dumps(event, default=str)})

    async def _read(self, consumer: str, start: str, count: int) -> list[StreamEntry]:
        with _calling("XREADGROUP"):
            await self._ensure_group()
            answer: Any = await self._redis.xreadgroup(self._group, consumer, {self._events: start}, count=count)
        if not answer:
            return []
        streams = answer.items() if isinstance(answer, dict) else answer
        batches = next(entries for _, entries in streams)
        # RESP3 wraps the entries of a stream in one more list
        entries = batches[0] if batches and isinstance(batches[0], list) else batches
        if start == ">":
            return [StreamEntry(entry_id.decode(), fields or {}, 1) for entry_id, fields in entries]
        return await self._with_deliveries(entries)

    async def _with_deliveries(self, entries: Sequence[tuple[bytes, Mapping[bytes, bytes] | None]]) -> list[StreamEntry]:
        """An entry that was trimmed away while it was pending has no fields any more."""
        if not entries:
            return []
        with _calling("XPENDING"):
            pending = await self._redis.xpending_range(
                self._events, self._group, min=entries[0][0], max=entries[-1][0], count=10_000
            )
        deliveries: dict[Any, int] = {row["message_id"]: int(row["times_delivered"]) for row in pending}
        return [StreamEntry(entry_id.decode(), fields or {}, deliveries.get(entry_id, 1)) for entry_id, fields in entries]

    async def _ensure_group(self) -> None:
        # asked every time: a flushed or failed-over Redis has lost it
        try:
            # from 0: at the tail, a backlog that is there already would be lost
            await self._redis.xgroup_create(self._events, self._group, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise


#: what `bury` adds to an entry
_ADDED = frozenset({b"dead.reason", b"dead.stream", b"dead.entry_id", b"dead.deliveries"})


def _dead_letter(entry_id: str, fields: Mapping[bytes, bytes]) -> DeadLetter:
    original = {name: value for name, value in fields.items() if name not in _ADDED}
    reason = fields.get(b"dead.reason", b"").decode(errors="replace")
    return DeadLetter(entry_id, reason, original, is_event=b"dead.stream" in fields and bool(original))


_REDIS = telemetry.Dependency("redis")


@contextmanager
def _calling(command: str) -> Iterator[None]:
    """Time a command, the one that matters of those inside, and translate what is raised."""
    try:
        with _REDIS.timed(command):
            yield
    except RedisError as error:
        raise TransientError(f"Redis: {type(error).__name__}: {str(error)[:200]}", code="redis") from error
