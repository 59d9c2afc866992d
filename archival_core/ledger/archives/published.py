"""The ledger's part in published archives: which folders it knows, and taking over those it does not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from archival_core.clients.postgres.prose import Prose
from archival_core.ledger.pool import LedgerPool
from archival_core.model.jobs.job import Status
from archival_core.model.lake.manifest import Manifest


@dataclass(frozen=True, slots=True)
class KnownArchive:
    """A folder that the ledger knows."""

    status: Status
    #: a later archive of the same table stands beside it, with the same rows and newer ones
    overtaken: bool


@dataclass(frozen=True, slots=True)
class Publisher:
    """What the ledger says about the job of a folder that it does not know."""

    #: `None` if the job is gone
    status: Status | None
    #: another job of the chunk is alive
    contested: bool
    #: another archive holds its rows
    overtaken: bool
    #: the job has said that it would publish this very manifest
    declared: bool


class Archives:
    """Published archives as rows."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def any_job(self) -> bool:
        """Whether the ledger has a row at all."""
        row = await self._pool.one("any_job")
        return bool(row and row["found"])

    async def known(self, folders: Collection[str]) -> dict[str, KnownArchive]:
        """Those of `folders`, each `tables/…`, that are an archive of the ledger's."""
        rows = await self._pool.all("known_archives", folders=list(folders))
        return {row["lake_path"]: KnownArchive(Status(row["status"]), row["overtaken"]) for row in rows}

    async def publisher(self, manifest: Manifest) -> Publisher:
        """What became of the job that wrote `manifest`."""
        row = await self._pool.one("publisher", **_identity(manifest))
        assert row is not None, "the statement always has a row"
        return Publisher(Status(row["status"]) if row["status"] else None, row["contested"], row["overtaken"], row["declared"])

    async def adopt(self, manifest: Manifest, status: Status) -> Status | None:
        """The job of `manifest` has published it: `archived`, or `superseded`, also where its table went on other grounds.

        `None`, and nothing is written, if the job is alive, has such a row already, or has not declared this manifest, or if
        another job of the chunk is alive.
        """
        row = await self._pool.one("adopt", status=status, **row_of(manifest))
        return Status(row["status"]) if row else None

    async def insert(
        self, manifest: Manifest, status: Status, requested_by: str, *, announced: bool, sha256: str = ""
    ) -> Status | None:
        """A row for `manifest`, whose job is gone; `None` if it is there after all, or a job of the chunk is alive.

        `sha256` is that of its file, where the file is of an older version than this one would write.
        """
        parameters = (
            row_of(manifest)
            | ({"sha256": sha256} if sha256 else {})
            | {
                "attempt": manifest.attempt,
                "archived_at": manifest.archived_at,
                "request_key": f"adopted/{manifest.job_id}",
                "requested_by": Prose(requested_by),
                "announced": announced,
            }
        )
        # two at a time meet at the key of the request, before either sees the other's job
        return status if await self._pool.all_again("insert_archive", status=status, **parameters) else None

    async def supersede(self, folders: Collection[str]) -> list[str]:
        """Mark those of `folders` that are overtaken; returns them."""
        return [row["lake_path"] for row in await self._pool.all("supersede_overtaken", folders=list(folders))]

    async def record_strays(self, reasons: Mapping[str, str], postponed: Collection[str]) -> None:
        """Folders that are no archive, and why. Of what is `postponed` nothing new is known."""
        # in one order, so that two at a time do not wait for each other
        if folders := sorted(reasons):
            await self._pool.all("record_strays", folders=folders, reasons=[Prose(reasons[folder]) for folder in folders])
        if postponed:
            await self._pool.all("strays_still", folders=sorted(postponed))

    async def forget_strays(self, began_at: datetime) -> None:
        """Every folder was looked at since `began_at`: what was found before that, and not again, is no stray any more."""
        await self._pool.all("forget_strays", began_at=began_at)


def _identity(manifest: Manifest) -> dict[str, Any]:
    return {
        "job_id": UUID(manifest.job_id),
        "hypertable": manifest.hypertable,
        "chunk": manifest.chunk,
        "revision": manifest.revision,
        # manifests of the first version do not tell
        "relation_oid": manifest.relation_oid or None,
        "relation_born": manifest.relation_born,
        "sha256": manifest.sha256(),
        "lake_path": manifest.lake_path,
        "supersedes": list(manifest.supersedes),
    }


def row_of(manifest: Manifest) -> dict[str, Any]:
    """What a row of the ledger has of a manifest."""
    return _identity(manifest) | {
        "range_start": manifest.range_start,
        "range_end": manifest.range_end,
        "rows": manifest.rows,
        "source_bytes": manifest.source_bytes,
        "parquet_bytes": manifest.parquet_bytes,
        "manifest": Jsonb(manifest.model_dump(mode="json", exclude_unset=True)),
    }
