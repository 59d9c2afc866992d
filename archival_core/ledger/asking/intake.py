"""The ledger's part in pausing: one row that the drain and the policies look at."""

from __future__ import annotations

from archival_core.clients.postgres.prose import Prose
from archival_core.ledger.pool import LedgerPool
from archival_core.model.asking.intake import IntakeState


class Intake:
    """Table `archival.intake`."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def state(self) -> IntakeState:
        """As it is now."""
        row = await self._pool.one("intake")
        assert row is not None, "the migration has put it there"
        return IntakeState(**row)

    async def set(self, *, paused: bool, reason: str | None, changed_by: str) -> IntakeState:
        """Pause or go on; who changed nothing is not recorded as the one who did."""
        row = await self._pool.one("set_intake", paused=paused, reason=reason and Prose(reason), changed_by=Prose(changed_by))
        return IntakeState(**row) if row else await self.state()
