"""After a lake went back, the archives made since then are read again at once, and first of all those that are the only
copy.
"""

from __future__ import annotations

import time
from datetime import timedelta

from archival_core.flows.removal.lake_marker import LakeMarker
from archival_core.flows.upkeep.lake.verification import Verification


class LakeBack:
    """Compares the lake's marker with the ledger, and verifies what may be missing."""

    def __init__(self, marker: LakeMarker, verification: Verification) -> None:
        self._marker, self._verification = marker, verification

    async def verify_if_back(self, deadline: float) -> int:
        """How many archives were found damaged or missing; 0 where the lake is as far as the ledger knows."""
        if not await self._marker.look():
            return 0
        report = await self._verification.verify_due(timedelta(seconds=max(deadline - time.monotonic(), 1)))
        # this run may have read the last archive, and then the lake is no longer behind
        await self._marker.look()
        return len(report.damaged)
