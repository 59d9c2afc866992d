"""Archives are moved out of the way of whoever reads `tables/`, and moved back, as the ledger says.

An archive that is in its table stays where it is until a commit has taken it out, and for a while longer. A reader that has
begun to read an older version of the table can then finish.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.lake.tables.log import TableLog
from archival_core.ledger.tables.lake_tables import LakeTables


class Retiring:
    """Moves archives of one lake between `tables/` and `superseded/`."""

    def __init__(self, lake: LakehouseClient, tables: LakeTables, readers: timedelta) -> None:
        self._lake, self._tables, self._log = lake, tables, TableLog(lake)
        #: how long somebody may read a version of a table
        self._readers = readers

    async def retire(self, folders: Collection[str]) -> list[str]:
        """Move those of `folders` that are superseded and that nobody reads any more, and return the folders that were
        moved.

        The ledger's row comes first. Whatever a manifest says that it supersedes, an archive that stands in for rows stays
        where it is. A folder that stays for its readers is looked at again by every run of reconcile.
        """
        moved = []
        for archive in await self._tables.retirable(folders, self._readers) if folders else []:
            folder = archive.folder
            if await self._lake.stat(folder) is None:
                continue
            async with self._tables.held(archive.hypertable, wait=False) as held:
                # a commit that is under way, or that the ledger does not know of, may name the folder
                if held is None or not await self._log.is_at(folder.rpartition("/")[0], held.known.version):
                    continue
                # who brings an archive back has its row locked: either the folder is back after this, or stays
                if await held.hold_retirable(folder, self._readers):
                    await self._lake.publish_directory(folder, paths.superseded_folder(folder))
                    moved.append(folder)
        return moved

    async def bring_back(self, folder: str) -> bool:
        """Move the archive of `folder` back below `tables/`, because it stands in for rows again.

        The caller has the archive's row locked, if there is one, until the ledger says that it is superseded no more. Returns
        false if there was nothing to move.
        """
        aside = paths.superseded_folder(folder)
        if await self._lake.stat(folder) is not None or await self._lake.stat(aside) is None:
            return False
        await self._lake.publish_directory(aside, folder)
        return True
