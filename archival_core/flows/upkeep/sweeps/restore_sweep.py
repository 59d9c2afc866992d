"""Staging tables that crashed restores left in the database are dropped; nobody reads them."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final

from archival_core.clients.postgres.database import Database
from archival_core.ledger.upkeep.left_undone import Upkeep
from archival_core.source.restore.loading.staging import drop_staging, staging_tables

#: time after the end of a job; longer than a lease, and than a retry that somebody is just asking for
_ENDED_FOR: Final = timedelta(hours=1)


class RestoreSweep:
    """Drops leftovers of ended jobs and trials.

    A job that this ledger does not know may be another service's on the same database.
    """

    def __init__(self, source: Database, upkeep: Upkeep) -> None:
        self._source, self._upkeep = source, upkeep

    async def sweep(self) -> int:
        """Drop the tables; returns how many."""
        async with self._source.connect() as connection:
            # Tables are listed before jobs, so that the table of a job that begins just now is not taken for that of a dead
            # job.
            tables = await staging_tables(connection)
            owners = {table: table.owner[0] for table in tables if table.owner}
            jobs = await self._upkeep.staging_owners(set(owners.values()), _ENDED_FOR)
            ended = [table for table, job_id in owners.items() if jobs.get(job_id) is False]
            before = time.time() - _ENDED_FOR.total_seconds()
            trials = [table for table in tables if table.trial_began is not None and table.trial_began < before]
            return len(await drop_staging(connection, [*ended, *trials]))
