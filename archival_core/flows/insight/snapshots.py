"""The age of the snapshots that the service holds in the source. While a snapshot is open, vacuum removes nothing that is
newer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from archival_core.clients.postgres.database import Database
from archival_core.source.state.snapshot.oldest import oldest_snapshot


@dataclass(frozen=True, slots=True)
class SnapshotState:
    """What the source's sessions of the service hold."""

    #: when the oldest snapshot was taken; `None` if there is none
    oldest: datetime | None


class Snapshots:
    """The service's snapshots in one source, whichever instance holds them."""

    def __init__(self, source: Database) -> None:
        self._source = source

    async def state(self) -> SnapshotState:
        """Ask the source; raises as its connections do."""
        async with self._source.connect() as connection:
            return SnapshotState(await oldest_snapshot(connection))
