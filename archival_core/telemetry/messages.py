"""Messages, by OpenTelemetry's semantic conventions for messaging: one span who sends, one who processes, and the trace context
that leads from one to the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.trace import SpanKind

from archival_core.telemetry.context import parent_of
from archival_core.telemetry.spans import Attributes, Span, opened


@dataclass(frozen=True, slots=True)
class Channel:
    """A stream or a queue."""

    #: `messaging.system`: `redis`, or `azure_queue_storage`
    system: str
    #: `messaging.destination.name`
    name: str

    def described(self, operation: str, kind: str) -> dict[str, str]:
        """The attributes of a span about it."""
        return {
            "messaging.system": self.system,
            "messaging.destination.name": self.name,
            "messaging.operation.name": operation,
            "messaging.operation.type": kind,
        }


@contextmanager
def consume(channel: Channel, traceparent: str | None, attributes: Attributes | None = None) -> Iterator[Span]:
    """Process a message, in the trace that it belongs to; a new one if it belongs to none."""
    parent, links = parent_of(traceparent)
    described = {**channel.described("process", "process"), **(attributes or {})}
    name = f"process {channel.name}"
    with opened(name, SpanKind.CONSUMER, described, parent=parent, links=links, records=True) as span:
        yield span


@contextmanager
def produce(channel: Channel, traceparent: str | None, attributes: Attributes | None = None) -> Iterator[str | None]:
    """Send a message about something whose trace is `traceparent`; what it yields goes into the message."""
    # what has no trace is sent in the current one
    parent, links = parent_of(traceparent) if traceparent else (None, [])
    described = {**channel.described("send", "send"), **(attributes or {})}
    with opened(f"send {channel.name}", SpanKind.PRODUCER, described, parent=parent, links=links) as span:
        yield span.traceparent or traceparent
