"""What crashes left in staging is removed; nobody reads it.

A folder goes when its job has ended and can have no worker any more, or when nobody knows the job and the folder is old. A
worker that was paused for longer than that finds its files gone and publishes nothing, because it compares what is there
with what it wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.lake.entries import LakePath
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.ledger.upkeep.left_undone import Upkeep

#: time after the end of a job; longer than a lease, and than a retry that somebody is just asking for
_ENDED_FOR: Final = timedelta(hours=1)
_UNKNOWN_FOR: Final = timedelta(days=7)
_UNFINISHED_FOR: Final = timedelta(days=1)
_BATCH: Final = 500


class StagingSweep:
    """Removes leftovers, by the database's clock."""

    def __init__(self, lake: LakehouseClient, upkeep: Upkeep, ledger: Ledger) -> None:
        self._lake, self._upkeep, self._ledger = lake, upkeep, ledger

    async def sweep(self, limit: int) -> int:
        """Remove `limit` folders and files at most; returns how many."""
        now = await self._ledger.now()
        left = limit
        batch: list[LakePath] = []
        async for found in self._lake.list(paths.STAGING, recursive=False):
            if found.path == paths.WRITE_ONCE:
                continue
            batch.append(found)
            if len(batch) == _BATCH:
                left -= await self._sweep(batch, now, left)
                batch = []
        left -= await self._sweep(batch, now, left)
        async for found in self._lake.list(paths.WRITE_ONCE, recursive=False):
            if left and found.modified < now - _UNFINISHED_FOR:
                await self._lake.delete_tree(found.path)
                left -= 1
        return limit - left

    async def _sweep(self, folders: Sequence[LakePath], now: datetime, limit: int) -> int:
        owners = {folder.path: _job_id(folder.path) for folder in folders}
        jobs = await self._upkeep.staging_owners([job_id for job_id in owners.values() if job_id], _ENDED_FOR)
        removed = 0
        for folder in folders:
            job_id = owners[folder.path]
            wanted = jobs[job_id] if job_id in jobs else folder.modified > now - _UNKNOWN_FOR
            if not wanted and removed < limit:
                await self._lake.delete_tree(folder.path)
                removed += 1
        return removed


def _job_id(path: str) -> UUID | None:
    try:
        return UUID(path.rpartition("/")[2])
    except ValueError:
        return None
