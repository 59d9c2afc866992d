"""Which trace and which job the running code belongs to.

Both live in context variables: tasks and `asyncio.to_thread` inherit them, and so does what a thread asks of the loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
_JOB: ContextVar[UUID | None] = ContextVar("archival_job", default=None)


@contextmanager
def about_job(job_id: UUID) -> Iterator[None]:
    """Spans, events and logs inside are this job's."""
    token = _JOB.set(job_id)
    try:
        yield
    finally:
        _JOB.reset(token)


def current_job() -> str | None:
    """The job that the code works on."""
    job_id = _JOB.get()
    return str(job_id) if job_id else None


def traceparent() -> str | None:
    """The current span as W3C trace context (https://www.w3.org/TR/trace-context/#traceparent-header), for a message."""
    return as_text(trace.get_current_span().get_span_context())


def as_text(span: SpanContext) -> str | None:
    """A `traceparent`; `None` for a span that is none, because nothing is configured."""
    if not span.is_valid:
        return None
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


def as_span(text: str | None) -> SpanContext | None:
    """The span that a message's `traceparent` names; `None` without one that makes sense."""
    if not text:
        return None
    found = trace.get_current_span(_PROPAGATOR.extract({"traceparent": text}, Context())).get_span_context()
    return found if found.is_valid else None


def parent_of(text: str | None) -> tuple[Context | None, list[Link]]:
    """Where a span goes that belongs to the trace of a message: below the current span if that is in the same trace already,
    else below the message's span, or first in a trace of its own, and then with a link to the current one. `None` is the
    current context."""
    given, here = as_span(text), trace.get_current_span().get_span_context()
    if given is not None and given.trace_id == here.trace_id:
        return None, []
    links = [Link(here)] if here.is_valid else []
    if given is None:
        return Context(), links
    # a context of its own: nothing else of the current one is about the message
    return trace.set_span_in_context(trace.NonRecordingSpan(given), Context()), links
