"""People pause and resume the intake. While it is paused, events wait in their stream, and policies ask for nothing."""

from __future__ import annotations

import logging

from archival_core.ledger.asking.intake import Intake
from archival_core.model.asking.intake import IntakeState

_LOG = logging.getLogger(__name__)


class IntakeControl:
    """The switch of the intake. What people ask for by name is done either way, and queued jobs go on."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def state(self) -> IntakeState:
        """Whether the intake is paused, and by whom."""
        return await self._intake.state()

    async def pause(self, reason: str | None, changed_by: str) -> IntakeState:
        """Pause the intake, from the next batch of events on."""
        _LOG.warning("the intake is paused by %r: %r", changed_by, reason)
        return await self._intake.set(paused=True, reason=reason, changed_by=changed_by)

    async def resume(self, changed_by: str) -> IntakeState:
        """Resume the intake, from the next drain on."""
        _LOG.warning("the intake is resumed by %r", changed_by)
        return await self._intake.set(paused=False, reason=None, changed_by=changed_by)
