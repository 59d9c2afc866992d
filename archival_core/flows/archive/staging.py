"""The folders in which a job's parts lie until they are published.

Each worker has a folder of its own, because a path of the lake has one writer.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from archival_core.errors import TransientError
from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import Manifest, ManifestPart

_LOG = logging.getLogger(__name__)


class Staging:
    """Staging of one lake."""

    def __init__(self, lake: LakehouseClient) -> None:
        self._lake = lake

    def folder(self, job: Job) -> str:
        """The folder of the worker that has the job."""
        assert job.lease_token is not None, "only a job whose lease is held has a folder"
        return paths.staging_folder(job.job_id, job.attempt, job.lease_token)

    async def take_over(self, job: Job, folders: Iterable[str], done: Collection[ManifestPart]) -> bool:
        """Make the one of `folders` that holds the finished parts this worker's own, in one step.

        Returns false if none of them holds the parts.
        """
        for folder in folders:
            lengths = {found.path: found.length async for found in self._lake.list(folder) if not found.is_directory}
            if all(lengths.get(f"{folder}/{part.file}") == part.bytes for part in done):
                await self._lake.publish_directory(folder, self.folder(job))
                return True
        _LOG.warning("job %s: its finished parts are not in staging any more, so it starts over", job.job_id)
        return False

    async def check_complete(self, folder: str, manifest: Manifest) -> None:
        """Check that the folder holds the manifest's parts and nothing else. Raises `TransientError`."""
        expected = {f"{folder}/{part.file}": part.bytes for part in manifest.parts}
        found = {path.path: path.length async for path in self._lake.list(folder)}
        found.pop(f"{folder}/{paths.INNER_MANIFEST}", None)
        if found != expected:
            different = sorted(path.rpartition("/")[2] for path, _ in found.items() ^ expected.items())
            raise TransientError(f"staging is not what was written: {', '.join(different)}", code="staging-differs")

    async def clear_former(self, job: Job) -> None:
        """Remove what earlier attempts left. Before a first one there was none, unless the ledger was put back: what is of
        that time is left to the sweep.
        """
        if job.attempt > 1:
            await self.clear(job)

    async def tidy_up(self, job: Job) -> None:
        """Leave nothing in staging, if that is possible now."""
        try:
            await self.clear(job)
        except TransientError as error:
            # nobody reads the folder: it only takes space
            _LOG.warning("staging of job %s is left behind: %s", job.job_id, error)

    async def clear(self, job: Job) -> None:
        """Remove what this attempt and earlier ones left, and nothing of a later attempt."""
        async for found in self._lake.list(paths.job_staging(job.job_id), recursive=False):
            if paths.staging_attempt(found.path) <= job.attempt:
                await self._lake.delete_tree(found.path)
