"""Marks that the source has lost are written again, from what the ledger says."""

from __future__ import annotations

from archival_core.ledger.archives.marked_archives import MarkedArchives


class MarkRebuild:
    """Notes marks as owed. The next runs of reconcile write them."""

    def __init__(self, marked: MarkedArchives) -> None:
        self._marked = marked

    async def owe_all(self) -> int:
        """Have the mark of each removed and each restored archive written again by the next runs of reconcile; returns how
        many.
        """
        return await self._marked.owe_all()
