"""Logs that say which trace and job they belong to, and their way to an exporter.

`trace_id`, `span_id` and `job_id` are fields of every record (empty outside), for whatever formats it; an exporter gets them
by itself.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from opentelemetry import context, trace
from opentelemetry._logs import Logger, LogRecord, SeverityNumber

from archival_core.errors import ArchivalError
from archival_core.telemetry.context import current_job
from archival_core.telemetry.spans import ERROR_CODE, ERROR_TYPE, JOB_ID

#: Whose records are exported. What libraries log stays with the host: an exporter's own would go round in circles.
_ROOT: Final = "archival_core"
_SEVERITIES: Final = (
    (logging.CRITICAL, SeverityNumber.FATAL),
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
    (logging.INFO, SeverityNumber.INFO),
)


def name_traces() -> None:
    """Give every record of this process its fields, from now on."""
    make = logging.getLogRecordFactory()
    if getattr(make, "names_traces", False):
        return

    def made(*arguments: Any, **options: Any) -> logging.LogRecord:
        record = make(*arguments, **options)
        span = trace.get_current_span().get_span_context()
        record.trace_id = f"{span.trace_id:032x}" if span.is_valid else ""
        record.span_id = f"{span.span_id:016x}" if span.is_valid else ""
        record.job_id = current_job() or ""
        return record

    made.names_traces = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(made)


class ExportHandler(logging.Handler):
    """Hands records to OpenTelemetry."""

    def __init__(self, logger: Logger) -> None:
        super().__init__(logging.INFO)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises."""
        try:
            self._logger.emit(_translated(record))
        except Exception:
            self.handleError(record)

    def attach(self) -> None:
        """Take part in the service's logging."""
        root = logging.getLogger(_ROOT)
        root.addHandler(self)
        if root.getEffectiveLevel() > logging.INFO:
            root.setLevel(logging.INFO)

    def detach(self) -> None:
        """Leave it."""
        logging.getLogger(_ROOT).removeHandler(self)


def _translated(record: logging.LogRecord) -> LogRecord:
    number = next((severity for level, severity in _SEVERITIES if record.levelno >= level), SeverityNumber.DEBUG)
    told: dict[str, str | int] = {
        "code.function.name": f"{record.name}.{record.funcName}",
        "code.line.number": record.lineno,
    }
    if (job_id := current_job()) is not None:
        told[JOB_ID] = job_id
    arguments = record.args if isinstance(record.args, tuple) else ()
    if (error := next((found for found in arguments if isinstance(found, ArchivalError)), None)) is not None:
        told |= {ERROR_TYPE: error.code, ERROR_CODE: error.code}
    return LogRecord(
        timestamp=int(record.created * 1e9),
        context=context.get_current(),
        severity_number=number,
        severity_text=record.levelname,
        body=record.getMessage(),
        attributes=told,
    )
