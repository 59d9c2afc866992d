"""Log records by the name of their event (`telemetry.named`), not by their words."""

from __future__ import annotations

from typing import Any

import pytest

from archival_core.errors import ArchivalError


def events(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    """The fields of each record of that name, the first first."""
    return [getattr(record, "event_fields", {}) for record in caplog.records if getattr(record, "event_name", None) == name]


def codes(caplog: pytest.LogCaptureFixture) -> set[str]:
    """The codes of the errors that were logged."""
    logged = (argument for record in caplog.records for argument in (record.msg, *(record.args or ())))
    return {argument.code for argument in logged if isinstance(argument, ArchivalError)}
