"""Archives go out of the way of whoever reads `tables/`, and come back, as the ledger says."""

from __future__ import annotations

from collections.abc import Collection

from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.archives import Archives
from archival_core.model.job import Status


class Retiring:
    """Moves archives of one lake between `tables/` and `superseded/`."""

    def __init__(self, lake: LakehouseClient, archives: Archives) -> None:
        self._lake, self._archives = lake, archives

    async def retire(self, folders: Collection[str]) -> list[str]:
        """Move those of `folders` that the ledger has as superseded, and return them.

        The ledger's row comes first: whatever a manifest says that it supersedes, an archive that stands in for rows stays
        where it is.
        """
        known = await self._archives.known(folders) if folders else {}
        moved = []
        for folder, archive in known.items():
            if archive.status is Status.SUPERSEDED and await self._lake.stat(folder) is not None:
                await self._lake.publish_directory(folder, paths.superseded_folder(folder))
                moved.append(folder)
        return moved

    async def bring_back(self, folder: str) -> bool:
        """Move the archive of `folder` back below `tables/`: it stands in for rows again; false if there was nothing to
        move."""
        aside = paths.superseded_folder(folder)
        if await self._lake.stat(folder) is not None or await self._lake.stat(aside) is None:
            return False
        await self._lake.publish_directory(aside, folder)
        return True
