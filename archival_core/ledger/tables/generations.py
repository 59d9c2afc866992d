"""The ledger's part in the lake's generations: the only row of `archival.lake_generation`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from archival_core.clients.postgres.database import Connection
from archival_core.ledger.pool import LedgerPool, Row, execute
from archival_core.model.lake.generation import NO_MARKER, Generation, KnownGeneration


class HeldGeneration:
    """The row while it is locked: one process at a time compares it with the lake and writes the next marker."""

    def __init__(self, connection: Connection, known: KnownGeneration) -> None:
        self._connection = connection
        self.known = known

    async def note_back(self, found: Generation | None) -> int:
        """The lake went back to `found`; how many archives are to be verified at once."""
        row = await execute(
            self._connection,
            "note_lake_back",
            {
                "back_to": found.written_at.isoformat() if found else "-infinity",
                "token": found.token if found else NO_MARKER,
            },
        )
        assert row is not None, "the migration has made the row"
        return int(row["archives"])

    async def advance(self, generation: Generation) -> None:
        """The lake's marker is `generation`."""
        await execute(self._connection, "advance_lake_generation", generation.model_dump())

    async def end_if_verified(self) -> bool:
        """End the time after a step back; whether there was one and every archive in question is verified by now."""
        return await execute(self._connection, "end_lake_back", {}) is not None


class LakeGenerations:
    """Table `archival.lake_generation`."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def known(self) -> KnownGeneration:
        """What the ledger knows; nothing is locked."""
        row = await self._pool.one("lake_generation")
        assert row is not None, "the migration has made the row"
        return _known(row)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[HeldGeneration]:
        """Lock the row until the end of the block, which commits."""
        async with self._pool.transaction("generation") as connection:
            row = await execute(connection, "hold_lake_generation", {})
            assert row is not None, "the migration has made the row"
            yield HeldGeneration(connection, _known(row))

    async def covers(self, job_id: UUID) -> tuple[bool, bool]:
        """Whether the archive of a job was finished before the last marker was written; and whether the lake went back."""
        row = await self._pool.one("is_in_generation", job_id=job_id)
        assert row is not None, "the migration has made the row"
        return row["covered"], row["is_back"]


def _known(row: Row) -> KnownGeneration:
    return KnownGeneration(**row)
