"""Logs that say which trace and job they belong to, each in one line, and their way to an exporter.

`trace_id`, `span_id`, `job_id` and `error_code` are fields of every record (empty outside), for whatever formats it; an
exporter gets them by itself. A name from an event, a request, the database or the lake may hold a line break, and so pretend to
be a record of its own. What is not printable is therefore escaped in every record of this process.
"""

from __future__ import annotations

import logging
import traceback
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


def printable(text: str) -> str:
    """`text` in one line: what cannot be printed, or would move a terminal's cursor, is escaped as in Python."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def prepare_records() -> None:
    """Give every record of this process its fields, and one line, from now on."""
    make = logging.getLogRecordFactory()
    if getattr(make, "is_prepared", False):
        return

    def made(*arguments: Any, **options: Any) -> logging.LogRecord:
        record = make(*arguments, **options)
        span = trace.get_current_span().get_span_context()
        record.trace_id = f"{span.trace_id:032x}" if span.is_valid else ""
        record.span_id = f"{span.span_id:016x}" if span.is_valid else ""
        record.job_id = current_job() or ""
        record.error_code = _error_code(record)
        _keep_to_one_line(record)
        return record

    made.is_prepared = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(made)


def _error_code(record: logging.LogRecord) -> str:
    arguments = record.args if isinstance(record.args, tuple) else ()
    return next((found.code for found in (record.msg, *arguments) if isinstance(found, ArchivalError)), "")


def _keep_to_one_line(record: logging.LogRecord) -> None:
    try:
        text = record.getMessage()
    except Exception:
        # the text does not go with its arguments: better told so than not at all
        text = f"{record.msg!r} {record.args!r}"
        record.msg, record.args = printable(text), None
    if not text.isprintable():
        record.msg, record.args = printable(text), None
    if record.exc_info and record.exc_info[0] is not None:
        # what is here already, a formatter takes as it is
        record.exc_text = "".join(map(_of_stack, traceback.format_exception(*record.exc_info))).rstrip("\n")


def _of_stack(part: str) -> str:
    """A part of a stack: a place in the code has lines of its own, what an error says has one."""
    if part.startswith('  File "'):
        return part
    said = part.strip("\n")
    return part.replace(said, printable(said), 1) if said else part


def named(event: str, **fields: str | int | bool) -> dict[str, object]:
    """The `extra` of a record that something looks for: its event's name, and fields, so that nobody has to look for words."""
    return {"event_name": event, "event_fields": fields}


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
    attributes: dict[str, str | int] = {
        "code.function.name": f"{record.name}.{record.funcName}",
        "code.line.number": record.lineno,
    }
    if (job_id := current_job()) is not None:
        attributes[JOB_ID] = job_id
    if code := getattr(record, "error_code", ""):
        attributes |= {ERROR_TYPE: code, ERROR_CODE: code}
    event = getattr(record, "event_name", None)
    if event is not None:
        # the name as a field as well: not every exporter keeps the name of a record
        attributes |= {"event.name": event}
        attributes |= {f"archival.{key}": value for key, value in getattr(record, "event_fields", {}).items()}
    return LogRecord(
        timestamp=int(record.created * 1e9),
        context=context.get_current(),
        severity_number=number,
        severity_text=record.levelname,
        body=record.getMessage(),
        attributes=attributes,
        event_name=event,
    )
