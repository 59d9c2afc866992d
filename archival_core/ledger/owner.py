"""The ledger's part in ownership: which source and lake it is about."""

from __future__ import annotations

from archival_core.ledger.pool import LedgerPool
from archival_core.model.lake.owner import Owner


class LedgerOwner:
    """The one row of `archival.owner`."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def claim(self, host: str, database: str) -> tuple[Owner, Owner]:
        """What the ledger has recorded, and what it would with this source; a ledger that has none takes it."""
        row = await self._pool.one("claim_owner", host=host, database=database)
        assert row is not None, "the migration has made the row"
        recorded = Owner(ledger=row["ledger"], host=row["host"], database=row["database"])
        return recorded, Owner(ledger=row["ledger"], host=host, database=database)

    async def take(self, host: str, database: str) -> Owner:
        """Record this source, in place of another."""
        row = await self._pool.one("take_owner", host=host, database=database)
        assert row is not None, "the migration has made the row"
        return Owner(ledger=row["ledger"], host=host, database=database)
