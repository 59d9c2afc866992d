"""The demo's events: what asks for the older partitions, one request twice under another id, and one that makes no sense."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from redis import Redis

from dev.demo.sample_data import DAYS, FIRST_DAY, KEPT_DAYS, TABLE, partition
from dev.stack.publish import new_traceparent, request

_STREAM = "archival.events"
_DEAD_STREAM = "archival.events.dead"
_OLDER_DAYS = DAYS - KEPT_DAYS
#: One event with `older_than` asks for the oldest days; each other day has an event of its own.
_DAYS_BY_AGE = 5


def chunks() -> list[str]:
    """The partitions that the events ask for, oldest first, with their schema."""
    return [_chunk(day) for day in range(_OLDER_DAYS)]


def traced_chunk() -> str:
    """The partition whose event `publish` tells the trace of."""
    return _chunk(_DAYS_BY_AGE)


def publish(redis_url: str) -> str:
    """Write all events into the stream; the `traceparent` of the one that asks for `traced_chunk`."""
    by_age = {"older_than": (FIRST_DAY + timedelta(days=_DAYS_BY_AGE)).isoformat()}
    single = [{"chunk": _chunk(day)} for day in range(_DAYS_BY_AGE, _OLDER_DAYS)]
    duplicate, malformed = dict(single[0]), {"older_than": "the day before yesterday"}
    traceparent = new_traceparent()
    with Redis.from_url(redis_url) as redis:
        for data in (by_age, *single, duplicate, malformed):
            fields: dict[Any, Any] = request(TABLE, traceparent=traceparent if data is single[0] else None, **data)
            redis.xadd(_STREAM, fields)
    return traceparent


def dead_reasons(redis_url: str) -> list[str]:
    """Why each event of the dead stream could not be used."""
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        entries: Any = redis.xrange(_DEAD_STREAM)
        return [fields["dead.reason"] for _, fields in entries]


def _chunk(day: int) -> str:
    return f"{TABLE.partition('.')[0]}.{partition(day)}"
