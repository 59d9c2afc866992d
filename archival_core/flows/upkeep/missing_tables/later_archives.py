"""Are the rows of an archive, whose table is gone, in a later archive too?

Merged, split and renamed chunks are archived anew, and the later archive then stands for the same rows. Late rows that came
after people had dropped the chunk lie in a table of the same range as well, and their archive has none of the rows from before.
The archives themselves tell which of the two it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from archival_core.clients.postgres.database import Connection, Database
from archival_core.flows.jobs.watches.giving_way import giving_way
from archival_core.flows.removal.trial import TrialRestore
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.state.origin import origin_of

#: so many later archives of one range are compared; where there are more, nothing is decided
MOST: Final = 8


class LaterArchives:
    """Compares archives of one lake with each other."""

    def __init__(self, source: Database, trial_restore: TrialRestore) -> None:
        self._source, self._trial = source, trial_restore

    async def may_hold_rows(self, connection: Connection, manifest: Manifest, later: Sequence[Manifest]) -> bool:
        """Whether a row of the archive is in one of `later`, all of which are compared unless slices find one.

        Raises `PermanentError` where the rows cannot be compared, and `GaveWayError`.
        """
        if len(later) > MOST:
            return True
        if not later:
            return False
        origin = await origin_of(connection, manifest)
        chunk = origin.chunk(manifest, origin.table, await catalog.columns(connection, origin.table))
        async with giving_way(self._source, connection, chunk.hypertable):
            others = [other for other in later if manifest.rows and other.rows]
            for whole in (False, True):
                for other in others:
                    if await self._trial.shares_rows(connection, chunk, manifest, other, whole=whole):
                        return True
        return False
