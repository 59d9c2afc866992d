"""One chunk is copied into the lake, in these steps; `processor` decides when.

catalog → snapshot → mark → parts, each read back and compared → all parts against the database's own count → the manifest's
hash into the ledger → rename → manifest

The snapshot ends after the mark where the chunk is large: its parts are then shared with other instances, and each is read
in a snapshot of its own (`sharing_parts`).

An attempt writes into a staging folder of its own. The ledger records each finished part. The next attempt takes the folder
over and goes on, if the mark proves that the server's history is the same, and the fence that the chunk is unchanged. The
rename publishes parts and manifest together, so an archive is there completely or not at all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import takewhile
from typing import Final

from archival_core import telemetry
from archival_core.clients.postgres.database import Connection, Database
from archival_core.codec.layout import Profile
from archival_core.errors import PermanentError, TransientError
from archival_core.flows.archive.begun import begun
from archival_core.flows.archive.lake_schema import LakeSchema
from archival_core.flows.archive.marking import Marking
from archival_core.flows.archive.part_archiver import PartArchiver
from archival_core.flows.archive.published import write_manifest
from archival_core.flows.archive.publishing import Publishing
from archival_core.flows.archive.readers import read_parts
from archival_core.flows.archive.reading import ChunkDescription, Reading
from archival_core.flows.archive.sharing_parts import SharingParts
from archival_core.flows.jobs.watches.giving_way import giving_way
from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.jobs.job_life import Finished, Ledger
from archival_core.model.chunks.part_range import PartRange
from archival_core.model.jobs.job import Job
from archival_core.model.jobs.progress import Progress
from archival_core.model.lake.manifest import Manifest, ManifestPart
from archival_core.source.reading_sessions import ReadingSessions
from archival_core.source.state import history
from archival_core.source.state.fence import Stored, is_unchanged
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from archival_core.source.state.snapshot.waiting import BRIEFLY, Sessions

_LOG = logging.getLogger(__name__)

#: What a shared chunk that has changed meanwhile shows: it is read again, in one snapshot.
_CHANGED: Final = frozenset({"source-changed", "count-differs"})


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """How a chunk is read and written."""

    #: parts that are read at the same time, each over a connection of its own
    readers: int
    part_bytes: int
    #: a chunk of so many parts is shared, if that is possible
    shared_parts: int
    profile: Profile
    #: after this time no new part begins, and a later run goes on
    time_budget: timedelta


class ChunkArchiver:
    """Archives chunks of one source database into one lake."""

    def __init__(
        self,
        source: Database,
        readings: ReadingSessions,
        lake: LakehouseClient,
        ledger: Ledger,
        publishing: Publishing,
        marking: Marking,
        schema: LakeSchema,
        sharing: SharingParts,
        options: ArchiveOptions,
    ) -> None:
        self._source, self._readings = source, readings
        self._lake, self._ledger, self._options = lake, ledger, options
        self._sharing = sharing
        self._publishing, self._staging = publishing, publishing.staging
        self._marking, self._schema = marking, schema

    async def archive(self, job: Job) -> Manifest | None:
        """Publish the chunk of `job` and return its manifest. The caller then writes the ledger's row.

        Returns `None` when the time budget is spent: finished parts are recorded, and the next attempt goes on. Raises
        `PermanentError` when nothing but a change elsewhere can help (unknown chunk, unsupported column), and
        `TransientError` when another attempt may work. Neither leaves anything half-visible.
        """
        deadline = time.monotonic() + self._options.time_budget.total_seconds()
        await self._lake.prepare()
        published = await self._published_before(job)
        if published is None:
            try:
                manifest = await self._copy(job, deadline)
            except PermanentError:
                await self._staging.tidy_up(job)
                raise
            if manifest is None:
                return None
            job = replace(job, revision=manifest.revision)
            with telemetry.step("archive.publish", lake_path=manifest.lake_path):
                published = await self._publishing.publish(job, manifest)
        with telemetry.step("archive.manifest"):
            await write_manifest(self._lake, published)
        if job.attempt > 1 or len(published.parts) >= self._options.shared_parts:
            # Its own folder was renamed; what was shared lay beside it.
            await self._staging.tidy_up(job)
        return published

    async def _published_before(self, job: Job) -> Manifest | None:
        """The manifest that an earlier attempt of this job has published, if the server's history still is that of the
        archive.
        """
        manifest = await self._publishing.published_before(job)
        if manifest is None:
            return None
        async with self._source.connect(BRIEFLY) as connection:
            is_known = manifest.nonce is None or await history.stands_on(connection, job.job_id, manifest.grounds)
        if not is_known:
            _LOG.warning("job %s: the source was put back to before the archive was read, so it is read again", job.job_id)
            return None
        _LOG.info("job %s: attempt %d had published it already", job.job_id, manifest.attempt)
        return manifest

    async def _copy(self, job: Job, deadline: float) -> Manifest | None:
        """Write every part into staging; `None` if another run has to go on."""
        earlier = await self._ledger.parts(job)
        async with self._readings.connect() as connection:
            with telemetry.step("archive.catalog"):
                described = await ChunkDescription.of(connection, job)
            async with (
                giving_way(self._source, connection, job.hypertable) as sessions,
                begun(self._publishing.free_revision(job, described.chunk, described.born)) as revision,
                ReadSnapshot(connection, described.chunk) as snapshot,
            ):
                with telemetry.step("archive.snapshot"):
                    options = (self._options.profile, self._options.part_bytes)
                    reading = await Reading.begin(connection, snapshot, described, self._schema, *options)
                job = replace(job, revision=await revision)
                with telemetry.step("archive.mark"):
                    reading, finished = await self._resume(job, connection, snapshot, reading, earlier)
                done = finished.parts if finished else {}
                is_shared = self._is_shared(job, reading)
                if not is_shared:
                    await self._archive_parts(job, reading, snapshot.snapshot_id, sessions, done, deadline)
        staged = finished.staged if finished else {}
        if is_shared:
            try:
                return await self._share(job, reading, done, deadline)
            except TransientError as error:
                if error.code not in _CHANGED:
                    raise
                await self._sharing.read_alone(job)
                return None
        return await self._whole(job, reading, done, staged)

    def _is_shared(self, job: Job, reading: Reading) -> bool:
        return not job.reads_alone and len(reading.ranges) >= self._options.shared_parts and reading.can_be_shared

    async def _share(self, job: Job, reading: Reading, done: Collection[int], deadline: float) -> Manifest | None:
        progress = reading.progress(self._staging.folder(job))
        assert progress is not None, "what can be shared can be gone on with"
        missing = [number for number in range(len(reading.ranges)) if number not in done]
        await self._sharing.archive(job, progress, missing, deadline)
        finished = await self._ledger.parts(job)
        assert finished is not None, "the parts were begun"
        return await self._whole(job, reading, finished.parts, finished.staged)

    async def _whole(
        self, job: Job, reading: Reading, done: Mapping[int, ManifestPart], staged: Mapping[int, str]
    ) -> Manifest | None:
        """The manifest, with every part in the worker's folder; `None` if there are not all of them."""
        if len(done) < len(reading.ranges):
            _LOG.info("job %s: %d of %d parts are done, another run goes on", job.job_id, len(done), len(reading.ranges))
            return None
        reading.check_total(done.values())
        if staged:
            with telemetry.step("archive.gather"):
                await self._staging.gather(job, staged)
        return reading.manifest(job, done, await self._supersedes(job, reading))

    async def _supersedes(self, job: Job, reading: Reading) -> tuple[str, ...]:
        """Folders of the archives whose rows are all in this archive, or in finished archives beside it."""
        restored = {placed.archive: placed.others for placed in reading.placed}
        described = reading.described
        return await self._ledger.supersedes(job, described.chunk, described.born, described.identity, restored)

    async def _resume(
        self, job: Job, connection: Connection, snapshot: ReadSnapshot, reading: Reading, earlier: Finished | None
    ) -> tuple[Reading, Finished | None]:
        """Take over the parts of earlier attempts, if they are proven to be of this chunk as it is now; else begin anew."""
        if earlier is not None and earlier.parts and await self._still_is(job, connection, reading, earlier.progress):
            # recorded before the rename, because whoever goes on after a crash looks in both folders
            await self._ledger.take_parts(job, self._staging.folder(job))
            if await self._staging.take_over(job, earlier):
                done, parts = len(earlier.parts), len(earlier.progress.parts)
                _LOG.info("job %s: %d of %d parts are there already", job.job_id, done, parts)
                return reading.resumed(earlier.progress), earlier
        await self._staging.clear_former(job)
        reading = reading.standing_on(await self._marking.mark(job, snapshot, reading.grounds))
        await self._ledger.begin_parts(job, reading.progress(self._staging.folder(job)))
        return reading, None

    async def _still_is(self, job: Job, connection: Connection, reading: Reading, progress: Progress) -> bool:
        """Whether the finished parts are of the same history, and the chunk still holds the rows that they were read from.

        Guard RESUME: an archive is of one moment. Parts of another moment, or of a history that was put back, would mix two
        moments.
        """
        grounds = progress.grounds
        if not reading.continues(progress) or grounds.tuples is None:
            return False
        if not await history.stands_on(connection, job.job_id, grounds):
            _LOG.warning("job %s: the source was put back to before its first part, so it starts over", job.job_id)
            return False
        then = Stored(progress.files, grounds.tuples)
        if not await is_unchanged(connection, reading.described.chunk, grounds.snapshot, then, reading.form.storage.files):
            _LOG.warning("job %s: the chunk may have changed since its first part, so it starts over", job.job_id)
            return False
        return True

    async def _archive_parts(
        self,
        job: Job,
        reading: Reading,
        snapshot_id: str,
        sessions: Sessions,
        done: dict[int, ManifestPart],
        deadline: float,
    ) -> None:
        """Write the parts that are not in `done`, and add each to `done`, until all are written or the time is over."""
        archiver = PartArchiver(
            lake=self._lake,
            database_url=self._source.url_now,
            snapshot_id=snapshot_id,
            sessions=sessions,
            form=reading.form,
            job=job,
        )
        folder = self._staging.folder(job)
        missing = [(number, part) for number, part in enumerate(reading.ranges) if number not in done]
        before = len(done)

        def may_begin(_: tuple[int, PartRange]) -> bool:
            # A run writes at least one part, or the job would never end. It writes all parts if a next run could not go on.
            return time.monotonic() <= deadline or len(done) == before or not reading.can_go_on

        async def read(number: int, part: PartRange) -> None:
            finished = await archiver.archive(number, part, paths.part_path(folder, number))
            await self._ledger.add_part(job, number, finished)
            done[number] = finished

        await read_parts(self._options.readers, takewhile(may_begin, missing), read)
