"""Pause and resume the intake: events wait in their stream, and policies ask for nothing."""

from __future__ import annotations

import logging

from archival_core.ledger.asking.intake import Intake
from archival_core.model.asking.intake import IntakeState

_LOG = logging.getLogger(__name__)


class IntakeControl:
    """The switch; what people ask for by name is done either way, and jobs that are queued go on."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def state(self) -> IntakeState:
        """As it is now."""
        return await self._intake.state()

    async def pause(self, reason: str | None, changed_by: str) -> IntakeState:
        """From the next batch of events on."""
        _LOG.warning("the intake is paused by %r: %r", changed_by, reason)
        return await self._intake.set(paused=True, reason=reason, changed_by=changed_by)

    async def resume(self, changed_by: str) -> IntakeState:
        """From the next drain on."""
        _LOG.warning("the intake is resumed by %r", changed_by)
        return await self._intake.set(paused=False, reason=None, changed_by=changed_by)
