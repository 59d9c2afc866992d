"""Events as people see them: what each event asked for, and whether it was drained."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from archival_core.clients.redis.messaging import MessagingClient
from archival_core.errors import InvalidEventError, PermanentError
from archival_core.model.asking.event import ArchivalEvent, parse_entry
from archival_core.model.insight.insight import EventProgress

_ENTRY_ID: Final = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """One entry of the event stream. Of an entry that is no event, the reason why."""

    entry_id: str
    progress: EventProgress
    bytes: int
    event: ArchivalEvent | None
    problem: str | None


class EventList:
    """The event stream, to show it."""

    def __init__(self, messaging: MessagingClient) -> None:
        self._messaging = messaging

    async def page(self, limit: int, before: str = "") -> tuple[list[SeenEvent], str | None]:
        """The newest events with ids before `before`, and the id before which the next page begins; `None` at the end.

        A page ends after `limit` events or after a number of bytes. Raises `PermanentError` (`invalid-cursor`).
        """
        if before and _ENTRY_ID.fullmatch(before) is None:
            raise PermanentError("this is no id of an entry; take `next` of the page before", code="invalid-cursor")
        found, more = await self._messaging.newest_events(limit + 1, before)
        shown = found[:limit]
        events = []
        for entry in shown:
            try:
                event, problem = parse_entry(entry.fields) if entry.is_whole else None, None
            except InvalidEventError as error:
                event, problem = None, str(error)
            if not entry.is_whole:
                problem = "it is too large for an event"
            events.append(SeenEvent(entry.entry_id, entry.progress, entry.size, event, problem))
        return events, shown[-1].entry_id if shown and (more or len(found) > limit) else None
