"""Results of questions that have expired are removed from the lake. A result's name says when that is."""

from __future__ import annotations

from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.jobs.job_life import Ledger


class ResultsSweep:
    """Removes what has expired, by the database's clock."""

    def __init__(self, lake: LakehouseClient, ledger: Ledger) -> None:
        self._lake, self._ledger = lake, ledger

    async def sweep(self, limit: int) -> int:
        """Remove `limit` results at most; returns how many. What has another name is somebody else's, and stays."""
        now = await self._ledger.now()
        expired = []
        async for found in self._lake.list(paths.RESULTS, recursive=False):
            expiry = paths.result_expiry(found.path)
            if expiry is not None and expiry < now:
                expired.append(found.path)
            if len(expired) == limit:
                break
        for folder in expired:
            await self._lake.delete_tree(folder)
        return len(expired)
