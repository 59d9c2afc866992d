"""The ledger: every job and what became of it, in PostgreSQL schema `archival`.

Each write of a running job carries the random token of its lease (guard ATTEMPT), so that a worker whose lease passed on cannot
write. Time is the database's time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from archival_core import telemetry
from archival_core.clients.postgres.prose import Prose
from archival_core.errors import LostLeaseError
from archival_core.ledger.jobs.adding import AddedJob, NewJob, add
from archival_core.ledger.pool import LedgerPool, Row, execute
from archival_core.ledger.sql import queries
from archival_core.model.chunks.chunk import Chunk, ChunkRange, Relation, ServerIdentity
from archival_core.model.jobs.job import Job, Kind, Status
from archival_core.model.jobs.progress import Progress
from archival_core.model.lake.manifest import Manifest, ManifestPart


@dataclass(frozen=True, slots=True)
class Marked:
    """What the source's marks say of archives."""

    #: one of the archives stands in for rows, whatever the ledger says
    stands_in: bool
    #: the archive's table is gone, and another archive stands in for its rows
    table_went: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """What earlier attempts of a job have begun and finished."""

    progress: Progress
    #: by number
    parts: dict[int, ManifestPart]
    #: where the files of those lie that were shared, by number; the others are in the folder of their attempt
    staged: dict[int, str]


#: Asks the source for the marks of some archives.
AskSource = Callable[[Collection[UUID]], Awaitable[Marked]]


