"""Remove archived chunks from the database, as its steps.

    due → same table, nobody suffers → the lake has every byte → rows come back in trial → lock → the same again, same rows
        → the mark of the drop, the ledger's row and the drop, one commit

If anything differs, nothing is dropped, and the job says why. A chunk that has changed is archived again as the next
revision, and is removed on the grounds of that revision. `chunk_proof` says what is proven.
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
from uuid import UUID

from archival_core import telemetry
from archival_core.clients.postgres.database import Connection, Database
from archival_core.clients.queue import QueueClient
from archival_core.errors import ArchivalError, AwayError, PermanentError, TransientError
from archival_core.flows.jobs.announcer import Announcer
from archival_core.flows.jobs.dependencies import OF_JOBS, Dependencies
from archival_core.flows.jobs.ownership import Ownership
from archival_core.flows.jobs.queues.messages import submit
from archival_core.flows.jobs.queues.sharing import Sharing
from archival_core.flows.jobs.watches.giving_way import giving_way
from archival_core.flows.removal.chunk_proof import ChangedError, ChunkProof, Proven, RenamedError
from archival_core.flows.tables.standing import OutdatedError
from archival_core.ledger.archives.removals import Removals
from archival_core.ledger.jobs.adding import NewJob
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.job import Job
from archival_core.model.jobs.message import JobMessage
from archival_core.source.at_once import at_once
from archival_core.source.removal import dropping
from archival_core.source.state.marks import stand_ins
from archival_core.source.state.marks.stand_ins import StandInKind
from archival_core.source.state.snapshot.waiting import BRIEFLY

_LOG = logging.getLogger(__name__)

_BATCH: Final = 100
#: The chunks of a batch that the timer removes by itself before it looks again. The others are shared.
_OWN: Final = 10
#: What is returned of an archive that another worker has.
_ELSEWHERE: Final = "elsewhere"
#: How often a lock that somebody else holds is asked for.
_TRIES: Final = 3
_AGAIN: Final = frozenset({"source-locked", "source-busy"})
#: Refusals of one chunk that hold for all chunks of its hypertable, and a refusal that holds for all chunks.
_BUSY: Final = _AGAIN | {"gave-way"}
_OF_ALL: Final = frozenset({"lake-back"})


@dataclass(slots=True)
class RemovalReport:
    """What one run did, in chunks."""

    removed: int = 0
    #: why each chunk that was not removed stays, by its name
    kept: dict[str, str] = field(default_factory=dict)
    #: the dependency that was away; the other chunks wait for the next run
    away: str | None = None


class ChunkRemoval:
    """Removes chunks of one source database that are archived in one lake."""

    def __init__(
        self,
        source: Database,
        ledger: Ledger,
        ownership: Ownership,
        dependencies: Dependencies,
        removals: Removals,
        proof: ChunkProof,
        queue: QueueClient,
        sharing: Sharing,
        announcer: Announcer,
    ) -> None:
        self._ownership, self._dependencies, self._sharing = ownership, dependencies, sharing
        self._source, self._ledger, self._removals, self._proof = source, ledger, removals, proof
        self._queue, self._announcer = queue, announcer

    async def remove_due(self, time_budget: timedelta) -> RemovalReport:
        """Remove what is due, one chunk after the other, until nothing is left, the time is over or a dependency is away.

        Of many chunks most are shared with other instances. Raises `PermanentError` (`other-owner`) where the lake belongs
        to another source.
        """
        report, deadline = RemovalReport(), time.monotonic() + time_budget.total_seconds()
        try:
            await self._ownership.check()
            await self._remove_due(report, deadline)
        except AwayError as error:
            # nothing is recorded of the chunk, so it is as due as before
            await self._dependencies.met(error)
            _LOG.warning("removals wait: %s", error)
            report.away = error.dependency
        return report

    async def help(self, message: JobMessage) -> None:
        """Remove the chunk of one archive that a run has shared, if it is still due. What cannot be removed is left to a
        later run.
        """
        report = RemovalReport()
        try:
            await self._dependencies.wait_for(OF_JOBS)
            await self._ownership.check_lately()
            for job in await self._removals.due(1, job_id=message.job_id):
                await self._try_to_remove(job, report)
            self._dependencies.worked(OF_JOBS)
        except AwayError as error:
            await self._dependencies.met(error)
            _LOG.warning("job %s: its removal waits: %s", message.job_id, error)
        except PermanentError as error:
            # nothing is wrong with the archive: somebody has to say which source the lake belongs to
            _LOG.warning("job %s: nothing is removed: %s", message.job_id, error)

    async def give_up(self, message: JobMessage) -> None:
        """Each worker that tried the removal was killed. The chunk stays, and the archive says so."""
        for job in await self._removals.due(1, job_id=message.job_id):
            killed = f"{job.chunk} is not removed: whoever was at it was killed each time; look for what kills the instance"
            await self._refuse(job, PermanentError(killed, code="poisoned"), RemovalReport())

    async def _remove_due(self, report: RemovalReport, deadline: float) -> None:
        busy: set[Relation] = set()
        # chunks that others have are removed at the end all the same, in case nobody was there to help
        for is_shared in (True, False):
            passed: set[UUID] = set()
            while jobs := await self._removals.due(_BATCH, busy=busy, passed=passed):
                own = jobs[:_OWN] if is_shared else jobs
                passed |= await self._sharing.share(jobs[len(own) :])
                for job in own:
                    if time.monotonic() > deadline:
                        return
                    if job.hypertable in busy:
                        continue
                    refused = await self._try_to_remove(job, report)
                    if refused in _OF_ALL:
                        return
                    if refused in _BUSY:
                        # Whoever holds one chunk's lock may hold all of the hypertable's. The others wait for the next run,
                        # so that writers wait for nobody.
                        busy.add(job.hypertable)
                    elif refused == _ELSEWHERE:
                        passed.add(job.job_id)

    async def preview(self, limit: int) -> dict[str, str | None]:
        """What a run would remove now, by chunk, with the reason where it would not. Nothing is locked or changed."""
        found: dict[str, str | None] = {}
        for job in await self._removals.due(limit):
            found[str(job.chunk)] = await self.refusal(job)
        return found

    async def refusal(self, job: Job) -> str | None:
        """Why the job's chunk would not be removed now; `None` if it would. Nothing is locked or changed."""
        try:
            async with self._source.connect() as connection:
                await self._proof.look(connection, job)
        except ArchivalError as error:
            return str(error)
        return None

    async def _try_to_remove(self, job: Job, report: RemovalReport) -> str | None:
        """Remove one chunk, or record and return why it stays. A chunk that stays keeps no other from going.

        An archive that another worker has is left to that worker. Raises `AwayError` of a dependency that is away for the
        other chunks, too.
        """
        try:
            with telemetry.carried_on("removal", job.traceparent, job.job_id, chunk=str(job.chunk)) as span:
                span.link(job.first_attempt)
                if not await self._remove(job):
                    return _ELSEWHERE
        except ArchivalError as error:
            if isinstance(error, AwayError) and not await self._dependencies.met(error):
                raise
            _LOG.warning("job %s: %s", job.job_id, error)
            return await self._refuse(job, error, report)
        except Exception as error:
            # a defect: what it says may hold anything, so only its kind is recorded
            _LOG.exception("job %s: not removed", job.job_id)
            what = f"unexpected {type(error).__name__}; the service's log has the details"
            return await self._refuse(job, TransientError(what, code="internal"), report)
        report.removed += 1
        try:
            await self._announcer.announce(job.job_id)
        except TransientError as error:
            _LOG.warning("the removal of %s is told later, by reconcile: %s", job.chunk, error)
        return None

    async def _refuse(self, job: Job, error: ArchivalError, report: RemovalReport) -> str:
        report.kept[str(job.chunk)] = str(error)
        await self._removals.refuse(job, error)
        with telemetry.about_job(job.job_id):
            telemetry.event("archival.removal.refused", chunk=str(job.chunk), error_code=error.code)
        if isinstance(error, ChangedError | OutdatedError):
            hypertable, chunk = job.hypertable, job.chunk
            if isinstance(error, RenamedError):
                hypertable, chunk = error.chunk.hypertable, error.chunk.relation
            await self._archive_again(job, hypertable, chunk)
        return error.code

    async def _remove(self, job: Job) -> bool:
        """Remove the chunk; false if another worker has the archive."""
        # Guard ONECONN: one connection from the look to the drop. A connection does not outlive its server, so the rows
        # that were looked at are the rows that go.
        async with self._source.connect(BRIEFLY) as connection:
            if not await dropping.claim(connection, job.job_id):
                return False
            if await self._is_removed(connection, job):
                async with self._removals.held(job) as elsewhere:
                    await self._removals.finish(job, job.manifest_sha256 or "", elsewhere or connection)
                return True
            async with giving_way(self._source, connection, job.hypertable):
                proven = await self._proof.prove(connection, job)
            for attempt in range(1, _TRIES + 1):
                try:
                    await self._drop(connection, job, proven)
                    return True
                except TransientError as error:
                    if error.code not in _AGAIN or attempt == _TRIES:
                        raise
                    await asyncio.sleep(random.uniform(0.2, 1.0) * attempt)  # noqa: S311  only spreads contenders
                    await dropping.let_vacuum_give_way(connection, proven.chunk)
        raise AssertionError("the last try returns or raises")

    async def _drop(self, connection: Connection, job: Job, proven: Proven) -> None:
        async with self._removals.held(job) as elsewhere, AsyncExitStack() as stack:
            with telemetry.step("removal.lock"):
                await stack.enter_async_context(dropping.locked(connection, proven.chunk))
            with telemetry.step("removal.compare"):
                async with giving_way(self._source, connection, job.hypertable):
                    await self._proof.check_again(connection, job, proven)
            with telemetry.step("removal.drop"):
                said = [stand_ins.record(connection, proven.stand_in(job, StandInKind.REMOVED))]
                if elsewhere is None:
                    said.append(self._removals.finish(job, proven.manifest_sha256, connection))
                await at_once(connection, *said)
                await dropping.drop(connection, proven.chunk)
                await stack.aclose()  # commits
            if elsewhere is not None:
                await self._removals.finish(job, proven.manifest_sha256, elsewhere)

    async def _is_removed(self, connection: Connection, job: Job) -> bool:
        """Whether the source has committed the drop already, and the ledger elsewhere does not know it yet."""
        found = (await stand_ins.stand_ins(connection, [job.job_id])).get(job.job_id)
        return found is not None and found.kind is StandInKind.REMOVED and found.manifest == job.manifest_sha256

    async def _archive_again(self, job: Job, hypertable: Relation, chunk: Relation) -> None:
        """The same request finds its own job, so a chunk that cannot be archived any more is not asked for again and again."""
        again = NewJob(
            hypertable=hypertable,
            chunk=chunk,
            remove=job.remove,
            request_key=f"changed/{job.job_id}",
            requested_by="remove_chunks",
            traceparent=job.traceparent,
            force=True,
        )
        await submit(self._queue, self._ledger, [again])
