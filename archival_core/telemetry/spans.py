"""Spans: what the service is doing, under which names, and how errors look on them."""

from __future__ import annotations

import time
import traceback
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final
from uuid import UUID

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import Histogram
from opentelemetry.trace import Link, NoOpTracer, SpanKind, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from archival_core.errors import ArchivalError
from archival_core.telemetry import instruments
from archival_core.telemetry.context import about_job, as_span, as_text, current_job, parent_of

Attributes = Mapping[str, AttributeValue | None]

JOB_ID: Final = "archival.job.id"
STEP: Final = "archival.step"
ERROR_TYPE: Final = "error.type"
#: the same once more: Azure Monitor's exporter leaves out what is OpenTelemetry's own
ERROR_CODE: Final = "archival.error.code"

_tracer: Tracer = NoOpTracer()


def use(tracer: Tracer | None) -> None:
    """Make spans with `tracer` from now on, or none."""
    global _tracer
    _tracer = tracer or NoOpTracer()


class Span:
    """One span, and what may be said about it."""

    def __init__(self, span: trace.Span, step: str | None = None) -> None:
        self._span, self._step = span, step

    @property
    def traceparent(self) -> str | None:
        """For what carries on from here, in another process or later."""
        return as_text(self._span.get_span_context())

    def describe(self, attributes: Attributes) -> None:
        """Add attributes; those that are `None` are left out."""
        if self._span.is_recording():
            self._span.set_attributes(_known(attributes))

    def count(self, *, rows: int | None = None, size: int | None = None) -> None:
        """What a step moved, `size` in bytes: on the span, and in the counters."""
        self.describe({"archival.rows": rows, "archival.bytes": size})
        of_step = {STEP: self._step or ""}
        if rows is not None:
            instruments.get().step_rows.add(rows, of_step)
        if size is not None:
            instruments.get().step_bytes.add(size, of_step)

    def waiting[T](self, attribute: str, items: Iterator[T]) -> Iterator[T]:
        """The items; how many seconds they were waited for is an attribute at their end."""
        waited = 0.0
        try:
            while True:
                began = time.perf_counter()
                try:
                    item = next(items)
                except StopIteration:
                    return
                finally:
                    waited += time.perf_counter() - began
                yield item
        finally:
            self.describe({attribute: round(waited, 6)})

    def link(self, traceparent: str | None) -> None:
        """Point to a span that this one has to do with, unless it is this one."""
        other = as_span(traceparent)
        if other is not None and other.span_id != self._span.get_span_context().span_id:
            self._span.add_link(other)

    def fail(self, error: BaseException) -> str:
        """Mark the span as failed, and return the error's type as it is told everywhere: its code, or its class."""
        kind = error_type(error)
        # what a defect says may hold anything: its kind is enough here
        said = str(error) if isinstance(error, ArchivalError) else kind
        self._span.set_attributes({ERROR_TYPE: kind, ERROR_CODE: kind})
        self._span.set_status(StatusCode.ERROR, said)
        return kind

    def record(self, error: BaseException) -> None:
        """Attach the error, without its causes: they quote servers and statements."""
        said = str(error) if isinstance(error, ArchivalError) else f"unexpected {type(error).__name__}"
        self._span.add_event(
            "exception",
            {
                "exception.type": f"{type(error).__module__}.{type(error).__qualname__}",
                "exception.message": said,
                "exception.stacktrace": "".join(traceback.format_tb(error.__traceback__)),
            },
        )


def error_type(error: BaseException) -> str:
    """The code of our own errors, the class of others."""
    if isinstance(error, ArchivalError):
        return error.code
    return "cancelled" if isinstance(error, CancelledError) else type(error).__qualname__


@contextmanager
def opened(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
    *,
    parent: Context | None = None,
    links: Sequence[Link] = (),
    records: bool = False,
    step: str | None = None,
) -> Iterator[Span]:
    """A span that is the current one inside. What is raised marks it as failed; `records` attaches the error as well, which
    one span of those that it passes through should do."""
    known = {JOB_ID: current_job(), **(attributes or {})}
    with _tracer.start_as_current_span(
        name, parent, kind, _known(known), links, record_exception=False, set_status_on_exception=False
    ) as started:
        span = Span(started, step)
        try:
            yield span
        except BaseException as error:
            span.fail(error)
            if records and not isinstance(error, CancelledError):
                span.record(error)
            raise


@contextmanager
def step(name: str, **attributes: AttributeValue | None) -> Iterator[Span]:
    """One step of the work, such as `archive.publish`: a span and a duration. Attributes get `archival.` before their names."""
    with _timed(name), opened(name, attributes=_ours(attributes), step=name) as span:
        yield span


@contextmanager
def carried_on(name: str, traceparent: str | None, job_id: UUID, **attributes: AttributeValue | None) -> Iterator[Span]:
    """A step that is a later chapter of a job, in the job's own trace and linked to the run that it happens in."""
    parent, links = parent_of(traceparent)
    described = _ours(attributes)
    with about_job(job_id), _timed(name), opened(name, attributes=described, parent=parent, links=links, records=True) as span:
        yield span


def new_trace(name: str) -> str | None:
    """Begin a trace with a span of no duration, linked to the current one; its `traceparent` is for what belongs to it."""
    parent, links = parent_of(None)
    with opened(name, parent=parent, links=links) as span:
        return span.traceparent


def _timed(name: str) -> AbstractContextManager[None]:
    return timed(lambda: instruments.get().step_duration, {STEP: name})


@contextmanager
def timed(histogram: Callable[[], Histogram], attributes: Mapping[str, str]) -> Iterator[None]:
    """Record how long the block takes, in seconds, and what it fails with. `histogram` is asked for at the end."""
    began, failure = time.perf_counter(), dict[str, str]()
    try:
        yield
    except BaseException as error:
        failure = {ERROR_TYPE: error_type(error)}
        raise
    finally:
        histogram().record(time.perf_counter() - began, {**attributes, **failure})


@contextmanager
def invocation(function: str, trigger: str) -> Iterator[Span]:
    """One run of a function, below what the host says that it belongs to. `trigger` is OpenTelemetry's `faas.trigger`."""
    # Application Insights has no place for `faas.name`, and the host's own spans have the same name
    attributes = {"archival.function": function, "faas.name": function, "faas.trigger": trigger}
    with opened(function, attributes=attributes, records=True) as span:
        yield span


def link(traceparent: str | None) -> None:
    """Point from the current span to another one that it has to do with."""
    Span(trace.get_current_span()).link(traceparent)


def is_recording() -> bool:
    """Whether the code runs inside a span, so that what it calls makes spans below it."""
    return trace.get_current_span().is_recording()


def _ours(attributes: Attributes) -> Attributes:
    return {f"archival.{key}": value for key, value in attributes.items()}


def _known(attributes: Attributes) -> dict[str, AttributeValue]:
    return {name: value for name, value in attributes.items() if value is not None}
