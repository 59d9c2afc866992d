"""The one exporter that the settings name, for spans, events and logs, and metrics."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from archival_core.errors import SettingsError
from archival_core.telemetry.pipeline import Pipeline

if TYPE_CHECKING:
    from archival_core.settings import Settings

#: Both Azure exporters report on themselves, to addresses of their vendor's, unless this is set before they are imported.
_QUIET: Final = (
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED",
    "APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED",
)


@dataclass(frozen=True, slots=True)
class Exporters:
    """Where each signal goes; `None` is nowhere."""

    spans: SpanExporter | None = None
    logs: LogRecordExporter | None = None
    metrics: MetricExporter | None = None


def build(settings: Settings) -> Pipeline:
    """Providers with the exporter of the settings.

    Without one spans are made all the same, so that logs and messages name their trace. Raises `SettingsError`.
    """
    exporters = _EXPORTERS[settings.exporter](settings)
    resource = _resource()
    # Complete, whatever the sender of an event does with its own spans; any other is made from OpenTelemetry's variables.
    sampler = ALWAYS_ON if settings.otel_traces_sampler == "always_on" else None
    traces = TracerProvider(sampler, resource, shutdown_on_exit=False)
    logs = LoggerProvider(resource, shutdown_on_exit=False)
    readers = []
    if exporters.spans is not None:
        traces.add_span_processor(BatchSpanProcessor(exporters.spans))
    if exporters.logs is not None:
        logs.add_log_record_processor(BatchLogRecordProcessor(exporters.logs))
    if exporters.metrics is not None:
        readers.append(PeriodicExportingMetricReader(exporters.metrics))
    return Pipeline(traces, logs, MeterProvider(readers, resource, shutdown_on_exit=False))


def _resource() -> Resource:
    """Who sends; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say it better."""
    known = {"service.name": "archival_service", "service.instance.id": socket.gethostname()}
    return Resource(known).merge(OTELResourceDetector().detect())


def _none(_: Settings) -> Exporters:
    return Exporters()


def _otlp(_: Settings) -> Exporters:
    """Protobuf over HTTP; addresses, headers and timeouts are OpenTelemetry's own variables, `OTEL_EXPORTER_OTLP_*`."""
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return Exporters(OTLPSpanExporter(), OTLPLogExporter(), OTLPMetricExporter())


def _azuremonitor(settings: Settings) -> Exporters:
    _quieten()
    from azure.monitor.opentelemetry.exporter import (
        AzureMonitorLogExporter,
        AzureMonitorMetricExporter,
        AzureMonitorTraceExporter,
    )

    options: dict[str, Any] = {
        "connection_string": settings.applicationinsights_connection_string,
        "credential": _credential(settings),
        # what fails is kept in a file and sent later, so nobody has to wait for another try
        "retry_total": 0,
    }
    try:
        return Exporters(
            AzureMonitorTraceExporter(**options), AzureMonitorLogExporter(**options), AzureMonitorMetricExporter(**options)
        )
    except ValueError as error:
        raise _wrong_connection_string(error) from None


def _opencensus(settings: Settings) -> Exporters:
    _quieten()
    from archival_core.telemetry.opencensus import open_exporters

    try:
        return Exporters(*open_exporters(settings.applicationinsights_connection_string or "", _credential(settings)))
    except ValueError as error:
        raise _wrong_connection_string(error) from None


def _credential(settings: Settings) -> Any:
    """The app's identity, where `APPLICATIONINSIGHTS_AUTHENTICATION_STRING` asks for it, as the host reads it too."""
    pairs = (pair.partition("=") for pair in (settings.applicationinsights_authentication_string or "").split(";"))
    said = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if said.get("authorization", "").upper() != "AAD":
        return None
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(managed_identity_client_id=said.get("clientid"))


def _quieten() -> None:
    for name in _QUIET:
        os.environ.setdefault(name, "true")


def _wrong_connection_string(error: ValueError) -> SettingsError:
    return SettingsError(f"wrong settings: APPLICATIONINSIGHTS_CONNECTION_STRING: {error}")


_EXPORTERS: dict[str, Callable[[Settings], Exporters]] = {
    "none": _none,
    "otlp": _otlp,
    "azuremonitor": _azuremonitor,
    "opencensus": _opencensus,
}
