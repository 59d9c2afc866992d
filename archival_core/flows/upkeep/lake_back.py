"""A lake that went back is looked through at once: what was archived since then is read again, the only copies first."""

from __future__ import annotations

import time
from datetime import timedelta

from archival_core.flows.removal.lake_marker import LakeMarker
from archival_core.flows.upkeep.verification import Verification


class LakeBack:
    """Compares the lake's marker with the ledger, and verifies what may be missing."""

    def __init__(self, marker: LakeMarker, verification: Verification) -> None:
        self._marker, self._verification = marker, verification

    async def verify_if_back(self, deadline: float) -> int:
        """Archives that were found damaged or missing; 0 where the lake is as far as the ledger knows."""
        if not await self._marker.look():
            return 0
        report = await self._verification.verify_due(timedelta(seconds=max(deadline - time.monotonic(), 1)))
        # what was looked at may have been all of it
        await self._marker.look()
        return len(report.damaged)
