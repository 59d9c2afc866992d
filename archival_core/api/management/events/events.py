"""`GET /events`: what the event stream holds, and what of it was drained."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from archival_core.api import problems
from archival_core.api.management.requests.fields import ANY, Limit
from archival_core.api.services import Current
from archival_core.flows.insight.event_list import SeenEvent
from archival_core.model.insight.insight import EventProgress

router = APIRouter(tags=["events"])


class EventView(BaseModel):
    """One entry of the event stream, and what it asked for."""

    entry_id: str = Field(examples=["1700000000000-0"])
    added_at: datetime | None = Field(description="by the entry's id; null where whoever added it chose ids of another kind")
    progress: EventProgress = Field(
        description="`waiting`: nobody has read it; `pending`: a drain has it; `drained`: it became jobs, or a dead letter"
    )
    requested_by: str | None = Field(description="as its jobs have it", examples=["database_service#7d1c3f1e"])
    hypertable: str | None = Field(examples=["public.conditions"])
    chunk: str | None
    older_than: int | str | None
    remove: bool | None
    bytes: int
    problem: str | None = Field(description="why it is no event")


class EventPage(BaseModel):
    """A page of events, the newest first."""

    events: list[EventView]
    next: str | None = Field(description="`before` of the next page; null at the end")


@router.get("/events", responses=problems.documented(*ANY))
async def list_events(
    services: Current,
    before: Annotated[str, Query(max_length=60, description="`next` of the page before", examples=["1700000000000-0"])] = "",
    limit: Limit = 50,
) -> EventPage:
    """Events that are still in their stream, the newest first. Drained ones go after `EVENTS_KEEP_FOR`."""
    events, following = await services.events.page(limit, before)
    return EventPage(events=[_view(event) for event in events], next=following)


def _view(seen: SeenEvent) -> EventView:
    data = seen.event.data if seen.event else None
    return EventView(
        entry_id=seen.entry_id,
        added_at=_added_at(seen.entry_id),
        progress=seen.progress,
        requested_by=seen.event.requested_by if seen.event else None,
        hypertable=data.hypertable if data else None,
        chunk=data.chunk if data else None,
        older_than=data.older_than if data else None,
        remove=data.remove if data else None,
        bytes=seen.bytes,
        problem=seen.problem,
    )


def _added_at(entry_id: str) -> datetime | None:
    """Ids begin with milliseconds since 1970, unless their writer chose otherwise."""
    try:
        return datetime.fromtimestamp(int(entry_id.partition("-")[0]) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
