"""OpenTelemetry's spans, events and metrics by opencensus-ext-azure, for teams whose dashboards are built on its telemetry.

That library is out of support since 2024-09-30. Its log and event handlers fail on Python 3.13, so only its envelopes and its
transport are used here; what it would lose on the way (names of requests that are not HTTP, failures inside the process,
exceptions) is put back. This file is all that knows it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from opencensus.ext.azure.common import INSTRUMENTATION_KEY, parse_connection_string
from opencensus.ext.azure.common.protocol import Data, DataPoint, Envelope, Event, ExceptionData, Message, MetricData
from opencensus.ext.azure.common.utils import azure_monitor_context, validate_instrumentation_key
from opencensus.ext.azure.trace_exporter import AzureExporter
from opencensus.trace.link import Link
from opencensus.trace.span import SpanKind as OldKind
from opencensus.trace.span_context import SpanContext
from opencensus.trace.span_data import SpanData
from opencensus.trace.status import Status
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics import Counter, Histogram
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from archival_core.telemetry.events import CUSTOM_EVENT

_KINDS: Final = {
    SpanKind.SERVER: OldKind.SERVER,
    SpanKind.CONSUMER: OldKind.SERVER,
    SpanKind.CLIENT: OldKind.CLIENT,
    SpanKind.PRODUCER: OldKind.CLIENT,
    SpanKind.INTERNAL: OldKind.UNSPECIFIED,
}
#: what a dependency's type is taken from
_TYPES: Final = ("db.system.name", "messaging.system", "azure.resource_provider.namespace")
#: and its target
_TARGETS: Final = ("server.address", "messaging.destination.name")
_UNKNOWN: Final = 2
#: an attribute on the way from a span to its envelope
_ROLE: Final = "service.name"
#: of OpenTelemetry's severities: from 9 on information, each level four numbers
_LEAST_SEVERITY, _SEVERITIES_A_LEVEL = 9, 4


def open_exporters(connection_string: str, credential: Any) -> tuple[SpanExporter, LogRecordExporter, MetricExporter]:
    """For spans, for events and logs, and for metrics. Raises `ValueError` for a connection string that is wrong."""
    # a semicolon at the end, which the portal writes, is too much for it
    connection_string = connection_string.strip("; ")
    # before a thread of its own begins, which an error would leave behind
    validate_instrumentation_key(parse_connection_string(connection_string).get(INSTRUMENTATION_KEY))
    exporter = _Exporter(
        connection_string=connection_string,
        credential=credential,
        # nothing waits in its own queue, so there is nothing to wait for at the end
        grace_period=0.1,
    )
    return _Spans(exporter), _Logs(exporter), _Metrics(exporter)


class _Exporter(AzureExporter):  # type: ignore[misc]
    """Microsoft's exporter, with what it leaves out; envelopes that are finished pass."""

    def span_data_to_envelope(self, sd: SpanData | Envelope) -> Iterator[Envelope]:
        if isinstance(sd, Envelope):
            sd.iKey = self.options.instrumentation_key
            yield sd
            return
        role = sd.attributes.pop(_ROLE)
        for error in sd.annotations:
            envelope = _exception(sd, error, role)
            envelope.iKey = self.options.instrumentation_key
            yield envelope
        for envelope in super().span_data_to_envelope(sd):
            data = envelope.data.baseData
            data.name = sd.name
            data.success = sd.status.code == 0
            if envelope.data.baseType == "RemoteDependencyData":
                data.target = next((sd.attributes[name] for name in _TARGETS if name in sd.attributes), None)
            if envelope.data.baseType == "RequestData":
                envelope.tags["ai.operation.name"] = sd.name
            envelope.tags["ai.cloud.role"] = role
            yield envelope


