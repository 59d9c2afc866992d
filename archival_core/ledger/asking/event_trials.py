"""Events that were delivered often, and what each has failed at by itself.

Deliveries say little about an event: a drain that dies, or finds a dependency away, has delivered a whole batch in vain. So
an event that was delivered often is tried alone. The trial is recorded before it begins, since an event that kills the
drain leaves no other trace.
"""

from __future__ import annotations

from archival_core.ledger.pool import LedgerPool


class EventTrials:
    """Table `archival.event_trial`."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def begin(self, entry_id: str) -> int:
        """The event is tried alone; how often it has been by now, this time included."""
        row = await self._pool.one("begin_trial", entry_id=entry_id)
        assert row is not None, "a row is inserted or updated"
        trials: int = row["trials"]
        return trials

    async def withdraw(self, entry_id: str) -> None:
        """The trial says nothing about the event: something else was away."""
        await self._pool.one("withdraw_trial", entry_id=entry_id)

    async def end(self, entry_id: str) -> None:
        """The event is handed on, or buried."""
        await self._pool.one("end_trials", entry_id=entry_id)
