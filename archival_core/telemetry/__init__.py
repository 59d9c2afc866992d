"""Telemetry: spans, instruments, custom events and log fields, through OpenTelemetry alone; what exports them is a setting.

The rest of the service says what it does (`step`, `consume`, `produce`, `event`), and knows no exporter. Before `configure`,
as in a test, all of it costs next to nothing and passes trace context on unchanged.
"""

from archival_core.telemetry.context import about_job, traceparent
from archival_core.telemetry.dependencies import Dependency
from archival_core.telemetry.events import event, retried
from archival_core.telemetry.logs import named, prepare_records, printable
from archival_core.telemetry.messages import Channel, consume, produce
from archival_core.telemetry.process import close, configure, flush
from archival_core.telemetry.spans import Span, carried_on, invocation, link, new_trace, step

__all__ = [
    "Channel",
    "Dependency",
    "Span",
    "about_job",
    "carried_on",
    "close",
    "configure",
    "consume",
    "event",
    "flush",
    "invocation",
    "link",
    "named",
    "new_trace",
    "prepare_records",
    "printable",
    "produce",
    "retried",
    "step",
    "traceparent",
]
