"""One chunk into the lake, as its steps; `archival_processor` decides when.

    catalog → snapshot → parts, each read back and compared → all parts against the database's own count → rename → manifest

Everything of one attempt goes to that attempt's own staging folder. Each finished part is recorded in the ledger, so the next
attempt takes the folder over and goes on, if the chunk is still what it was. The rename publishes parts and manifest together,
so the archive is either there completely or not at all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from datetime import timedelta

from pydantic import ValidationError

from archival_core import telemetry
from archival_core.clients.postgres import Connection, Database
from archival_core.codec.layout import Profile
from archival_core.errors import PermanentError, TransientError
from archival_core.flows.archive.part_archiver import PartArchiver
from archival_core.flows.archive.reading import ChunkDescription, Reading
from archival_core.lake import paths
from archival_core.lake.client import DestinationExistsError, LakehouseClient
from archival_core.ledger.jobs import Ledger
from archival_core.model.job import Job
from archival_core.model.manifest import Manifest, ManifestPart
from archival_core.model.progress import Progress
from archival_core.source.state.fence import Mark, is_unchanged
from archival_core.source.state.snapshot import ReadSnapshot
from archival_core.source.wire.types import DoesNotFitError

_LOG = logging.getLogger(__name__)

#: what earlier attempts of a job have begun, and the parts that they finished
Finished = tuple[Progress, dict[int, ManifestPart]]


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """How a chunk is read and written."""

    #: parts that are read at the same time, each over a connection of its own
    readers: int
    part_bytes: int
    profile: Profile
    #: after this no new part begins: a later run goes on
    time_budget: timedelta


class ChunkArchiver:
    """Archives chunks of one source database into one lake."""

    def __init__(self, source: Database, lake: LakehouseClient, ledger: Ledger, options: ArchiveOptions) -> None:
        self._source, self._lake, self._ledger, self._options = source, lake, ledger, options

    async def archive(self, job: Job) -> Manifest | None:
        """Publish the chunk of `job` and return its manifest; only the ledger's row is left to write.

        `None` when the time budget is spent: finished parts are recorded, and the next attempt goes on. Raises
        `PermanentError` when nothing but a change elsewhere can help (unknown chunk, another archive at the destination),
        `TransientError` when another attempt may work. Neither leaves anything half-visible.
        """
        deadline = time.monotonic() + self._options.time_budget.total_seconds()
        await self._lake.ensure_filesystem()
        published = None
        if job.settled:
            published = await self._published(job, paths.archive_folder(job.hypertable, job.chunk, job.revision))
        if published is None:
            try:
                manifest = await self._copy(job, deadline)
            except PermanentError:
                await self._tidy_up(job)
                raise
            if manifest is None:
                return None
            with telemetry.step("archive.publish", lake_path=manifest.lake_path):
                await self._publish(job, manifest)
            # what lies there now is the archive, whichever attempt was faster
            published = await self._published(job, manifest.lake_path)
            if published is None:
                raise TransientError(f"job {job.job_id}: what was published is gone", code="lake-conflict")
        with telemetry.step("archive.manifest"):
            path = paths.manifest_file(job.hypertable, job.chunk, published.revision)
            await self._lake.write_once(path, published.to_json())
        await self._retire(published)
        await self._tidy_up(job)
        return published

    async def _published(self, job: Job, folder: str) -> Manifest | None:
        """What lies in `folder`, if an attempt of this job has published it."""
        if await self._lake.stat(folder) is None:
            return None
        try:
            manifest = Manifest.model_validate_json(await self._lake.read_all(f"{folder}/{paths.INNER_MANIFEST}"))
        except (ValidationError, PermanentError):
            raise PermanentError(
                f"{folder} is in the lake already and no archive of this service", code="lake-conflict"
            ) from None
        if manifest.job_id != str(job.job_id):
            raise PermanentError(
                f"{folder} is in the lake already, from job {manifest.job_id}; this is job {job.job_id}", code="lake-conflict"
            )
        _LOG.info("job %s: attempt %d had published it already", job.job_id, manifest.attempt)
        return manifest

    async def _copy(self, job: Job, deadline: float) -> Manifest | None:
        """Every part into staging; `None` if time was over before the last."""
        earlier = await self._ledger.parts(job)
        as_text = frozenset(earlier[0].as_text if earlier else ())
        async with self._source.connect() as connection:
            with telemetry.step("archive.catalog"):
                described = await ChunkDescription.of(connection, job)
                job = replace(job, revision=await self._ledger.settle(job, described.chunk))
            while True:
                try:
                    async with ReadSnapshot(connection, described.chunk) as snapshot:
                        with telemetry.step("archive.snapshot"):
                            reading = await Reading.begin(
                                connection, snapshot, described, as_text, self._options.profile, self._options.part_bytes
                            )
                            reading, done = await self._resume(job, connection, reading, earlier)
                        await self._archive_parts(job, reading, snapshot.snapshot_id, done, deadline)
                except DoesNotFitError as error:
                    _LOG.warning("job %s: %s, so the column is archived as text", job.job_id, error)
                    as_text |= {error.column}
                else:
                    break
        if len(done) < len(reading.ranges):
            _LOG.info("job %s: %d of %d parts are done, another run goes on", job.job_id, len(done), len(reading.ranges))
            return None
        reading.check_total(done.values())
        return reading.manifest(job, done, await self._supersedes(job, reading))

    async def _supersedes(self, job: Job, reading: Reading) -> tuple[str, ...]:
        """Folders of the archives whose rows are all in this one, or in finished archives beside it."""
        restored = {placed.archive: placed.others for placed in reading.placed}
        return await self._ledger.supersedes(job, reading.described.chunk, reading.described.identity, restored)

    async def _resume(
        self, job: Job, connection: Connection, reading: Reading, earlier: Finished | None
    ) -> tuple[Reading, dict[int, ManifestPart]]:
        """Take over what earlier attempts finished, if the chunk has not changed since their first part; else begin anew."""
        if earlier is not None and earlier[1] and reading.continues(earlier[0]):
            progress, done = earlier
            mark = Mark(progress.snapshot, progress.files, progress.tuples)
            if not await is_unchanged(connection, reading.described.chunk, mark, reading.storage.files):
                _LOG.warning("job %s: the chunk may have changed since its first part, so it starts over", job.job_id)
            elif await self._take_over(job, done):
                _LOG.info("job %s: %d of %d parts are there already", job.job_id, len(done), len(progress.parts))
                return reading.resumed(progress), done
        await self._clear_staging(job)
        await self._ledger.begin_parts(job, reading.progress)
        return reading, {}

    async def _take_over(self, job: Job, done: dict[int, ManifestPart]) -> bool:
        """Make the folder that holds the finished parts this attempt's own, in one step."""
        lengths = {
            found.path: found.length async for found in self._lake.list(paths.job_staging(job.job_id)) if not found.is_directory
        }
        for attempt in range(job.attempt, 0, -1):
            folder = paths.staging_folder(job.job_id, attempt)
            if all(lengths.get(f"{folder}/{part.file}") == part.bytes for part in done.values()):
                if attempt != job.attempt:
                    await self._lake.publish_directory(folder, paths.staging_folder(job.job_id, job.attempt))
                return True
        _LOG.warning("job %s: its finished parts are not in staging any more, so it starts over", job.job_id)
        return False

    async def _archive_parts(
        self, job: Job, reading: Reading, snapshot_id: str, done: dict[int, ManifestPart], deadline: float
    ) -> None:
        """Work off the parts that are not in `done`, and add them to it, until all are or the time is over."""
        archiver = PartArchiver(
            lake=self._lake,
            staging=paths.staging_folder(job.job_id, job.attempt),
            database_url=await self._source.url(),
            snapshot_id=snapshot_id,
            reading=reading,
            metadata={
                "archival.job_id": str(job.job_id),
                "archival.hypertable": str(job.hypertable),
                "archival.chunk": str(job.chunk),
                "archival.revision": str(job.revision),
            },
        )
        waiting = iter([(number, part) for number, part in enumerate(reading.ranges) if number not in done])
        before = len(done)

        async def read() -> None:
            for number, part in waiting:
                # at least one part a run, or the job would never end; all of them if the next run could not go on
                if time.monotonic() > deadline and len(done) > before and reading.mark is not None:
                    return
                finished = await archiver.archive(number, part)
                await self._ledger.add_part(job, number, finished)
                done[number] = finished

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._options.readers):
                    group.create_task(read())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    async def _publish(self, job: Job, manifest: Manifest) -> None:
        staging = paths.staging_folder(job.job_id, job.attempt)
        await self._check_complete(staging, manifest)
        # The folder is not made anew here: if a later attempt has taken it over, this one must not publish an empty one.
        await self._lake.write_into(f"{staging}/{paths.INNER_MANIFEST}", manifest.to_json())
        # a worker that was paused for long must not publish beside whoever took over
        await self._ledger.check_lease(job)
        try:
            await self._lake.publish_directory(staging, manifest.lake_path)
        except DestinationExistsError:
            _LOG.warning("job %s: attempt %d finds the archive published already", job.job_id, job.attempt)

    async def _retire(self, manifest: Manifest) -> None:
        """Take the archives whose place this one takes out of `tables/`.

        After its own publication: were it before and this job failed in between, nobody would find their rows.
        """
        for folder in manifest.supersedes:
            if await self._lake.stat(folder) is not None:
                await self._lake.publish_directory(folder, paths.superseded_folder(folder))

    async def _check_complete(self, staging: str, manifest: Manifest) -> None:
        """What is published are the manifest's parts, all of them and nothing else; raises `TransientError`."""
        expected = {f"{staging}/{part.file}": part.bytes for part in manifest.parts}
        found = {path.path: path.length async for path in self._lake.list(staging)}
        found.pop(f"{staging}/{paths.INNER_MANIFEST}", None)
        if found != expected:
            different = sorted(path.rpartition("/")[2] for path, _ in found.items() ^ expected.items())
            raise TransientError(f"staging is not what was written: {', '.join(different)}", code="staging-differs")

    async def _tidy_up(self, job: Job) -> None:
        """Leave nothing in staging, if that is possible now."""
        try:
            await self._clear_staging(job)
        except TransientError as error:
            # nobody reads it: it only takes space
            _LOG.warning("staging of job %s is left behind: %s", job.job_id, error)

    async def _clear_staging(self, job: Job) -> None:
        """Remove what this and earlier attempts left, never what a later one has."""
        async for found in self._lake.list(paths.job_staging(job.job_id), recursive=False):
            if int(found.path.rpartition("/")[2]) <= job.attempt:
                await self._lake.delete_tree(found.path)
