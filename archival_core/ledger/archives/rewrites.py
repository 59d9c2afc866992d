"""The ledger's part in writing archives anew: which are of before tables had a schema, and what came of it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

from archival_core.clients.postgres.database import Connection, translated
from archival_core.clients.postgres.prose import Prose
from archival_core.errors import LostLeaseError, PermanentError
from archival_core.ledger.archives.holding import held_elsewhere
from archival_core.ledger.archives.published import row_of
from archival_core.ledger.jobs.adding import AddedJob
from archival_core.ledger.pool import LedgerPool, Row, execute
from archival_core.model.jobs.job import Job, Status
from archival_core.model.lake.manifest import Manifest


@dataclass(frozen=True, slots=True)
class OutdatedArchive:
    """An archive of before the lake's tables had a schema."""

    #: its job
    archive: UUID
    hypertable: str
    chunk: str
    #: `archived` or `removed`, or for one that a job writes anew what became of it
    status: Status
    rows: int
    #: of its files
    bytes: int
    lake_path: str
    manifest_sha256: str | None
    #: the table whose rows it holds
    oid: int
    born: str | None
    #: the source has not been told yet that it stands in for rows
    mark_owed: bool
    #: its rows are back in the database
    restored: bool
    #: what was asked about its removal
    remove: bool | None
    traceparent: str | None
    #: a job of its chunk waits or runs
    in_hand: bool


class Rewrites:
    """Archives that are written anew."""

    def __init__(self, pool: LedgerPool, *, shares_source: bool) -> None:
        self._pool = pool
        #: whether the ledger is in the source database, so that the mark and the ledger's rows are one transaction
        self.shares_source = shares_source

    async def outdated(self, hypertable: str | None) -> list[OutdatedArchive]:
        """Archives that count and are of before tables had a schema: those of one hypertable, or all."""
        return [_outdated(row) for row in await self._pool.all("outdated_archives", hypertable=hypertable)]

    async def former(self, archive: UUID) -> OutdatedArchive | None:
        """The archive that a job writes anew, whatever became of it; `None` if there is no such archive."""
        row = await self._pool.one("rewritten_archive", job_id=archive)
        return _outdated(row) if row and row["lake_path"] else None

    async def add(
        self, archives: Collection[UUID], request_key: str, requested_by: str, traceparent: str | None
    ) -> list[AddedJob]:
        """A job for each of `archives` that is removed, unless a job of its chunk is alive."""
        rows = await self._pool.all(
            "add_rewrites",
            archives=list(archives),
            request_key=Prose(request_key),
            requested_by=Prose(requested_by),
            traceparent=traceparent,
        )
        return [AddedJob(row["job_id"], Status(row["status"]), row["traceparent"]) for row in rows]

    def held(self, job: Job, former: UUID) -> AbstractAsyncContextManager[Connection | None]:
        """Keep the rows of both archives locked until the source has committed, where the ledger is in another database.

        The connection is that of the ledger's transaction, which commits at the end; `None` where source and ledger share
        one.
        """
        values = {"job_id": job.job_id, "former": former}
        return held_elsewhere(self._pool, "hold_rewrite", values, None, shares_source=self.shares_source)

    async def finish(self, job: Job, former: OutdatedArchive, manifest: Manifest, connection: Connection) -> None:
        """The archive of `manifest` takes the place of `former`, in the transaction of `connection`.

        Raises `LostLeaseError`, and `PermanentError` (`not-rewritable`) if `former` does not stand in for rows any more.
        """
        values = row_of(manifest) | {
            "token": job.lease_token,
            "former": former.archive,
            "former_sha256": former.manifest_sha256,
        }
        with translated("the ledger"):
            held = await execute(connection, "check_lease", {"job_id": job.job_id, "token": job.lease_token})
            if held is None:
                raise LostLeaseError(job.job_id, job.attempt)
            if await execute(connection, "finish_rewrite", values) is None:
                raise PermanentError(f"the archive of {job.chunk} is not removed any more", code="not-rewritable")


def _outdated(row: Row) -> OutdatedArchive:
    return OutdatedArchive(
        archive=row["job_id"],
        hypertable=row["hypertable"],
        chunk=row["chunk"],
        status=Status(row["status"]),
        rows=row["rows"] or 0,
        bytes=row["parquet_bytes"] or 0,
        lake_path=row["lake_path"],
        manifest_sha256=row["manifest_sha256"],
        oid=row["relation_oid"] or 0,
        born=row["relation_born"],
        mark_owed=row["mark_owed"],
        restored=row["restored"],
        remove=row["remove"],
        traceparent=row["traceparent"],
        in_hand=row["in_hand"],
    )
