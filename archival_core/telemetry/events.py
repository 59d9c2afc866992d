"""Custom events: what happened to an archive, as one record each; dashboards and alerts count these."""

from __future__ import annotations

from typing import Final

from opentelemetry import context
from opentelemetry._logs import Logger, LogRecord, NoOpLogger, SeverityNumber
from opentelemetry.util.types import AttributeValue

from archival_core.errors import ArchivalError
from archival_core.telemetry import instruments
from archival_core.telemetry.context import current_job
from archival_core.telemetry.spans import ERROR_CODE, ERROR_TYPE, JOB_ID, error_type

#: what makes Azure Monitor's exporter send a custom event instead of a trace message
CUSTOM_EVENT: Final = "microsoft.custom_event.name"

_logger: Logger = NoOpLogger("archival_core")


def use(logger: Logger | None) -> None:
    """Send events with `logger` from now on, or nowhere."""
    global _logger
    _logger = logger or NoOpLogger("archival_core")


def event(name: str, *, error_code: str | None = None, **attributes: AttributeValue | None) -> None:
    """Tell that something happened, in the current trace; attributes get `archival.` before their names."""
    described: dict[str, AttributeValue] = {CUSTOM_EVENT: name}
    if (job_id := current_job()) is not None:
        described[JOB_ID] = job_id
    described |= {f"archival.{key}": value for key, value in attributes.items() if value is not None}
    if error_code is not None:
        described |= {ERROR_TYPE: error_code, ERROR_CODE: error_code}
    _logger.emit(
        LogRecord(
            context=context.get_current(),
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            body=name,
            attributes=described,
            event_name=name,
        )
    )


def retried(kind: str, error: BaseException) -> None:
    """A run of a job has to be repeated, and why."""
    code = error_type(error) if isinstance(error, ArchivalError) else "internal"
    instruments.get().retries.add(1, {"archival.job.kind": kind, ERROR_TYPE: code})
    event("archival.job.retried", error_code=code, **{"job.kind": kind})
