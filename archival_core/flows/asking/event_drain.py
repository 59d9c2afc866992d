"""Drain: events in Redis become jobs in the ledger and messages in the queue.

The order keeps the promise: the ledger's row, the message, and only then the acknowledgement. After a crash between two of
these steps the event comes again and finds its own row, and a second message for a job is harmless. While a dependency is
away that events need to be handed on, nothing is read.

The number of deliveries says little, because whatever ends a drain delivers its whole batch in vain. An event that was
delivered often is therefore tried alone, and buried for the error that it meets then. Events that mean all chunks up to a
bound are handled by `wide_requests`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from archival_core import telemetry
from archival_core.clients.queue import QueueClient
from archival_core.clients.redis.messaging import MessagingClient, StreamEntry
from archival_core.errors import ArchivalError, AwayError, PermanentError, TransientError
from archival_core.flows.asking.event_reading import request_of
from archival_core.flows.asking.wide_requests import WideRequest, WideRequests
from archival_core.flows.jobs.dependencies import Dependencies
from archival_core.flows.jobs.queues.messages import send_for_queued
from archival_core.ledger.asking.event_trials import EventTrials
from archival_core.ledger.asking.intake import Intake
from archival_core.ledger.jobs.adding import AddedJob, NewJob
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.model.jobs.job import Status

_LOG = logging.getLogger(__name__)

#: One consumer for all drains, because the timer is a singleton: what a killed drain left pending belongs to the next
#: drain.
_CONSUMER = "drain"
_BATCH = 500
#: The ledger's database lacks a letter of the event's names. Nothing but another database helps, and then the event is
#: replayed.
_NEVER_RECORDED = "not-in-encoding"
#: The dependencies without which no event can be handed on.
_NEEDED: Final = ("ledger", "queue", "source")

#: Finds the chunks of a hypertable that end by a bound, in the source's catalog.
FindChunks = Callable[[Relation, str | int], Awaitable[Sequence[Chunk]]]


@dataclass(slots=True)
class DrainReport:
    """What one drain did, in events and jobs."""

    events: int = 0
    queued: int = 0
    duplicates: int = 0
    buried: int = 0
    postponed: int = 0
    #: somebody has paused the intake: events wait in the stream
    paused: bool = False
    #: the dependency that was away; unread events wait in the stream, and events that were read come again
    away: str | None = None


@dataclass(frozen=True, slots=True)
class DrainLimits:
    """How far one drain goes."""

    events: int
    seconds: float
    #: an event that was delivered more often is tried alone, and goes to the dead stream when it has failed so often
    deliveries: int
    #: after this time without an acknowledgement another consumer's event is taken over
    claim_idle: timedelta


class EventDrain:
    """Moves events on, batch by batch."""

    def __init__(
        self,
        messaging: MessagingClient,
        ledger: Ledger,
        queue: QueueClient,
        intake: Intake,
        trials: EventTrials,
        dependencies: Dependencies,
        wide: WideRequests,
        find_chunks: FindChunks,
        limits: DrainLimits,
    ) -> None:
        self._messaging, self._ledger, self._queue, self._intake, self._wide = messaging, ledger, queue, intake, wide
        self._trials, self._dependencies = trials, dependencies
        self._find_chunks, self._limits = find_chunks, limits

    async def drain(self) -> DrainReport:
        """Drain until the stream is empty, a limit is reached, the intake is paused or something is away."""
        report = DrainReport()
        try:
            await self._drain(report)
        except AwayError as error:
            await self._dependencies.met(error)
            _LOG.warning("the drain waits: %s", error)
            report.away = error.dependency
        return report

    async def _drain(self, report: DrainReport) -> None:
        await self._dependencies.look_at(_NEEDED)
        # Asked before anything is read, because an entry that is read and not handled counts as delivered.
        report.paused = (await self._intake.state()).paused
        if report.paused:
            return
        async for batch in self._batches():
            await self._take(batch, report)
            report.paused = (await self._intake.state()).paused
            if report.paused:
                break

    async def _batches(self) -> AsyncIterator[list[StreamEntry]]:
        """The consumer's own pending entries, then stale entries of others, then new entries."""
        deadline = time.monotonic() + self._limits.seconds
        left = self._limits.events

        def size() -> int:
            return min(_BATCH, left) if time.monotonic() < deadline else 0

        last = "0"
        while size() and (batch := await self._messaging.pending_of(_CONSUMER, last, size())):
            last = batch[-1].entry_id
            left -= len(batch)
            yield batch
        last = "0"
        while size() and (batch := await self._messaging.claim_stale(_CONSUMER, self._limits.claim_idle, size(), last)):
            last = batch[-1].entry_id
            left -= len(batch)
            yield batch
        while size() and (batch := await self._messaging.new(_CONSUMER, size())):
            left -= len(batch)
            yield batch

    async def _take(self, batch: Sequence[StreamEntry], report: DrainReport) -> None:
        report.events += len(batch)
        named: dict[str, NewJob] = {}
        wide: dict[object, dict[str, WideRequest]] = {}
        entries = {entry.entry_id: entry for entry in batch}
        for entry in batch:
            if entry.deliveries > self._limits.deliveries:
                await self._try_alone(entry, report)
                continue
            match await self._understood(entry, report):
                case NewJob() as job:
                    named[entry.entry_id] = job
                case WideRequest() as request:
                    wide.setdefault(request.meaning, {})[entry.entry_id] = request
        await self._settle_named(named, entries, report)
        for equal in wide.values():
            await self._settle_wide(equal, entries, report)

    async def _try_alone(self, entry: StreamEntry, report: DrainReport) -> None:
        """Handle one event that was delivered often. If it kills the drain, the ledger keeps the note of this trial."""
        trials, before = await self._trials.begin(entry.entry_id), report.postponed
        try:
            if trials > self._limits.deliveries:
                failed = PermanentError(f"failed {trials - 1} times by itself", code="over-delivered")
                await self._bury(entry, failed, report)
            else:
                match await self._understood(entry, report):
                    case NewJob() as job:
                        await self._settle_named({entry.entry_id: job}, {entry.entry_id: entry}, report)
                    case WideRequest() as request:
                        await self._settle_wide({entry.entry_id: request}, {entry.entry_id: entry}, report)
        except AwayError:
            await self._trials.withdraw(entry.entry_id)
            raise
        if report.postponed == before:
            await self._trials.end(entry.entry_id)

    async def _understood(self, entry: StreamEntry, report: DrainReport) -> NewJob | WideRequest | None:
        """What an event asks for; `None` if the event was buried."""
        try:
            return request_of(entry, self._messaging.channel)
        except PermanentError as error:
            await self._bury(entry, error, report)
            return None

    async def _chunks_of(
        self, request: WideRequest, entries: Sequence[StreamEntry], report: DrainReport
    ) -> Sequence[Chunk] | None:
        """The chunks that equal events mean; `None` if the events were buried, or are left for the next drain."""
        try:
            return await self._find_chunks(request.asked.hypertable, request.older_than)
        except PermanentError as error:
            for entry in entries:
                await self._bury(entry, error, report)
        except AwayError:
            raise  # away for all that follow, too
        except TransientError as error:
            # the events stay pending and come again with the next drain; others do not wait for them
            for entry in entries:
                _LOG.warning("event %s is postponed: %s", entry.entry_id, error)
                report.postponed += 1
        return None

    async def _bury(self, entry: StreamEntry, error: ArchivalError, report: DrainReport) -> None:
        _LOG.warning("event %s goes to the dead stream: %s", entry.entry_id, error)
        try:
            await self._messaging.bury(entry, f"{error.code}: {error}")
        except TransientError as refusal:
            # Redis may be full and take acknowledgements all the same, so other events do not wait for this one.
            _LOG.warning("event %s is not buried now: %s", entry.entry_id, refusal)
            report.postponed += 1
            return
        telemetry.event("archival.event.buried", error_code=error.code, entry_id=entry.entry_id)
        report.buried += 1

    async def _settle_named(self, asked: Mapping[str, NewJob], entries: Mapping[str, StreamEntry], report: DrainReport) -> None:
        """Events that name their chunk: record jobs, send messages, and only then acknowledge the entries."""
        if not asked:
            return
        recorded, added = await self._recorded(asked, self._ledger.add_jobs, entries, report)
        queued = await send_for_queued(self._queue, self._ledger, added)
        await self._messaging.acknowledge(recorded)
        report.queued += queued
        report.duplicates += sum(job.status is Status.SKIPPED for job in added)

    async def _settle_wide(
        self, equal: Mapping[str, WideRequest], entries: Mapping[str, StreamEntry], report: DrainReport
    ) -> None:
        """Events that mean all chunks up to a bound, the same in each: one of the events asks for jobs, and each of the others
        gets a line.
        """
        waiting = dict(equal)
        chunks = await self._chunks_of(next(iter(equal.values())), [entries[entry_id] for entry_id in equal], report)
        if chunks is None:
            return

        async def ask(requests: Sequence[WideRequest]) -> list[AddedJob]:
            return [job for request in requests for job in await self._wide.ask(request.asked, chunks)]

        async def note(requests: Sequence[WideRequest]) -> list[AddedJob]:
            return await self._wide.note([request.asked for request in requests], chunks)

        recorded: list[str] = []
        while waiting and not recorded:
            # the ledger may refuse an event because of its names, and then the next event asks
            first = next(iter(waiting))
            recorded = await self._record_wide({first: waiting.pop(first)}, ask, entries, report)
        if waiting:
            await self._record_wide(waiting, note, entries, report)

    async def _record_wide(
        self,
        asked: Mapping[str, WideRequest],
        record: Callable[[Sequence[WideRequest]], Awaitable[list[AddedJob]]],
        entries: Mapping[str, StreamEntry],
        report: DrainReport,
    ) -> list[str]:
        """Let `record` write jobs or lines and send messages, and only then acknowledge the entries; returns these."""
        recorded, added = await self._recorded(asked, record, entries, report)
        await self._messaging.acknowledge(recorded)
        report.queued += sum(job.status is Status.QUEUED for job in added)
        report.duplicates += sum(job.status is Status.SKIPPED for job in added)
        return recorded

    async def _recorded[Asked](
        self,
        asked: Mapping[str, Asked],
        record: Callable[[Sequence[Asked]], Awaitable[list[AddedJob]]],
        entries: Mapping[str, StreamEntry],
        report: DrainReport,
    ) -> tuple[list[str], list[AddedJob]]:
        """The entries whose jobs the ledger has now, and these jobs. If the ledger refuses the batch, entries are recorded
        one by one.
        """
        try:
            return list(asked), await record(list(asked.values()))
        except AwayError:
            raise
        except ArchivalError as error:
            _LOG.warning("the events of a batch are recorded one by one: %s", error)
        recorded: list[str] = []
        added: list[AddedJob] = []
        for entry_id, request in asked.items():
            try:
                added += await record([request])
            except AwayError:
                raise
            except ArchivalError as error:
                if error.code == _NEVER_RECORDED:
                    await self._bury(entries[entry_id], error, report)
                    continue
                _LOG.warning("event %s is postponed: %s", entry_id, error)
                report.postponed += 1
            else:
                recorded.append(entry_id)
        return recorded, added
