"""A collector: receives what an OTLP exporter sends (protobuf over HTTP), and keeps it in memory."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dev.traces.spans import Span, read_attributes


class Collector:
    """Listens on a free port of this machine while the context is open."""

    def __init__(self) -> None:
        #: in the order of their arrival
        self.spans: list[Span] = []
        #: body and attributes
        self.logs: list[tuple[str, dict[str, Any]]] = []
        #: every data point's attributes, by the metric's name
        self.metrics: dict[str, list[dict[str, Any]]] = {}
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector._take(self.path, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def trace(self, trace_id: str) -> list[Span]:
        """Every span of one trace."""
        return [span for span in self.spans if span.trace_id == trace_id]

    def _take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.spans += [Span.read(span) for scope in resource.scope_spans for span in scope.spans]
        elif path == "/v1/logs":
            for logs in ExportLogsServiceRequest.FromString(body).resource_logs:
                records = [record for scope in logs.scope_logs for record in scope.log_records]
                self.logs += [(r.body.string_value, _described(r)) for r in records]
        elif path == "/v1/metrics":
            for metrics in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for metric in (metric for scope in metrics.scope_metrics for metric in scope.metrics):
                    points = getattr(metric, str(metric.WhichOneof("data"))).data_points
                    self.metrics.setdefault(metric.name, []).extend(read_attributes(point.attributes) for point in points)


def _described(record: Any) -> dict[str, Any]:
    ids = {"trace_id": record.trace_id.hex(), "span_id": record.span_id.hex(), "event_name": record.event_name}
    return {**read_attributes(record.attributes), **ids}
