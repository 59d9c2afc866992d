"""What the ledger says of archives that stand in for rows: of which table they are, and their manifests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from archival_core.ledger.pool import LedgerPool
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.model.lake.manifest import Manifest, ManifestSource


@dataclass(frozen=True, slots=True)
class TableOfArchive:
    """The hypertable's own table, as the archive's reading saw it; `None` in manifests of earlier versions."""

    identity: TableIdentity | None
    source: ManifestSource


class StandingArchives:
    """Archives by their job and the hash of their manifest, as marks name them."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def tables(self, archives: Mapping[UUID, str]) -> dict[UUID, TableOfArchive]:
        """The tables of those that the ledger knows under this hash."""
        rows = await self._pool.all("standing_tables", archives=list(archives), hashes=list(set(archives.values())))
        return {
            row["job_id"]: TableOfArchive(
                TableIdentity.model_validate(row["identity"]) if row["identity"] else None,
                ManifestSource.model_validate(row["source"]),
            )
            for row in rows
            if archives[row["job_id"]] == row["manifest_sha256"]
        }

    async def manifests(self, archives: Mapping[UUID, str]) -> dict[UUID, Manifest]:
        """The manifests of those that the ledger knows under this hash."""
        rows = await self._pool.all("standing_manifests", archives=list(archives), hashes=list(set(archives.values())))
        return {
            row["job_id"]: Manifest.model_validate(row["manifest"])
            for row in rows
            if archives[row["job_id"]] == row["manifest_sha256"]
        }
