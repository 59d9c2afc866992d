"""What an entry of the event stream asks for: a job for one chunk, or all chunks up to a bound."""

from __future__ import annotations

from archival_core import telemetry
from archival_core.clients.redis.messaging import StreamEntry
from archival_core.errors import InvalidEventError, PermanentError
from archival_core.flows.asking.wide_requests import WideRequest
from archival_core.ledger.asking.chunk_requests import ChunksRequest
from archival_core.ledger.jobs.adding import NewJob
from archival_core.model.asking.event import MAX_EVENT_BYTES, MAX_EVENT_FIELDS, ArchivalEvent, parse_entry
from archival_core.telemetry import Channel


def request_of(entry: StreamEntry, channel: Channel) -> NewJob | WideRequest:
    """Read an entry of the stream that is `channel`. Raises `PermanentError` for what nobody can use."""
    if not entry.is_whole:
        raise InvalidEventError(
            f"the event has {entry.size} bytes; {MAX_EVENT_BYTES} bytes in {MAX_EVENT_FIELDS} fields are the most"
        )
    if not entry.fields:
        lost = "the event is lost: its entry was trimmed from the stream before it was drained; ask for it again"
        raise PermanentError(lost, code="event-lost")
    event = parse_entry(entry.fields)
    described = {
        "messaging.message.id": entry.entry_id,
        "cloudevents.event_id": event.id,
        "cloudevents.event_source": event.source,
    }
    with telemetry.consume(channel, event.trace_parent, described) as span:
        return _request(entry, event, span.traceparent or event.trace_parent)


def _request(entry: StreamEntry, event: ArchivalEvent, traceparent: str | None) -> NewJob | WideRequest:
    request, key = event.data, f"{entry.entry_id}/{event.requested_by}"
    if request.older_than is not None:
        asked = ChunksRequest(request.table, request.remove, key, event.requested_by, traceparent)
        return WideRequest(request.older_than, asked)
    assert request.chunk_relation is not None  # the event has one or the other
    return NewJob(request.table, request.chunk_relation, request.remove, key, event.requested_by, traceparent)
