"""Archive one chunk: the heart of the service, as its steps.

lease → catalog → snapshot → Parquet into staging → read back and compare → atomic rename → manifest → ledger → result

Any step may run twice or crash half-way. Staging belongs to one attempt. The rename publishes the parts together with their
manifest, so an attempt that finds the archive of its job published has only the bookkeeping left to do.
"""

from __future__ import annotations

from archival_core import telemetry
from archival_core.errors import PermanentError
from archival_core.flows.archive.chunk_archiver import ChunkArchiver
from archival_core.flows.archive.finishing import Finishing
from archival_core.flows.jobs.runner import JobRunner, Work
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.jobs.job import Job
from archival_core.model.jobs.message import JobMessage


class ArchivalProcessor:
    """Archives the chunks that messages ask for."""

    def __init__(self, runner: JobRunner, ledger: Ledger, archiver: ChunkArchiver, finishing: Finishing, rewrite: Work) -> None:
        self._runner, self._ledger, self._archiver, self._finishing = runner, ledger, archiver, finishing
        #: does the jobs that write an archive anew, whose chunk is gone
        self._rewrite = rewrite

    async def process(self, message: JobMessage) -> None:
        """Archive the chunk of the message's job; see `JobRunner.handle`."""
        await self._runner.handle(message, self._archive)

    async def give_up(self, message: JobMessage) -> None:
        """The message was delivered too often; see `JobRunner.give_up`."""
        await self._runner.give_up(message)

    async def _archive(self, job: Job) -> bool:
        if job.rewrites is not None:
            return await self._rewrite(job)
        try:
            manifest = await self._archiver.archive(job)
        except PermanentError as error:
            if error.code == "unknown-chunk" and await self._ledger.skip_removed(job):
                return True
            raise
        if manifest is None:
            return False
        with telemetry.step("archive.ledger"):
            await self._finishing.finish(job, manifest)
        return True