class _Spans(SpanExporter):
    def __init__(self, exporter: _Exporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._exporter.emit([_span(span) for span in spans])
        return SpanExportResult.SUCCESS


class _Logs(LogRecordExporter):
    def __init__(self, exporter: _Exporter) -> None:
        self._exporter = exporter

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        self._exporter.emit([_log(record) for record in batch])
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits in it."""
        return True

    def shutdown(self) -> None:
        """It has no connection of its own."""


class _Metrics(MetricExporter):
    def __init__(self, exporter: _Exporter) -> None:
        # Application Insights adds up by itself
        super().__init__({Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA})
        self._exporter = exporter

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: object) -> MetricExportResult:
        self._exporter.emit(list(_measured(metrics_data)))
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing waits in it."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: object) -> None:
        """It has no connection of its own."""


def _measured(metrics: MetricsData) -> Iterator[Envelope]:
    for resource in metrics.resource_metrics:
        role = str(resource.resource.attributes["service.name"])
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            for point in metric.data.data_points:
                envelope = _envelope("Metric", role, _time(point.time_unix_nano), "", "")
                data = MetricData(metrics=[_point(metric.name, point)], properties=_texts(point.attributes or {}))
                envelope.data = Data(baseData=data, baseType="MetricData")
                yield envelope


def _point(name: str, point: Any) -> DataPoint:
    if isinstance(point, HistogramDataPoint):
        return DataPoint(name=name, kind=1, value=point.sum, count=point.count, min=point.min, max=point.max)
    assert isinstance(point, NumberDataPoint), "no other kind is recorded"
    return DataPoint(name=name, value=point.value, count=1)


def _span(span: ReadableSpan) -> SpanData:
    attributes = _texts({**(span.attributes or {}), _ROLE: span.resource.attributes["service.name"]})
    kind = next((attributes[name] for name in _TYPES if name in attributes), None)
    if kind is not None and span.kind in (SpanKind.CLIENT, SpanKind.PRODUCER):
        attributes["component"] = kind
    failed = span.status.status_code is StatusCode.ERROR
    context = span.context
    assert context is not None and span.start_time is not None and span.end_time is not None  # it has ended
    return SpanData(
        name=span.name,
        context=SpanContext(trace_id=format_trace_id(context.trace_id)),
        span_id=format_span_id(context.span_id),
        parent_span_id=format_span_id(span.parent.span_id) if span.parent else None,
        attributes=attributes,
        start_time=_time(span.start_time),
        end_time=_time(span.end_time),
        child_span_count=0,
        stack_trace=None,
        annotations=[dict(event.attributes or {}) for event in span.events if event.name == "exception"],
        message_events=None,
        links=[Link(format_trace_id(link.context.trace_id), format_span_id(link.context.span_id)) for link in span.links],
        status=Status(_UNKNOWN if failed else 0, span.status.description),
        same_process_as_parent_span=None,
        span_kind=_KINDS[span.kind],
    )


def _exception(span: SpanData, error: Mapping[str, Any], role: str) -> Envelope:
    details = {
        "id": 1,
        "outerId": 0,
        "typeName": str(error.get("exception.type", "Exception")),
        "message": str(error.get("exception.message", "Exception")),
        "hasFullStack": True,
        "stack": str(error.get("exception.stacktrace", "")),
    }
    data = ExceptionData(exceptions=[details], properties=_texts(span.attributes))
    envelope = _envelope("Exception", role, span.end_time, span.context.trace_id, span.span_id)
    envelope.data = Data(baseData=data, baseType="ExceptionData")
    return envelope


def _log(readable: ReadableLogRecord) -> Envelope:
    record = readable.log_record
    attributes = dict(record.attributes or {})
    name = attributes.pop(CUSTOM_EVENT, None)
    trace_id, span_id = format_trace_id(record.trace_id or 0), format_span_id(record.span_id or 0)
    role = str(readable.resource.attributes["service.name"])
    time = _time(record.timestamp or record.observed_timestamp)
    envelope = _envelope("Event" if name else "Message", role, time, trace_id, span_id)
    if name:
        envelope.data = Data(baseData=Event(name=str(name), properties=_texts(attributes)), baseType="EventData")
        return envelope
    number = record.severity_number.value if record.severity_number else _LEAST_SEVERITY
    level = max(0, (number - _LEAST_SEVERITY) // _SEVERITIES_A_LEVEL + 1)
    data = Message(message=str(record.body)[:32768], severityLevel=level, properties=_texts(attributes))
    envelope.data = Data(baseData=data, baseType="MessageData")
    return envelope


def _envelope(name: str, role: str, time: str, trace_id: str, span_id: str) -> Envelope:
    tags = {**azure_monitor_context, "ai.cloud.role": role, "ai.operation.id": trace_id, "ai.operation.parentId": span_id}
    return Envelope(name=f"Microsoft.ApplicationInsights.{name}", time=time, tags=tags)


def _texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: value if isinstance(value, str) else json.dumps(value, default=str)
        for key, value in attributes.items()
        if value is not None
    }


def _time(nanoseconds: int | None) -> str:
    moment = datetime.fromtimestamp((nanoseconds or 0) / 1e9, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
