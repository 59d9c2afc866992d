"""One archive of before the lake's tables had a schema is written anew.

the archive's files, every byte compared → a staging table, compared with the manifest → a table of the types that the columns
had → parts, each read back and compared → the parts restored, and compared by PostgreSQL → rename → manifest → every byte
compared where it lies → the mark changes hands, with the ledger's rows

PostgreSQL reads the old files as a restore does, and they are archived as a chunk is. So whatever a restore brings back
exactly is written anew exactly, and what it refuses stays as it is. The new archive is published before its mark changes
hands: until then the former stands in for the rows, and nobody reads the new one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from archival_core import telemetry
from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import PermanentError, TransientError
from archival_core.flows.archive.archive_check import check_archive
from archival_core.flows.archive.chunk_archiver import ArchiveOptions
from archival_core.flows.archive.part_archiver import PartArchiver
from archival_core.flows.archive.published import find_manifest, write_manifest
from archival_core.flows.archive.publishing import Publishing
from archival_core.flows.archive.readers import read_parts
from archival_core.flows.restore.archive_loader import ArchiveLoader
from archival_core.flows.tables.migrating.copied_reading import CopiedReading
from archival_core.flows.tables.migrating.handover import Handover
from archival_core.flows.tables.migrating.lasting import Lasting
from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.archives.rewrites import OutdatedArchive
from archival_core.model.chunks.chunk import Relation
from archival_core.model.chunks.part_range import PartRange
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import Manifest, ManifestPart
from archival_core.source import catalog
from archival_core.source.restore.columns.fitting import fit_columns
from archival_core.source.restore.loading.staging import StagingTable, drop_job_staging, drop_staging, ensure_schema
from archival_core.source.restore.plan.target import copy_target
from archival_core.source.restore.proof import copying
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from archival_core.source.state.snapshot.waiting import Sessions


@dataclass(frozen=True, slots=True)
class _Tables:
    """A worker's tables in the source: the archive's rows as its files have them, and in the types that they had."""

    staging: StagingTable
    copy: StagingTable


class Rewriting:
    """Writes archives of one lake anew."""

    def __init__(
        self,
        source: Database,
        lake: LakehouseClient,
        publishing: Publishing,
        reading: CopiedReading,
        lasting: Lasting,
        handover: Handover,
        options: ArchiveOptions,
    ) -> None:
        self._source, self._lake, self._publishing = source, lake, publishing
        self._reading, self._lasting, self._handover, self._options = reading, lasting, handover, options

    async def rewrite(self, job: Job) -> bool:
        """Write the archive that `job` names anew, and let the new one stand in for the rows.

        Any step may run again. Raises `PermanentError` where nothing but a change elsewhere can help (`not-rewritable`,
        `lossy-type`, `unreadable-value`, …), and `TransientError` where another attempt may work. Neither changes anything
        about the former archive.
        """
        assert job.rewrites is not None, "the job names the archive"
        former = await self._handover.former(job, job.rewrites)
        await self._lake.prepare()
        manifest = await self._publishing.published_before(job)
        if manifest is None:
            try:
                written = await self._write(job, former)
            except PermanentError:
                await self._publishing.staging.tidy_up(job)
                raise
            with telemetry.step("archive.publish", lake_path=written.lake_path):
                manifest = await self._publishing.publish(replace(job, revision=written.revision), written)
        with telemetry.step("archive.manifest"):
            await write_manifest(self._lake, manifest)
        await self._publishing.staging.tidy_up(job)
        with telemetry.step("rewrite.last", lake_path=manifest.lake_path):
            await self._lasting.check(job, manifest)
        with telemetry.step("archive.ledger"):
            await self._handover.hand_over(job, former, manifest)
        return True

    async def _write(self, job: Job, former: OutdatedArchive) -> Manifest:
        """The new archive, complete in staging, and proven to have the former's rows."""
        manifest = await self._checked(former)
        async with self._source.connect() as connection, _tables(connection, job) as made:
            await self._copy(connection, manifest, made)
            chunk = self._reading.chunk_of(manifest, made.copy.relation)
            job = replace(job, revision=await self._publishing.free_revision(job, chunk, manifest.relation_born or ""))
            await self._publishing.staging.clear(job)
            async with ReadSnapshot(connection, chunk) as snapshot:
                options = (self._options.profile, self._options.part_bytes)
                reading = await self._reading.begin(connection, snapshot, chunk, manifest, *options)
                archiver = PartArchiver(
                    lake=self._lake,
                    database_url=self._source.url_now,
                    snapshot_id=snapshot.snapshot_id,
                    sessions=Sessions(),
                    form=reading.form,
                    job=job,
                )
                parts = await self._parts(archiver, reading.ranges)
            reading.check_total(parts)
            written = self._reading.manifest(job, reading, manifest, parts)
            with telemetry.step("rewrite.prove") as span:
                span.count(rows=await self._prove(connection, job, written, made.copy.relation))
        return written

    async def _checked(self, former: OutdatedArchive) -> Manifest:
        """The manifest of the former archive, whose every byte is in the lake as it was written.

        Raises `TransientError` (`archive-damaged`).
        """
        manifest = await find_manifest(self._lake, former.lake_path, former.manifest_sha256 or "")
        if manifest is None:
            raise TransientError(f"{former.lake_path} has no manifest with the hash of its mark", code="archive-damaged")
        with telemetry.step("rewrite.check", lake_path=manifest.lake_path):
            findings = await check_archive(self._lake, manifest)
        if findings:
            found = findings[0]
            raise TransientError(f"{found.file}: {found.detail}", code="archive-damaged")
        return manifest

    async def _copy(self, connection: Connection, manifest: Manifest, made: _Tables) -> None:
        """The archive's rows into a table of the types that its columns had."""
        await copy_target(connection, manifest, made.copy.relation)
        columns = await catalog.columns(connection, made.copy.relation)
        fitted = fit_columns(manifest, columns, made.copy.relation, by_number=False)
        await ArchiveLoader(self._lake, self._source.url_now, made.staging, manifest, fitted).load()
        with telemetry.step("rewrite.copy") as span:
            copied = await copying.copy(connection, made.staging, made.copy.relation, fitted)
            span.count(rows=copied)
        if copied != manifest.rows:
            raise TransientError(f"{copied} of {manifest.rows} rows were copied", code="restore-differs")
        await drop_staging(connection, [made.staging])

    async def _parts(self, archiver: PartArchiver, ranges: Sequence[PartRange]) -> list[ManifestPart]:
        done: dict[int, ManifestPart] = {}
        folder = self._publishing.staging.folder(archiver.job)

        async def read(number: int, part: PartRange) -> None:
            done[number] = await archiver.archive(number, part, paths.part_path(folder, number))

        await read_parts(self._options.readers, enumerate(ranges), read)
        return [done[number] for number in sorted(done)]

    async def _prove(self, connection: Connection, job: Job, written: Manifest, copy: Relation) -> int:
        """Restore what was written, and compare it with what was read; returns how many rows that are."""
        staged = written.model_copy(update={"lake_path": self._publishing.staging.folder(job)})
        columns = fit_columns(staged, await catalog.columns(connection, copy), copy, by_number=False)
        staging = StagingTable.beside_worker(job.job_id, job.attempt)
        await ArchiveLoader(self._lake, self._source.url_now, staging, staged, columns).load()
        return await copying.check_same(connection, staging, copy, columns)


@asynccontextmanager
async def _tables(connection: Connection, job: Job) -> AsyncIterator[_Tables]:
    """Names for a worker's tables, of which none is left at the end if that is possible."""
    await ensure_schema(connection)
    await drop_job_staging(connection, job.job_id, job.attempt)
    try:
        yield _Tables(*(StagingTable.beside_worker(job.job_id, job.attempt) for _ in range(2)))
    finally:
        # whatever a broken connection leaves behind, the next attempt or reconcile drops
        if not connection.closed:
            await drop_job_staging(connection, job.job_id, job.attempt)
