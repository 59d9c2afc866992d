"""Whether the ledger takes writes now."""

from __future__ import annotations

from uuid import uuid4

from archival_core.clients.postgres.database import cut_after
from archival_core.ledger.pool import LedgerPool, execute

#: for two statements and their commit
_SECONDS = 2.0


class LedgerProbe:
    """Writes what nobody ever sees."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def prove_writable(self) -> None:
        """Commit a row that is gone again, as far as to the disk and to a synchronous standby.

        Raises `TransientError` when the ledger is away or takes no writes.
        """
        key = f"ready/{uuid4()}"
        async with self._pool.connection() as connection:
            with cut_after(connection, _SECONDS):
                async with connection.transaction():
                    await execute(connection, "write_probe", {"key": key})
                    await execute(connection, "clear_probe", {"key": key})