class Ledger:
    """Jobs and their parts."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def add_jobs(self, jobs: Sequence[NewJob]) -> list[AddedJob]:
        """Record each request, in one transaction; the answer has the same order."""
        return await add(self._pool, jobs)

    async def messaged(self, job_ids: Sequence[UUID]) -> None:
        """A message for each of these is in the queue."""
        if job_ids:
            await self._pool.one("messaged", job_ids=list(job_ids))

    async def take_lease(self, job_id: UUID, lease: timedelta) -> Job | None:
        """Make the caller the owner of the job; `None` when another worker is, or when the job is not waiting."""
        row = await self._pool.one("take_lease", job_id=job_id, lease=lease, traceparent=telemetry.traceparent())
        return read_job(row) if row else None

    async def find(self, job_id: UUID) -> tuple[Job, float, bool] | None:
        """The job, for how many seconds its lease still holds, and whether its end was announced."""
        row = await self._pool.one("find_job", job_id=job_id)
        return (read_job(row), row["lease_seconds"] or 0.0, row["announced"]) if row else None

    async def renew_lease(self, job: Job, lease: timedelta) -> None:
        """Stay the owner; raises `LostLeaseError`."""
        await self._guarded("renew_lease", job, lease=lease)

    async def check_lease(self, job: Job) -> None:
        """Raises `LostLeaseError` unless the caller is still the owner."""
        await self._guarded("check_lease", job)

    async def assign_revision(self, job: Job, chunk: Chunk, born: str, taken: int = -1) -> int:
        """Decide, at the first attempt, which revision the archive of `job` is; later attempts get the same answer.

        Up to the revision `taken` something else lies in the lake, so that the archive is a later one. Raises `LostLeaseError`.
        """
        row = await self._pool.one(
            "assign_revision",
            job_id=job.job_id,
            token=job.lease_token,
            range_start=chunk.range.start,
            range_end=chunk.range.end,
            relation_oid=chunk.oid,
            relation_born=born,
            taken=taken,
        )
        if row is None:
            raise LostLeaseError(job.job_id, job.attempt)
        revision: int = row["revision"]
        return revision

    async def supersedes(
        self, job: Job, chunk: Chunk, born: str, server: ServerIdentity, restored: Mapping[UUID, Mapping[str, str]]
    ) -> tuple[str, ...]:
        """`lake_path` of the published archives whose place an archive of `chunk` takes, because it has their rows.

        They are of the same table of the same server, whatever its name was, or they are in `restored`: archives that were
        restored into the chunk, each with the other chunks that took rows of it (oid, and the transaction that brought them),
        which have to be archived too, later than that.
        """
        rows = await self._pool.all(
            "supersedes",
            job_id=job.job_id,
            relation_oid=chunk.oid,
            relation_born=born,
            system_identifier=server.system_identifier,
            database=server.database,
            restored=list(restored),
            others=Jsonb({str(archive): dict(others) for archive, others in restored.items()}),
        )
        return tuple(row["lake_path"] for row in rows)

    async def begin_parts(self, job: Job, progress: Progress | None) -> None:
        """A set of parts begins, and replaces an earlier one; `None` if it cannot be resumed. Raises `LostLeaseError`."""
        await self._guarded("begin_parts", job, progress=Jsonb(progress.model_dump(mode="json")) if progress else None)

    async def take_parts(self, job: Job, staging: str) -> None:
        """The finished parts are about to be moved into the folder `staging`; raises `LostLeaseError`."""
        await self._guarded("take_parts", job, staging=staging)

    async def add_part(self, job: Job, number: int, part: ManifestPart) -> None:
        """A part is in staging and verified; raises `LostLeaseError`."""
        await self._guarded("add_part", job, number=number, part=Jsonb(part.model_dump(mode="json")))

    async def parts(self, job: Job) -> Finished | None:
        """What attempts of the job have begun and finished; `None` if there is nothing that can be gone on with."""
        row = await self._pool.one("parts", job_id=job.job_id)
        if row is None or (progress := Progress.read(row["progress"])) is None:
            return None
        parts = {int(number): ManifestPart.model_validate(part) for number, part in row["parts"].items()}
        return Finished(progress, parts, {int(number): path for number, path in row["staged"].items()})

    async def postpone(self, job: Job) -> None:
        """Give the job back so that another run goes on with it; raises `LostLeaseError`."""
        await self._guarded("postpone", job)

    async def declare(self, job: Job, sha256: str) -> None:
        """The manifest with this hash is about to be published; raises `LostLeaseError`."""
        await self._guarded("declare", job, sha256=sha256)

    async def declared(self, job: Job) -> tuple[str, ...]:
        """The hashes of all manifests that attempts of the job have declared."""
        row = await self._pool.one("find_job", job_id=job.job_id)
        return tuple(row["declared"]) if row else ()

    async def finish_archive(self, job: Job, manifest: Manifest, ask_source: AskSource) -> Status:
        """The archive is committed, and the archives whose place it takes are superseded.

        `ask_source` is called with these archives while their rows are locked, so that its answer holds until the commit.
        Returns `archived`, or `superseded` where another archive stands in for the rows already. Raises `LostLeaseError`.
        """
        parameters: dict[str, Any] = {
            "job_id": job.job_id,
            "token": job.lease_token,
            "sha256": manifest.sha256(),
            "rows": manifest.rows,
            "source_bytes": manifest.source_bytes,
            "parquet_bytes": manifest.parquet_bytes,
            "lake_path": manifest.lake_path,
            "supersedes": list(manifest.supersedes),
            "manifest": Jsonb(manifest.model_dump(mode="json", exclude_unset=True)),
            "range_start": manifest.range_start,
            "range_end": manifest.range_end,
            "relation_oid": manifest.relation_oid,
            "relation_born": manifest.relation_born,
        }
        async with self._pool.transaction("finish_archive") as connection:
            # a statement of its own: what finishes then sees what became of the archives while it waited for them
            cursor = await connection.execute(queries()["lock_archives"], {"folders": parameters["supersedes"]})
            marked = await ask_source([found["job_id"] for found in await cursor.fetchall()])
            parameters["by_another"] = marked.stands_in or marked.table_went
            row = await execute(connection, "finish_archive", parameters)
        if row is None:
            raise LostLeaseError(job.job_id, job.attempt)
        return Status(row["status"])

    async def count_failure(self, job: Job, kind: str) -> dict[str, int]:
        """The job has failed by itself; how often by now, by the kind of failure. Raises `LostLeaseError`."""
        return dict((await self._guarded("count_failure", job, kind=kind))["failures"])

    async def release(self, job: Job, code: str, message: str, *, postponed: bool = False) -> int:
        """Give the job back after a transient failure.

        Returns how often in a row it was `postponed`; raises `LostLeaseError`.
        """
        error = Jsonb(
            {"code": code, "message": Prose(message), "transient": True, **({"postponed": True} if postponed else {})}
        )
        row = await self._guarded("release", job, error=error, postponed=postponed)
        return int(row["postponed"])

    async def fail(self, job: Job, code: str, message: str, *, given_up: bool = False) -> None:
        """End the job, which is `given_up` if it might have worked another time; raises `LostLeaseError`."""
        poisoned = {"poisoned": True} if given_up else {}
        error = Jsonb({"code": code, "message": Prose(message), "transient": given_up, **poisoned})
        await self._guarded("fail", job, error=error)

    async def skip_removed(self, job: Job) -> bool:
        """End a job whose chunk is gone because an archive of it was removed; false if there is no such archive."""
        return await self._pool.one("skip_removed", job_id=job.job_id, token=job.lease_token) is not None

    async def fail_poisoned(self, job_id: UUID, allowed: int) -> bool:
        """End a job whose message was given up, if its worker was killed `allowed` times; false if that is not so."""
        return await self._pool.one("fail_poisoned", job_id=job_id, allowed=allowed) is not None

    async def mark_announced(self, job_id: UUID) -> None:
        """The end of the job has been told on the result stream."""
        await self._pool.one("mark_announced", job_id=job_id)

    async def ping(self) -> None:
        """Raises `AwayError` when the ledger does not answer."""
        await self.now()

    async def now(self) -> datetime:
        """The database's clock."""
        row = await self._pool.one("now")
        assert row is not None
        moment: datetime = row["now"]
        return moment

    async def _guarded(self, query: str, job: Job, **parameters: Any) -> Row:
        # Guard ATTEMPT: a worker whose lease passed on writes nothing any more.
        row = await self._pool.one(query, job_id=job.job_id, token=job.lease_token, **parameters)
        if row is None:
            raise LostLeaseError(job.job_id, job.attempt)
        return row


def read_job(row: Row) -> Job:
    """The job of a row of `archival.job`."""
    return Job(
        job_id=row["job_id"],
        kind=Kind(row["kind"]),
        hypertable=Relation.parse(row["hypertable"]),
        chunk=Relation.parse(row["chunk"]),
        range=ChunkRange(row["range_start"], row["range_end"]),
        status=Status(row["status"]),
        attempt=row["attempt"],
        revision=row["revision"],
        has_revision=row["settled"],
        remove=row["remove"],
        requested_by=row["requested_by"],
        requested_at=row["requested_at"],
        traceparent=row["traceparent"],
        first_attempt=row["first_attempt"],
        restores=row["restores"],
        options=row["options"],
        rows=row["rows"],
        source_bytes=row["source_bytes"],
        parquet_bytes=row["parquet_bytes"],
        lake_path=row["lake_path"],
        manifest=row["manifest"],
        error=row["error"],
        adopted=row["adopted"],
        lease_token=row["lease_token"],
        declared=tuple(row["declared"]),
        manifest_sha256=row["manifest_sha256"],
        proof=row["proof"],
        mark_owed=row["mark_owed"],
        reads_alone=bool(row["reads_alone"]),
    )
