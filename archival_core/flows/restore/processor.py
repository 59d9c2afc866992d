"""Restore one archive: a message, a job, and the rows back in the database."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

from archival_core import telemetry
from archival_core.clients.postgres.database import Connection
from archival_core.errors import PermanentError
from archival_core.flows.jobs.runner import JobRunner
from archival_core.flows.restore.chunk_restore import ChunkRestorer, Restored, RestoreWish, Worker
from archival_core.ledger.archives.restores import Restores
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.jobs.job import Job, Status
from archival_core.model.jobs.message import JobMessage
from archival_core.model.lake.manifest import Manifest
from archival_core.source.at_once import at_once
from archival_core.source.state.marks import mark_schema, placed, stand_ins
from archival_core.source.state.marks.stand_ins import StandIn, StandInKind


class RestoreProcessor:
    """Restores the archives that messages ask for."""

    def __init__(self, runner: JobRunner, ledger: Ledger, restores: Restores, restorer: ChunkRestorer) -> None:
        self._runner, self._ledger, self._restores, self._restorer = runner, ledger, restores, restorer

    async def process(self, message: JobMessage) -> None:
        """Restore the archive of the message's job; see `JobRunner.handle`."""
        await self._runner.handle(message, self._restore)

    async def give_up(self, message: JobMessage) -> None:
        """The message was delivered too often; see `JobRunner.give_up`."""
        await self._runner.give_up(message)

    async def _restore(self, job: Job) -> bool:
        wish, manifest = RestoreWish.from_options(job.options or {}), Manifest.of_ledger(job.manifest, job.job_id)
        in_place = wish.into is None
        archive = await self._archive_of(job, in_place)
        async with AsyncExitStack() as stack:
            elsewhere: Connection | None = None

            async def record(connection: Connection, restored: Restored) -> None:
                nonlocal elsewhere
                elsewhere = await stack.enter_async_context(self._restores.held(job, in_place=in_place))
                said = []
                if in_place:
                    mark = await _mark_of_restore(connection, archive, manifest, restored)
                    said.append(stand_ins.record(connection, mark))
                if elsewhere is None:
                    said += self._ends(job, in_place, connection)
                await at_once(connection, *said)

            async def committed() -> None:
                if elsewhere is not None:
                    with telemetry.step("restore.ledger"):
                        await at_once(elsewhere, *self._ends(job, in_place, elsewhere))
                    await stack.aclose()

            await self._restorer.restore(Worker.of(job), manifest, wish, record, committed)
        return True

    def _ends(self, job: Job, in_place: bool, connection: Connection) -> list[Coroutine[Any, Any, None]]:
        """Questions that end the job in the ledger, each of which fails where it has nothing to end."""
        ends = [self._restores.finish(job, connection)]
        if in_place:
            ends.append(self._restores.mark(job, connection))
        return ends

    async def _archive_of(self, job: Job, in_place: bool) -> Job:
        """The job of the archive.

        Raises `PermanentError` (`not-restorable`) if the archive's rows are in the database, or if its files are not where
        they were.
        """
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
        assert found is not None, "it has a status"
        return found[0]


async def _mark_of_restore(connection: Connection, archive: Job, manifest: Manifest, restored: Restored) -> StandIn:
    """What is to replace the archive's mark, in the transaction that has placed the rows.

    Guard MARKED: while the restore waited for a lock, another archive may have come to stand in for these rows, or the rows
    may have come back. Raises `PermanentError` (`not-restorable`).
    """
    is_there, table = await at_once(
        connection, mark_schema.is_there(connection), placed.first_table(connection, archive.job_id)
    )
    if not is_there and not await mark_schema.ensure(connection):
        raise PermanentError(
            f"{archive.chunk} is not restored, because the service's role may not write to schema {mark_schema.SCHEMA} of the"
            " source; an administrator makes the schema and lets the role own it",
            code="marks-not-permitted",
        )
    found = await stand_ins.lock_stand_in(connection, archive.job_id, are_marks_there=True)
    if found is None and not archive.mark_owed:
        raise PermanentError(f"the source has no mark that {archive.chunk} was removed", code="not-restorable")
    if found is None:
        chunk = (str(archive.hypertable), str(archive.chunk), manifest.relation_oid, manifest.relation_born)
        if await stand_ins.took_its_place(connection, archive.job_id, *chunk):
            raise PermanentError(
                f"the archive of {archive.chunk} was written anew, and the new one stands for the rows; reconcile brings the"
                " ledger up to its mark",
                code="not-restorable",
            )
    if found is not None and archive.manifest_sha256 not in (None, found.manifest):
        raise PermanentError(f"another archive stands for the rows of {archive.chunk} now", code="not-restorable")
    if found is not None and found.kind is StandInKind.RESTORED and restored.inserted:
        # The rows were back, and went with another archive since. A run that was cut off would find all of them there.
        raise PermanentError(
            f"the archive of {archive.chunk} was restored already, and stands for no rows", code="not-restorable"
        )
    # Guard BACKMARK: the mark says into which table, so that a later archive of that table takes the archive's place.
    return StandIn(
        archive=archive.job_id,
        kind=StandInKind.RESTORED,
        hypertable=str(archive.hypertable),
        chunk=str(archive.chunk),
        lake_path=manifest.lake_path,
        manifest=found.manifest if found else archive.manifest_sha256 or "",
        # an archive without rows is in no table
        oid=table.oid if table else 0,
        born=table.born if table else "",
    )
