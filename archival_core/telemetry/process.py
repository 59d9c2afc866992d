"""The one pipeline of this process: made from the settings, flushed, and closed at the end."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

from archival_core.telemetry.logs import prepare_records

if TYPE_CHECKING:
    from archival_core.settings import Settings
    from archival_core.telemetry.pipeline import Pipeline

_current: tuple[Pipeline, Settings] | None = None


def configure(settings: Settings) -> None:
    """Record and export as the settings say; the same ones again change nothing.

    Raises `SettingsError` for a connection string that the exporter does not understand. Never connects by itself.
    """
    global _current
    if _current is not None and _current[1] is settings:
        return
    from archival_core.telemetry.exporters import build

    close()
    prepare_records()
    pipeline = build(settings)
    pipeline.attach()
    _current = pipeline, settings


async def flush(*, wait: bool = True) -> bool:
    """Send what was recorded so far, within `PATIENCE`; false if that was not done in time. Never raises.

    Without `wait` it is only begun.
    """
    return await _current[0].flush(wait=wait) if _current is not None else True


def close() -> None:
    """Record nothing from now on; waits for what is left to be sent, within `PATIENCE`."""
    global _current
    if _current is not None:
        _current[0].detach()
        _current = None


atexit.register(close)
