"""The folders in which a job's parts lie until they are published.

Each worker has a folder of its own, because a path of the lake has one writer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Final

from archival_core.errors import TransientError
from archival_core.flows.archive.readers import all_or_first_error
from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.jobs.job_life import Finished
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import Manifest, ManifestPart

_LOG = logging.getLogger(__name__)

#: files that are moved at the same time: each takes a request, and waits for its answer
_MOVERS: Final = 32


class Staging:
    """Staging of one lake."""

    def __init__(self, lake: LakehouseClient) -> None:
        self._lake = lake

    def folder(self, job: Job) -> str:
        """The folder of the worker that has the job."""
        assert job.lease_token is not None, "only a job whose lease is held has a folder"
        return paths.staging_folder(job.job_id, job.attempt, job.lease_token)

    async def take_over(self, job: Job, finished: Finished) -> bool:
        """Make the folder that holds the finished parts of earlier attempts this worker's own, in one step.

        Parts that were shared may still lie beside the folder. Returns false if a part lies nowhere.
        """
        beside = await self._lengths({path.rpartition("/")[0] for path in finished.staged.values()})
        waiting = {number for number, path in finished.staged.items() if beside.get(path) == finished.parts[number].bytes}
        for folder in finished.progress.staging:
            lengths = await self._lengths([folder])
            if all(number in waiting or _lies_in(folder, part, lengths) for number, part in finished.parts.items()):
                if lengths:
                    await self._lake.publish_directory(folder, self.folder(job))
                return True
        _LOG.warning("job %s: its finished parts are not in staging any more, so it starts over", job.job_id)
        return False

    async def gather(self, job: Job, staged: Mapping[int, str]) -> None:
        """Move the parts that were shared, whose files lie at `staged`, into the worker's folder.

        What an earlier attempt has moved is in the folder already; `check_complete` says whether all are.
        """
        there = await self._lengths({path.rpartition("/")[0] for path in staged.values()})
        waiting = iter([(number, path) for number, path in staged.items() if path in there])

        async def mover() -> None:
            for number, path in waiting:
                await self._lake.move_file(path, paths.part_path(self.folder(job), number))

        await all_or_first_error(mover() for _ in range(_MOVERS))

    async def _lengths(self, folders: Iterable[str]) -> dict[str, int]:
        """By path: the files in some folders, and their lengths."""
        found: dict[str, int] = {}
        for folder in folders:
            found |= {file.path: file.length async for file in self._lake.list(folder) if not file.is_directory}
        return found

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


def _lies_in(folder: str, part: ManifestPart, lengths: Mapping[str, int]) -> bool:
    return lengths.get(f"{folder}/{part.file}") == part.bytes
