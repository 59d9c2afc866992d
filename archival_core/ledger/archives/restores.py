"""The ledger's part in restoring archives: which there are, and what came of it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from archival_core.clients.postgres.database import Connection, translated
from archival_core.clients.postgres.prose import Prose
from archival_core.errors import LostLeaseError, PermanentError, TransientError
from archival_core.ledger.archives.holding import held_elsewhere
from archival_core.ledger.jobs.adding import AddedJob
from archival_core.ledger.jobs.job_life import read_job
from archival_core.ledger.pool import LedgerPool, execute
from archival_core.model.chunks.chunk import ChunkRange, Relation, ServerIdentity
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.model.jobs.job import Job, Status


@dataclass(frozen=True, slots=True)
class NewRestore:
    """What `Restores.add` records."""

    #: the job of the archive
    archive: UUID
    #: where to and how, see `flows.restore.chunk_restore.RestoreWish`
    options: dict[str, Any]
    request_key: str
    requested_by: str
    traceparent: str | None


class Restores:
    """Restore jobs."""

    def __init__(self, pool: LedgerPool, *, shares_source: bool) -> None:
        self._pool = pool
        #: whether the ledger is in the source database, so that the rows and the job's end are one transaction
        self.shares_source = shares_source

    async def archives(
        self,
        hypertable: Relation,
        identity: TableIdentity | None,
        here: ServerIdentity,
        chunk: Relation | None,
        within: ChunkRange,
    ) -> list[Job]:
        """Published archives of a hypertable: of one chunk, or all whose range overlaps `within`, by their range.

        They are those of its name, whichever table had it then, and those of the table `identity` of the server `here`, under
        whatever name it was archived.
        """
        rows = await self._pool.all(
            "restorable",
            hypertable=str(hypertable),
            oid=identity.oid if identity else None,
            born=identity.born if identity else None,
            system_identifier=here.system_identifier,
            database=here.database,
            chunk=str(chunk) if chunk else None,
            range_start=within.start,
            range_end=within.end,
        )
        return [read_job(row) for row in rows]

    async def add(self, restores: list[NewRestore]) -> list[AddedJob]:
        """Record each request, in one transaction; the answer has the same order.

        Raises `PermanentError` (`restore-under-way`) if another restore of one of the archives is on its way.
        """
        parameters: list[dict[str, Any]] = [
            {
                "archive": new.archive,
                "options": Jsonb(new.options),
                "request_key": Prose(new.request_key),
                "requested_by": Prose(new.requested_by),
                "traceparent": new.traceparent,
            }
            for new in restores
        ]
        try:
            rows = [row for [row] in await self._pool.each("add_restore", parameters)] if restores else []
        except TransientError as error:
            if not isinstance(error.__cause__, UniqueViolation):
                raise
            raise PermanentError(
                "another restore of one of these archives is on its way; follow that, or cancel it", code="restore-under-way"
            ) from error
        return [AddedJob(row["job_id"], Status(row["status"]), row["traceparent"]) for row in rows]

    def held(self, job: Job, *, in_place: bool) -> AbstractAsyncContextManager[Connection | None]:
        """Keep the archive's row locked until the source has committed, where the ledger is in another database.

        The connection is that of the ledger's transaction, which commits at the end; `None` where source and ledger share
        one. Raises `PermanentError` (`not-restorable`) if the archive stands for no rows any more.
        """
        values, unlocked = {"archive": job.restores}, _stands_for_none(job) if in_place else None
        return held_elsewhere(self._pool, "hold_restore", values, unlocked, shares_source=self.shares_source)

    async def finish(self, job: Job, connection: Connection) -> None:
        """The rows are back, in the transaction of `connection`. Raises `LostLeaseError`."""
        with translated("the ledger"):
            if await execute(connection, "finish_restore", {"job_id": job.job_id, "token": job.lease_token}) is None:
                raise LostLeaseError(job.job_id, job.attempt)

    async def mark(self, job: Job, connection: Connection) -> None:
        """The rows are in their hypertable again, in the transaction that ends the job by `finish`.

        Raises `PermanentError` (`not-restorable`) if the archive stands for no rows any more (guard MARKED).
        """
        with translated("the ledger"):
            if await execute(connection, "mark_restored", {"archive": job.restores}) is None:
                raise _stands_for_none(job)


def _stands_for_none(job: Job) -> PermanentError:
    return PermanentError(
        f"the archive of {job.chunk} is not removed any more: its rows are in the database, or in another archive",
        code="not-restorable",
    )
