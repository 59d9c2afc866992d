"""The ledger's part in removing chunks: which are due, and what came of it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from psycopg.types.json import Jsonb

from archival_core.clients.postgres.database import Connection, translated
from archival_core.errors import ArchivalError, TransientError
from archival_core.ledger.archives.holding import held_elsewhere
from archival_core.ledger.archives.marked_archives import as_json
from archival_core.ledger.jobs.job_life import read_job
from archival_core.ledger.pool import LedgerPool, execute
from archival_core.model.chunks.chunk import ChunkRange, Relation
from archival_core.model.chunks.grounds import Grounds
from archival_core.model.jobs.job import Job


@dataclass(frozen=True, slots=True)
class RemovalRules:
    """When an archived chunk leaves the database, unless its request or its hypertable's policy says otherwise."""

    drop_by_default: bool
    #: the least time between the archive and the removal
    grace: timedelta


class Removals:
    """Archived jobs on their way to `removed`."""

    def __init__(self, pool: LedgerPool, rules: RemovalRules, *, shares_source: bool) -> None:
        self._pool, self._rules = pool, rules
        #: whether the ledger is in the source database, so that the drop and its row are one transaction
        self.shares_source = shares_source

    async def due(
        self, limit: int, job_id: UUID | None = None, busy: Collection[Relation] = (), passed: Collection[UUID] = ()
    ) -> list[Job]:
        """Archives whose chunk is to be removed now, those that were not tried yet first.

        `job_id` asks about one, which is not due for a minute after somebody was found to hold locks of its hypertable.
        Chunks of `busy` hypertables and archives of `passed` are left out: thousands of them would take all of `limit`.
        """
        rows = await self._pool.all(
            "removal_candidates",
            grace=self._rules.grace,
            default_drop=self._rules.drop_by_default,
            limit=limit,
            job_id=job_id,
            busy=[str(hypertable) for hypertable in busy],
            passed=list(passed),
        )
        return [read_job(row) for row in rows]

    def held(self, job: Job) -> AbstractAsyncContextManager[Connection | None]:
        """Keep the archive's row locked until the source has committed, where the ledger is in another database.

        The connection is that of the ledger's transaction, which commits at the end; `None` where source and ledger share
        one. Raises `TransientError` (`not-archived`).
        """
        values = {"job_id": job.job_id}
        return held_elsewhere(self._pool, "hold_removal", values, _no_longer(job), shares_source=self.shares_source)

    async def record_proof(self, job: Job, grounds: Grounds, oid: int, born: str, sha256: str) -> None:
        """The whole archive was compared with its chunk, and these are its grounds from now on.

        Raises `TransientError` (`not-archived`).
        """
        values = {"oid": oid, "born": born, "sha256": sha256, "proof": Jsonb(grounds.model_dump(mode="json"))}
        if await self._pool.one("record_proof", job_id=job.job_id, **values) is None:
            raise _no_longer(job)

    async def finish(self, job: Job, sha256: str, connection: Connection) -> None:
        """The chunk goes on the grounds of the manifest with this hash, in the transaction of `connection`.

        Raises `TransientError` (`not-archived`) if the job is not what it was, or the chunk is being archived anew.
        """
        with translated("the ledger"):
            row = await execute(connection, "finish_removal", {"job_id": job.job_id, "sha256": sha256})
        if row is None:
            raise _no_longer(job)

    async def refuse(self, job: Job, error: ArchivalError) -> None:
        """The chunk stays, and this is why."""
        await self._pool.one("refuse_removal", job_id=job.job_id, error=Jsonb(as_json(error)))

    async def decide(self, job: Job, *, remove: bool | None) -> None:
        """Whether the archive's chunk goes; `None` leaves it to the policy. Raises `TransientError` (`not-archived`)."""
        if await self._pool.one("decide_removal", job_id=job.job_id, remove=remove) is None:
            raise _no_longer(job)

    async def beside(self, job: Job, within: ChunkRange) -> dict[tuple[int, str | None], str]:
        """Archives of other tables of the hypertable whose range overlaps `within`, that are not removed: their chunk, by
        its table."""
        rows = await self._pool.all("archives_beside", job_id=job.job_id, range_start=within.start, range_end=within.end)
        return {(row["relation_oid"], row["relation_born"]): row["chunk"] for row in rows}


def _no_longer(job: Job) -> TransientError:
    return TransientError(
        f"job {job.job_id} is not archived any more, or its chunk is being archived again", code="not-archived"
    )
