"""Ask for restores: which archives are meant becomes one job each."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from archival_core.clients.postgres.database import Connection, Database
from archival_core.clients.queue import QueueClient
from archival_core.errors import PermanentError
from archival_core.flows.jobs.chunk_places import ChunkPlaces, hypertable_chunks
from archival_core.flows.jobs.queues.messages import send_for_queued
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.ledger.archives.restores import NewRestore, Restores
from archival_core.ledger.jobs.adding import AddedJob
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.chunks.chunk import ChunkRange, Relation
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.model.jobs.job import Job, Status
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.restore.plan.kinship import check_apart
from archival_core.source.state.origin import origin_of
from archival_core.source.state.tables import identity_of


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """Which archives to restore, and how."""

    hypertable: Relation
    #: only this chunk's; of several revisions those whose rows are not in the database
    chunk: Relation | None
    #: only those that overlap it; open ends mean all
    within: ChunkRange
    wish: RestoreWish
    #: the same key never restores twice
    request_key: str
    requested_by: str
    traceparent: str | None = None


class RestoreRequests:
    """Turns requests into jobs and messages."""

    def __init__(self, source: Database, places: ChunkPlaces, ledger: Ledger, restores: Restores, queue: QueueClient) -> None:
        self._source, self._places = source, places
        self._ledger, self._restores, self._queue = ledger, restores, queue

    async def request(self, request: RestoreRequest) -> list[AddedJob]:
        """One job for each archive that is meant.

        Back into the hypertable go only archives whose chunk was removed. Raises `PermanentError` (`no-archive`,
        `not-restorable`) if there is none, and `into-its-table`.
        """
        wanted = await self._meant(request)
        added = await self._restores.add([self._new(request, job.job_id) for job in wanted])
        await send_for_queued(self._queue, self._ledger, added)
        return added

    async def preview(self, request: RestoreRequest) -> list[UUID]:
        """The jobs of the archives that `request` would restore; nothing is recorded. Raises as `request`."""
        return [job.job_id for job in await self._meant(request)]

    async def _meant(self, request: RestoreRequest) -> list[Job]:
        async with self._source.connect() as connection:
            named, here = await identity_of(connection, request.hypertable), await catalog.server_identity(connection)
            found = await self._restores.archives(request.hypertable, named, here, request.chunk, request.within)
            if named is not None:
                found = await _without_others(connection, request.hypertable, named, found)
        if request.chunk is None:
            found = _of_one_table(named, found)
        if not found:
            raise PermanentError(f"{request.hypertable} has no such archive", code="no-archive")
        if request.wish.into is not None:
            await self._check_apart(request.wish.into, found)
        wanted = [job for job in found if job.status is Status.REMOVED or request.wish.into is not None]
        if not wanted:
            raise await self._not_removed(request.hypertable, found[0])
        return wanted

    async def _not_removed(self, hypertable: Relation, archive: Job) -> PermanentError:
        async with self._source.connect() as connection:
            there = await hypertable_chunks(connection, hypertable)
        places = await self._places.of(str(hypertable), there, [])
        if archive.job_id in {state.job_id for state in places.alone}:
            return PermanentError(
                f"the table of {archive.chunk} is gone, and reconcile has not found out yet what became of its rows;"
                " ask again when the archive is removed, or restore into a table of its own",
                code="not-restorable",
            )
        return PermanentError(
            f"the rows of {archive.chunk} are still in {hypertable}: it was archived and not removed;"
            " restore into a table of its own",
            code="not-restorable",
        )

    async def _check_apart(self, into: Relation, archives: list[Job]) -> None:
        """Tell now what each job would be told under its lock: `into` is part of the table that it is to be apart from."""
        tables = {(job.hypertable, Manifest.of_ledger(job.manifest, job.job_id).hypertable_table) for job in archives}
        async with self._source.connect() as connection:
            for hypertable, identity in tables:
                await check_apart(connection, into, hypertable, identity)

    def _new(self, request: RestoreRequest, archive: UUID) -> NewRestore:
        return NewRestore(
            archive=archive,
            options=request.wish.to_options(),
            request_key=f"{request.request_key}/{archive}",
            requested_by=request.requested_by,
            traceparent=request.traceparent,
        )


async def _without_others(connection: Connection, hypertable: Relation, named: TableIdentity, found: list[Job]) -> list[Job]:
    """Those of `found` whose table is not another one than `named`, which has the name `hypertable` now.

    Raises `PermanentError` (`another-table`) if all of them are of tables that are called otherwise now.
    """
    theirs, others = [], dict[Relation, Job]()
    for job in found:
        manifest = Manifest.of_ledger(job.manifest, job.job_id)
        origin = await origin_of(connection, manifest)
        if origin.is_known and manifest.hypertable_table != named:
            others[origin.table] = job
        else:
            theirs.append(job)
    if others and not theirs:
        names = ", ".join(sorted(map(str, others)))
        raise PermanentError(
            f"{hypertable} is another table than the one that was archived under this name, which is called {names} now;"
            f" ask for the archives of {names}",
            code="another-table",
        )
    return theirs


def _of_one_table(named: TableIdentity | None, found: list[Job]) -> list[Job]:
    """Those of `found` that are of the table `named`, which has the name now.

    A table that was dropped and made again under the same name is another table: whoever wants rows of the old one names a
    chunk. Where no archive is of the present table (it is gone, or came with a dump), the newest archive tells which table is
    meant.
    """
    tables = {job.job_id: Manifest.of_ledger(job.manifest, job.job_id).hypertable_table for job in found}
    meant = named
    if meant not in tables.values():
        newest = max(found, key=lambda job: (job.requested_at, job.job_id), default=None)
        meant = tables[newest.job_id] if newest else None
    # an archive from before this was recorded may be of any of them
    return [job for job in found if meant is None or tables[job.job_id] in (None, meant)]
