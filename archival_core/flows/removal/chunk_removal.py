"""Remove archived chunks from the database, as its steps.

    due → the lake has every byte → same server, same table, nobody suffers → lock → same rows → ledger row and drop → commit

Any difference, and nothing is dropped: the job says why. A chunk that has changed is archived again as the next revision, and
is removed on the grounds of that one.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from archival_core import telemetry
from archival_core.clients.postgres import Connection, Database
from archival_core.clients.queue import QueueClient
from archival_core.errors import ArchivalError, PermanentError, TransientError
from archival_core.flows.archive.archive_check import check_archive
from archival_core.flows.jobs.announcer import Announcer
from archival_core.flows.removal.same_source import check_same_server, is_same_table
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.jobs import Ledger, NewJob
from archival_core.ledger.removals import Removals
from archival_core.model.chunk import Chunk, Relation
from archival_core.model.job import Job, Status
from archival_core.model.manifest import Manifest
from archival_core.model.message import JobMessage
from archival_core.source import catalog
from archival_core.source.removal import dropping, guards
from archival_core.source.session import pinned
from archival_core.source.state import fence
from archival_core.source.state.placed import companions

_LOG = logging.getLogger(__name__)

_BATCH: Final = 50
#: A lock that somebody else holds is asked for again so often.
_TRIES: Final = 3
_BUSY: Final = frozenset({"source-locked", "source-busy"})


class ChangedError(TransientError):
    """The chunk does not hold the archived rows any more: it is archived again."""

    def __init__(self, chunk: Chunk, what: str) -> None:
        super().__init__(f"{chunk.relation} is not removed: {what} since it was archived", code="source-changed")


@dataclass(slots=True)
class RemovalReport:
    """What one run did, in chunks."""

    removed: int = 0
    #: why each of the others stays, by its chunk
    kept: dict[str, str] = field(default_factory=dict)


class ChunkRemoval:
    """Removes chunks of one source database that are archived in one lake."""

    def __init__(
        self,
        source: Database,
        lake: LakehouseClient,
        ledger: Ledger,
        removals: Removals,
        queue: QueueClient,
        announcer: Announcer,
    ) -> None:
        self._source, self._lake, self._ledger, self._removals = source, lake, ledger, removals
        self._queue, self._announcer = queue, announcer

    async def run(self, time_budget: timedelta) -> RemovalReport:
        """Remove what is due, one chunk after the other, until nothing is left or the time is over."""
        report, deadline = RemovalReport(), time.monotonic() + time_budget.total_seconds()
        busy: set[Relation] = set()
        while jobs := [job for job in await self._removals.due(_BATCH) if job.hypertable not in busy]:
            for job in jobs:
                if time.monotonic() > deadline:
                    return report
                if job.hypertable not in busy and await self._settle(job, report) in _BUSY:
                    # whoever holds one chunk's lock may hold all: the others wait for the next run, and writers for nobody
                    busy.add(job.hypertable)
        return report

    async def preview(self, limit: int) -> dict[str, str | None]:
        """What a run would remove now, by chunk, and why it would not; nothing is locked or changed."""
        found: dict[str, str | None] = {}
        for job in await self._removals.due(limit):
            try:
                manifest = _manifest_of(job)
                async with self._source.connect() as connection:
                    await check_same_server(connection, manifest)
                    chunk = await self._look(connection, job, manifest)
                    async with pinned(connection, row_security="off"):
                        await self._check_rows(connection, chunk, manifest)
            except ArchivalError as error:
                found[str(job.chunk)] = str(error)
            else:
                found[str(job.chunk)] = None
        return found

    async def _settle(self, job: Job, report: RemovalReport) -> str | None:
        """Remove one chunk, or record and return why not: one that stays keeps no other from going."""
        try:
            with telemetry.carried_on("removal", job.traceparent, job.job_id, chunk=str(job.chunk)) as span:
                span.link(job.first_attempt)
                await self._remove(job)
        except ArchivalError as error:
            _LOG.warning("job %s: %s", job.job_id, error)
            report.kept[str(job.chunk)] = str(error)
            await self._refuse(job, error)
            if isinstance(error, ChangedError):
                await self._archive_again(job)
            return error.code
        report.removed += 1
        await self._announcer.announce(job.job_id)
        return None

    async def _refuse(self, job: Job, error: ArchivalError) -> None:
        await self._removals.refuse(job, error)
        with telemetry.about_job(job.job_id):
            telemetry.event("archival.removal.refused", chunk=str(job.chunk), error_code=error.code)

    async def _remove(self, job: Job) -> None:
        manifest = _manifest_of(job)
        with telemetry.step("removal.check"):
            findings = await check_archive(self._lake, manifest)
        if findings:
            raise PermanentError(
                f"{job.chunk} is not removed, because its archive is damaged: {findings[0]}", code="archive-damaged"
            )
        async with self._source.connect() as connection:
            await check_same_server(connection, manifest)
            if await dropping.is_gone(connection, job.chunk, manifest.relation_oid):
                # an earlier run whose answer was lost, or somebody by hand
                await self._removals.finish(job, note=PermanentError(f"{job.chunk} was gone already", code="was-gone"))
                return
            with telemetry.step("removal.look"):
                chunk = await self._look(connection, job, manifest)
                # once without a lock: what has changed keeps no writer waiting, and what has not is in memory the second time
                async with pinned(connection, row_security="off"):
                    await self._check_rows(connection, chunk, manifest)
            for attempt in range(1, _TRIES + 1):
                try:
                    await self._drop(connection, job, chunk, manifest)
                    return
                except TransientError as error:
                    if error.code not in _BUSY or attempt == _TRIES:
                        raise
                    await asyncio.sleep(random.uniform(0.2, 1.0) * attempt)  # noqa: S311  only spreads contenders

    async def _drop(self, connection: Connection, job: Job, chunk: Chunk, manifest: Manifest) -> None:
        async with AsyncExitStack() as stack:
            with telemetry.step("removal.lock"):
                await stack.enter_async_context(dropping.locked(connection, chunk))
            with telemetry.step("removal.compare"):
                await self._check_rows(connection, chunk, manifest)
            with telemetry.step("removal.drop"):
                if self._removals.shares_source:
                    await self._removals.finish(job, connection)
                await dropping.drop(connection, chunk)
                await stack.aclose()  # commits
        if not self._removals.shares_source:
            await self._removals.finish(job)

    async def _look(self, connection: Connection, job: Job, manifest: Manifest) -> Chunk:
        """The chunk, if it is still the one that was archived and nothing but its own rows would go."""
        chunk = await catalog.find_chunk(connection, job.hypertable, job.chunk)
        if job.adopted:
            raise ChangedError(chunk, "it was found in the lake and not archived by this ledger, so nobody knows what happened")
        if not await is_same_table(connection, chunk, manifest, ledger_is_inside=self._removals.shares_source):
            raise ChangedError(chunk, "its table was altered, or its server put back or started anew,")
        await guards.check_frozen(connection, chunk)
        await guards.check_aggregates(connection, chunk)
        together = [*await guards.siblings(connection, chunk), *await companions(connection, chunk)]
        if missing := await self._removals.unarchived(job.hypertable, together):
            raise PermanentError(
                f"{job.chunk} is not removed before the chunks of its time range, and those that one archive was restored"
                f" into with it, are archived: {', '.join(missing)} is not",
                code="sibling-not-archived",
            )
        return chunk

    async def _check_rows(self, connection: Connection, chunk: Chunk, manifest: Manifest) -> None:
        """Raise `ChangedError` unless the rows are those of the archive, as the transaction of `connection` sees them."""
        if manifest.tuples is not None:
            same = await fence.holds_same_rows(connection, chunk, manifest.snapshot, manifest.tuples)
        else:
            columns = await catalog.columns(connection, chunk.hypertable)
            same = await fence.hash_content(connection, chunk, columns) == manifest.content_hash
        if not same:
            raise ChangedError(chunk, "its rows may have changed")

    async def _archive_again(self, job: Job) -> None:
        """The same request finds its own job, so a chunk that cannot be archived any more is not asked for again and again."""
        again = NewJob(
            hypertable=job.hypertable,
            chunk=job.chunk,
            remove=job.remove,
            request_key=f"changed/{job.job_id}",
            requested_by="remove_chunks",
            traceparent=job.traceparent,
            force=True,
        )
        [added] = await self._ledger.add_jobs([again])
        if added.status is Status.QUEUED:
            await self._queue.send([JobMessage(added.job_id, added.traceparent)])
            await self._ledger.messaged([added.job_id])


def _manifest_of(job: Job) -> Manifest:
    if job.manifest is None:
        raise PermanentError(f"job {job.job_id} has no manifest in the ledger", code="no-manifest")
    return Manifest.model_validate(job.manifest)
