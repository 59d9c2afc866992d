"""An archive gets its place in the lake: which place is free, and the one rename by which the archive is there."""

from __future__ import annotations

import hashlib
import logging

from archival_core import telemetry
from archival_core.errors import PermanentError, TransientError
from archival_core.flows.archive.published import has_room, parse_manifest, what_lies_at
from archival_core.flows.archive.readers import all_or_first_error
from archival_core.flows.archive.staging import Staging
from archival_core.flows.jobs.ownership import Ownership
from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.lake.errors import DestinationExistsError
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.chunks.chunk import Chunk
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import Manifest

_LOG = logging.getLogger(__name__)


class Publishing:
    """Publishes archives in one lake."""

    def __init__(self, lake: LakehouseClient, ledger: Ledger, ownership: Ownership) -> None:
        self._lake, self._ledger, self._ownership = lake, ledger, ownership
        self.staging = Staging(lake)

    async def published_before(self, job: Job) -> Manifest | None:
        """The manifest of the archive that an earlier attempt of this job has published, if its files can stay there."""
        if not job.has_revision:
            return None
        manifest = await self._own(job, paths.archive_folder(job.hypertable, job.chunk, job.revision), job.declared)
        if manifest is not None and not await has_room(self._lake, manifest):
            _LOG.warning("job %s: the place of the manifest of %s in the lake is taken", job.job_id, manifest.lake_path)
            return None
        return manifest

    async def free_revision(self, job: Job, chunk: Chunk, born: str) -> int:
        """The archive's revision: the first one whose places in the lake are free.

        What lies at a place may be another service's, forged, or of a ledger that was put back. It is left for `reconcile`.
        """
        revision = await self._ledger.assign_revision(job, chunk, born)
        while found := await what_lies_at(self._lake, paths.archive_folder(job.hypertable, job.chunk, revision)):
            _LOG.warning(
                "job %s: something else lies at %s in the lake, so a later revision is taken",
                job.job_id,
                found,
                extra=telemetry.named("archival.revision.taken", lake_path=found),
            )
            revision = await self._ledger.assign_revision(job, chunk, born, taken=revision)
        return revision

    async def publish(self, job: Job, manifest: Manifest) -> Manifest:
        """Rename staging to the archive's folder; returns the manifest of the archive there, whichever attempt published
        it.
        """
        staging = self.staging.folder(job)
        await self._fill(staging, manifest)
        try:
            await self._ownership.check_lately()
        except PermanentError as error:
            raise TransientError(str(error), code=error.code) from error
        # The lease guards the rename: a worker that was paused for long must not publish beside the worker that took over.
        await self._ledger.declare(job, manifest.sha256())
        try:
            if await self._lake.publish_directory(staging, manifest.lake_path):
                return manifest
        except DestinationExistsError:
            _LOG.warning("job %s: attempt %d finds the archive published already", job.job_id, job.attempt)
        declared = await self._ledger.declared(job)
        published = await self._own(job, manifest.lake_path, declared)
        if published is None:
            raise TransientError(
                f"{manifest.lake_path} in the lake is not what job {job.job_id} has published; the next attempt takes another"
                " revision",
                code="lake-conflict",
            )
        return published

    async def _fill(self, staging: str, manifest: Manifest) -> None:
        """Write the manifest beside the parts. Raises `TransientError` (`staging-differs`)."""
        path = f"{staging}/{paths.INNER_MANIFEST}"
        # Made before the parts are looked at. To make a file makes its folder too: if a later attempt has taken the folder
        # over, the parts are missing, or the file is, and this attempt publishes no empty folder.
        await self._lake.create_file(path)
        await all_or_first_error((self.staging.check_complete(staging, manifest), self._write(path, manifest)))

    async def _write(self, path: str, manifest: Manifest) -> None:
        try:
            await self._lake.fill(path, manifest.to_json())
        except PermanentError as error:
            if error.code != "lake-not-found":
                raise
            raise TransientError(f"staging is not what was written: {path} is gone", code="staging-differs") from error

    async def _own(self, job: Job, folder: str, declared: tuple[str, ...]) -> Manifest | None:
        """The manifest of the archive at `folder`, if an attempt of this job has declared this very manifest.

        Guard HASH: who can write to the lake can forge a folder that names this job. The declared hash is in the ledger,
        where only the service writes.
        """
        path = f"{folder}/{paths.INNER_MANIFEST}"
        content = await self._lake.read_if_there(path)
        if content is None:
            return None
        if hashlib.sha256(content).hexdigest() not in declared:
            return None
        return parse_manifest(content, path)
