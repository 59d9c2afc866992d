"""The ledger is made anew from the lake alone: every manifest whose archive is there becomes the row that it had.

What only the ledger knew is lost with it: who asked, jobs that ended without an archive, what was restored, and policies. A
chunk that is not in the source database any more counts as removed, if the archive is of this very database. Otherwise
nobody can tell, and the archive counts as `archived`, which does no harm: a removal compares everything again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from archival_core.clients.postgres.database import Database
from archival_core.errors import PermanentError
from archival_core.flows.archive.lake_schema import LakeSchema
from archival_core.flows.archive.published import parse_manifest
from archival_core.flows.upkeep.rebuild.whereabouts import statuses
from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.archives.published import Archives
from archival_core.model.jobs.job import Status
from archival_core.model.lake.manifest import Manifest

_LOG = logging.getLogger(__name__)

_BATCH: Final = 500


@dataclass(slots=True)
class RebuildReport:
    """What was found in the lake, in archives."""

    rows: dict[Status, int] = field(default_factory=dict)
    #: the ledger has them already, or their chunk has a live job
    left_alone: int = 0
    #: manifests whose archive is neither below `tables/` nor below `superseded/`: their rows may be lost
    missing: list[str] = field(default_factory=list)
    #: files below `manifests/` that are no manifests, and why
    invalid: dict[str, str] = field(default_factory=dict)
    #: folders below `tables/` without a manifest file: the next reconcile adopts them
    without_manifest: list[str] = field(default_factory=list)


class LedgerRebuild:
    """Fills the ledger."""

    def __init__(self, lake: LakehouseClient, archives: Archives, schema: LakeSchema, source: Database) -> None:
        self._lake, self._archives, self._schema, self._source = lake, archives, schema, source

    async def rebuild(self, *, add: bool = False) -> RebuildReport:
        """Write a row for every archive; rows that are there stay as they are.

        Raises `PermanentError` (`ledger-not-empty`) if the ledger has rows and `add` is false.
        """
        if not add and await self._archives.any_job():
            raise PermanentError(
                "the ledger has jobs already; --add adds the archives that it does not know", code="ledger-not-empty"
            )
        report = RebuildReport()
        published = await self._folders(paths.TABLES)
        superseded = await self._folders(paths.SUPERSEDED)
        unnamed = set(published)
        batch: list[tuple[Manifest, bool]] = []
        async for found in self._lake.list(paths.MANIFESTS):
            if found.is_directory:
                continue
            try:
                manifest = parse_manifest(await self._lake.read_all(found.path), found.path)
            except PermanentError as error:
                report.invalid[found.path] = str(error)
                continue
            unnamed.discard(manifest.lake_path)
            if manifest.lake_path in published or paths.superseded_folder(manifest.lake_path) in superseded:
                batch.append((manifest, manifest.lake_path in published))
            else:
                report.missing.append(found.path)
            if len(batch) == _BATCH:
                await self._write(batch, report)
                batch = []
        await self._write(batch, report)
        report.without_manifest = sorted(unnamed)
        return report

    async def _folders(self, root: str) -> set[str]:
        """Archives below `root`: two levels, whatever is in them."""
        tables = [table.path async for table in self._lake.list(root, recursive=False) if table.is_directory]
        return {
            folder.path
            for table in tables
            async for folder in self._lake.list(table, recursive=False)
            if folder.is_directory and not paths.is_log(folder.path)
        }

    async def _write(self, batch: Sequence[tuple[Manifest, bool]], report: RebuildReport) -> None:
        await self._schema.learn([manifest for manifest, _ in batch])
        whereabouts = await statuses(self._source, [manifest for manifest, _ in batch])
        for (manifest, is_published), found in zip(batch, whereabouts, strict=True):
            status = found if is_published else Status.SUPERSEDED
            if await self._archives.insert(manifest, status, "rebuild_ledger", announced=True):
                report.rows[status] = report.rows.get(status, 0) + 1
            else:
                report.left_alone += 1
