"""Events that were gone from their stream before anybody read them: nothing is left but their number."""

from __future__ import annotations

import logging

from redis.asyncio import Redis
from redis.exceptions import RedisError

from archival_core import telemetry

_LOG = logging.getLogger(__name__)


async def tell(redis: Redis, *, events: str, dead: str, lost: int) -> None:
    """Say that `lost` events are gone: in the log, as an event, and as a dead letter.

    Whoever reads on does not wait for that. A Redis that takes no dead letter keeps no other event from its way.
    """
    reason = (
        f"event-lost: {lost} events were trimmed or deleted from {events} before they were drained, most likely by a program"
        " that adds events with MAXLEN; ask for their chunks again"
    )
    _LOG.error("%s", reason, extra=telemetry.named("archival.event.lost", events=lost))
    telemetry.event("archival.event.lost", error_code="event-lost", events=lost)
    try:
        await redis.xadd(dead, {"dead.reason": reason, "dead.stream": events})
    except RedisError as error:
        _LOG.warning("no dead letter tells of lost events: %s", error)
