"""Restore one archive: a message, a job, and the rows back in the database."""

from __future__ import annotations

from archival_core import telemetry
from archival_core.clients.postgres import Connection
from archival_core.errors import PermanentError
from archival_core.flows.jobs.runner import JobRunner
from archival_core.flows.restore.chunk_restore import ChunkRestorer, Restored, RestoreWish
from archival_core.ledger.jobs import Ledger
from archival_core.ledger.restores import Restores
from archival_core.model.job import Job, Status
from archival_core.model.manifest import Manifest
from archival_core.model.message import JobMessage


class RestoreProcessor:
    """Restores the archives that messages ask for."""

    def __init__(self, runner: JobRunner, ledger: Ledger, restores: Restores, restorer: ChunkRestorer) -> None:
        self._runner, self._ledger, self._restores, self._restorer = runner, ledger, restores, restorer

    async def process(self, message: JobMessage) -> None:
        """Restore the archive of the message's job; see `JobRunner.run`."""
        await self._runner.run(message, self._restore)

    async def give_up(self, message: JobMessage) -> None:
        """The message was delivered too often; see `JobRunner.give_up`."""
        await self._runner.give_up(message)

    async def _restore(self, job: Job) -> bool:
        wish, manifest = RestoreWish.from_options(job.options or {}), Manifest.model_validate(job.manifest)
        in_place = wish.into is None
        await self._check_archive(job, in_place)

        async def settle(connection: Connection, _: Restored) -> None:
            if self._restores.shares_source:
                await self._restores.finish(job, in_place=in_place, connection=connection)

        await self._restorer.restore(job.job_id, job.attempt, manifest, wish, settle)
        if not self._restores.shares_source:
            with telemetry.step("restore.ledger"):
                await self._restores.finish(job, in_place=in_place)
        return True

    async def _check_archive(self, job: Job, in_place: bool) -> None:
        """Raise `PermanentError` (`not-restorable`) if its rows are in the database, or its files not where they were."""
        found = await self._ledger.find(job.restores) if job.restores else None
        status = found[0].status if found else None
        telemetry.link(found[0].traceparent if found else None)
        if status is Status.ARCHIVED and in_place:
            raise PermanentError(
                f"{job.chunk} was archived and not removed: its rows are in {job.hypertable}; restore into a table of its own",
                code="not-restorable",
            )
        if status not in (Status.ARCHIVED, Status.REMOVED):
            raise PermanentError(f"the archive of {job.chunk} is {status or 'unknown'} now", code="not-restorable")
