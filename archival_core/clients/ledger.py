"""The ledger: every job and what became of it, in PostgreSQL schema `archival`.

Each write of a running job is guarded by its attempt number, so a worker whose lease passed on cannot write. Time is the
database's time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from archival_core.clients.postgres import OPTIONS, Connection, Database, translated
from archival_core.clients.sql import migrations, queries
from archival_core.errors import LostLeaseError, TransientError
from archival_core.model.chunk import ChunkRange, Relation
from archival_core.model.job import Job, Kind, Status
from archival_core.model.manifest import Manifest, ManifestPart
from archival_core.model.progress import Progress

#: Advisory lock of the migrations, so that instances that start together do not race.
_MIGRATION_LOCK = 7_203_114_850_221


@dataclass(frozen=True, slots=True)
class NewJob:
    """What `Ledger.add_jobs` records."""

    hypertable: Relation
    chunk: Relation
    remove: bool | None
    #: which entry of the stream, or which request, asked
    request_key: str
    requested_by: str
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class AddedJob:
    """What became of a `NewJob`: `queued` wants a message, `skipped` is a duplicate, anything else is in hand already."""

    job_id: UUID
    status: Status
    traceparent: str | None


class Ledger:
    """One pool of connections; opened on first use, inside the running loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        """Close the pool."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def migrate(self) -> None:
        """Bring schema `archival` up to date. Safe to run from many instances at once."""
        async with self._database.connect() as connection, connection.transaction():
            with translated("the ledger"):
                await connection.execute("select pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
                await connection.execute("create schema if not exists archival")
                await connection.execute(
                    "create table if not exists archival.migration"
                    " (name text primary key, applied_at timestamptz default now())"
                )
                cursor = await connection.execute("select name from archival.migration")
                applied = {row["name"] for row in await cursor.fetchall()}
                for name, statements in migrations():
                    if name not in applied:
                        await connection.execute(statements)
                        await connection.execute("insert into archival.migration (name) values (%s)", (name,))

    async def add_jobs(self, jobs: Sequence[NewJob]) -> list[AddedJob]:
        """Record each request, in one transaction; the answer has the same order."""
        parameters = [
            {
                "hypertable": str(job.hypertable),
                "chunk": str(job.chunk),
                "remove": job.remove,
                "request_key": job.request_key,
                "requested_by": job.requested_by,
                "traceparent": job.traceparent,
            }
            for job in jobs
        ]
        added: list[AddedJob] = []
        async with self._connection() as connection, connection.transaction(), connection.cursor() as cursor:
            await cursor.executemany(queries()["add_job"], parameters, returning=True)
            async for result in cursor.results():
                row = await result.fetchone()
                assert row is not None  # the statement inserts or updates one row
                added.append(AddedJob(row["job_id"], Status(row["status"]), row["traceparent"]))
        return added

    async def take_lease(self, job_id: UUID, lease: timedelta) -> Job | None:
        """Make the caller the owner of the job; `None` when another worker is, or when the job is not waiting."""
        row = await self._one("take_lease", job_id=job_id, lease=lease)
        return _job(row) if row else None

    async def find(self, job_id: UUID) -> tuple[Job, float, bool] | None:
        """The job, for how many seconds its lease still holds, and whether its end was announced."""
        row = await self._one("find_job", job_id=job_id)
        return (_job(row), row["lease_seconds"] or 0.0, row["announced"]) if row else None

    async def renew_lease(self, job: Job, lease: timedelta) -> None:
        """Stay the owner; raises `LostLeaseError`."""
        await self._guarded("renew_lease", job, lease=lease)

    async def begin_parts(self, job: Job, progress: Progress | None) -> None:
        """A set of parts begins, and replaces an earlier one; `None` if it cannot be resumed. Raises `LostLeaseError`."""
        await self._guarded("begin_parts", job, progress=Jsonb(progress.model_dump(mode="json")) if progress else None)

    async def add_part(self, job: Job, number: int, part: ManifestPart) -> None:
        """A part is in staging and verified; raises `LostLeaseError`."""
        await self._guarded("add_part", job, number=number, part=Jsonb(part.model_dump(mode="json")))

    async def parts(self, job: Job) -> tuple[Progress, dict[int, ManifestPart]] | None:
        """What earlier attempts of the job have begun and finished."""
        row = await self._one("parts", job_id=job.job_id)
        if row is None or row["progress"] is None:
            return None
        finished = {int(number): ManifestPart.model_validate(part) for number, part in row["parts"].items()}
        return Progress.model_validate(row["progress"]), finished

    async def postpone(self, job: Job) -> None:
        """Give the job back so that another run goes on with it; raises `LostLeaseError`."""
        await self._guarded("postpone", job)

    async def finish_archive(self, job: Job, manifest: Manifest) -> None:
        """The archive is committed; raises `LostLeaseError`."""
        await self._guarded(
            "finish_archive",
            job,
            rows=manifest.rows,
            source_bytes=manifest.source_bytes,
            parquet_bytes=manifest.parquet_bytes,
            lake_path=manifest.lake_path,
            manifest=Jsonb(manifest.model_dump(mode="json")),
            range_start=manifest.range_start,
            range_end=manifest.range_end,
        )

    async def release(self, job: Job, code: str, message: str) -> None:
        """Give the job back after a transient failure; its message comes again. Raises `LostLeaseError`."""
        await self._guarded("release", job, error=Jsonb({"code": code, "message": message, "transient": True}))

    async def fail(self, job: Job, code: str, message: str) -> None:
        """End the job; raises `LostLeaseError`."""
        await self._guarded("fail", job, error=Jsonb({"code": code, "message": message, "transient": False}))

    async def fail_poisoned(self, job_id: UUID) -> bool:
        """End a job whose message was given up; false when a worker still holds it, or it has ended already."""
        return await self._one("fail_poisoned", job_id=job_id) is not None

    async def mark_announced(self, job_id: UUID) -> None:
        """The end of the job has been told on the result stream."""
        async with self._connection() as connection:
            await connection.execute(queries()["mark_announced"], {"job_id": job_id})

    async def ping(self) -> None:
        """Raises `TransientError` when the ledger does not answer."""
        await self.now()

    async def now(self) -> datetime:
        """The database's clock."""
        row = await self._one("now")
        assert row is not None
        moment: datetime = row["now"]
        return moment

    async def _guarded(self, query: str, job: Job, **parameters: Any) -> None:
        if await self._one(query, job_id=job.job_id, attempt=job.attempt, **parameters) is None:
            raise LostLeaseError(job.job_id, job.attempt)

    async def _one(self, query: str, **parameters: Any) -> dict[str, Any] | None:
        async with self._connection() as connection:
            cursor = await connection.execute(queries()[query], parameters)
            return await cursor.fetchone()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            with translated("the ledger"):
                pool = await self._open()
                async with pool.connection(timeout=15) as connection:
                    yield connection
        except PoolTimeout:
            raise TransientError("the ledger: no connection within 15 s", code="database") from None

    async def _open(self) -> AsyncConnectionPool[Connection]:
        async with self._opening:
            if self._pool is None:
                await self.migrate()
                # min_size 0: an instance that waits holds no connection
                pool = AsyncConnectionPool[Connection](
                    conninfo=self._database.url,
                    connection_class=Connection,
                    kwargs=dict(OPTIONS),
                    min_size=0,
                    max_size=4,
                    max_idle=60,
                    open=False,
                    check=AsyncConnectionPool.check_connection,
                )
                await pool.open()
                self._pool = pool
            return self._pool


def _job(row: dict[str, Any]) -> Job:
    return Job(
        job_id=row["job_id"],
        kind=Kind(row["kind"]),
        hypertable=Relation.parse(row["hypertable"]),
        chunk=Relation.parse(row["chunk"]),
        range=ChunkRange(row["range_start"], row["range_end"]),
        status=Status(row["status"]),
        attempt=row["attempt"],
        revision=row["revision"],
        remove=row["remove"],
        requested_by=row["requested_by"],
        requested_at=row["requested_at"],
        traceparent=row["traceparent"],
        rows=row["rows"],
        source_bytes=row["source_bytes"],
        parquet_bytes=row["parquet_bytes"],
        lake_path=row["lake_path"],
        manifest=row["manifest"],
        error=row["error"],
    )
