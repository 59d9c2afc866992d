"""What every job of the queue has in common: its lease, its end, and what becomes of its message.

A message is deleted when its job has ended, when somebody works on the job, or when the job has another message in the
queue. Otherwise the message comes again. The host gives a message up after five deliveries, which are over in two minutes.
So a job that waits for a dependency gets a new message before the present one is deleted, and only the job's own failures
are counted.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID

from archival_core import telemetry
from archival_core.clients.queue import QueueClient
from archival_core.errors import ArchivalError, AwayError, LostLeaseError, PermanentError, PostponedError, TransientError
from archival_core.flows.jobs.announcer import Announcer
from archival_core.flows.jobs.dependencies import OF_JOBS, Dependencies
from archival_core.flows.jobs.ownership import Ownership
from archival_core.flows.jobs.queues.messages import send_again
from archival_core.flows.jobs.watches.lease import kept_lease
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.jobs import setback
from archival_core.model.jobs.job import Job, Status
from archival_core.model.jobs.message import JobMessage

_LOG = logging.getLogger(__name__)

#: seconds that a job waits if this service must not do it now
_WAITING_SECONDS: Final = 60

#: Does a job whose lease is held, and writes its end into the ledger; false when another run has to go on.
Work = Callable[[Job], Awaitable[bool]]


class JobRunner:
    """Settles messages of one queue, each naming one job."""

    def __init__(
        self,
        ledger: Ledger,
        announcer: Announcer,
        ownership: Ownership,
        dependencies: Dependencies,
        queue: QueueClient,
        lease: timedelta,
    ) -> None:
        self._ledger, self._announcer, self._ownership, self._dependencies = ledger, announcer, ownership, dependencies
        self._queue, self._lease = queue, lease

    async def handle(self, message: JobMessage, work: Work) -> None:
        """Do the message's job, unless it is done or being done.

        Returns when the message may be deleted: the job has ended, somebody has the job, or another message for it is in
        the queue. Raises `TransientError` (or a defect) when this message must come again.
        """
        with _about(message, self._queue.channel) as span:
            try:
                # with the message in hand: nothing else is taken off the queue meanwhile
                await self._dependencies.wait_for(OF_JOBS)
            except AwayError as error:
                span.fail(error)
                await self._send_later(message, error, random.uniform(0.1, 0.5) * self._dependencies.backoff)  # noqa: S311
                return
            try:
                await self._settle(message, work, span)
            except PostponedError as error:
                span.fail(error)
                span.record(error)
                await self._put_off(message, error)

    async def _settle(self, message: JobMessage, work: Work, span: telemetry.Span) -> None:
        try:
            await self._ownership.check_lately()
        except PermanentError as error:
            # nothing is wrong with the job: it waits until somebody has said which source the lake belongs to
            await self._send_later(message, error, _WAITING_SECONDS)
            return
        job = await self._ledger.take_lease(message.job_id, self._lease)
        if job is None:
            await self._look_later(message)
            return
        span.link(job.first_attempt)
        span.describe(_described(job))
        await self._run(message, job, work, span)

    async def _run(self, message: JobMessage, job: Job, work: Work, span: telemetry.Span) -> None:
        _LOG.info(
            "job %s: %s %s, attempt %d",
            job.job_id,
            job.kind,
            job.chunk,
            job.attempt,
            extra=telemetry.named("archival.job.begun", attempt=job.attempt),
        )
        try:
            async with kept_lease(self._ledger, job, self._lease):
                is_done = await work(job)
            self._dependencies.worked(OF_JOBS)
            if not is_done:
                # sent as a new message, because the deliveries of the present one count towards poison
                await self._ledger.postpone(job)
                await self._send(message)
                return
            _LOG.info("job %s: done", job.job_id)
            await self._tell(job.job_id)
        except LostLeaseError as error:
            telemetry.retried(job.kind, error)
            raise
        except PermanentError as error:
            await self._fail(job, error, span)
        except TransientError as error:
            if not await self._set_back(message, job, error, span):
                raise
        except Exception as error:
            # a defect: what it says may hold anything, so only its kind is recorded
            what = f"unexpected {type(error).__name__}; the service's log has the details"
            if not await self._set_back(message, job, TransientError(what, code="internal"), span):
                raise
            _LOG.exception("job %s: given up after a defect", job.job_id)

    async def _fail(self, job: Job, error: ArchivalError, span: telemetry.Span, *, given_up: bool = False) -> None:
        _LOG.error("job %s failed: %s", job.job_id, error)
        span.fail(error)
        span.record(error)
        await self._ledger.fail(job, error.code, str(error), given_up=given_up)
        await self._tell(job.job_id)

    async def _set_back(self, message: JobMessage, job: Job, error: TransientError, span: telemetry.Span) -> bool:
        """Whether `message` is settled after `error`: the job is given up, or put off by another message. If not, `message`
        comes again.

        A process that is killed in here leaves the message, which comes back after ten minutes, or leaves two messages for
        one job, of which the second finds the job in hand or ended.
        """
        telemetry.retried(job.kind, error)
        kind = setback.counted_as(error)
        if kind is not None and setback.is_hopeless(await self._ledger.count_failure(job, kind)):
            await self._fail(job, error, span, given_up=True)
            return True
        if not isinstance(error, PostponedError):
            await self._ledger.release(job, error.code, str(error))
            return False
        times = 1
        try:
            if not (isinstance(error, AwayError) and error.dependency == "ledger"):
                times = await self._ledger.release(job, error.code, str(error), postponed=True)
        except AwayError as away:
            # the ledger is away as well: the lease runs out by itself
            await self._dependencies.met(away)
        span.fail(error)
        span.record(error)
        await self._put_off(message, error, times)
        return True

    async def _put_off(self, message: JobMessage, error: PostponedError, times: int = 1) -> None:
        """Send another message for the job, after a time: soon if the dependency is away for all jobs, later each time if
        it refuses this job.
        """
        backoff = self._dependencies.backoff
        if isinstance(error, AwayError) and not await self._dependencies.met(error):
            await self._send_later(message, error, random.uniform(0.5, 1.0) * backoff)  # noqa: S311  spreads contenders
        else:
            await self._send_later(message, error, setback.delay(backoff, times))

    async def give_up(self, message: JobMessage) -> None:
        """The message was delivered too often.

        If its worker was killed each time, the job has failed. Otherwise an outage kept its messages from coming to an end,
        and the job gets another message. Raises `PermanentError` (`unknown-job`) if the ledger has no such job.
        """
        with _about(message, self._queue.poison_channel):
            try:
                if await self._ledger.fail_poisoned(message.job_id, setback.OWN_FAILURES):
                    _LOG.error("job %s failed: its message was delivered too often", message.job_id)
                await self._look_later(message)
            except PostponedError as error:
                await self._put_off(message, error)

    async def _look_later(self, message: JobMessage) -> None:
        """Tell the end of a job that has ended. Any other job is looked at later: it waits, a worker has it, or its worker
        was killed.

        The later look takes another message, because failing the present one would count towards poison.
        """
        found = await self._ledger.find(message.job_id)
        if found is None:
            raise PermanentError(f"job {message.job_id} is not in the ledger", code="unknown-job")
        job, lease_seconds, _ = found
        if job.status is Status.RUNNING:
            await self._send(message, delay_seconds=lease_seconds + 1)
        elif job.status is Status.QUEUED:
            await self._send(message, delay_seconds=self._dependencies.backoff)
        else:
            await self._tell(job.job_id)

    async def _tell(self, job_id: UUID) -> None:
        try:
            await self._announcer.announce(job_id)
        except TransientError as error:
            # the job has ended all the same
            _LOG.warning("the end of job %s is told later, by reconcile: %s", job_id, error)

    async def _send_later(self, message: JobMessage, error: ArchivalError, seconds: float) -> None:
        _LOG.warning("job %s waits %.0f s: %s", message.job_id, seconds, error)
        await self._send(message, delay_seconds=seconds)

    async def _send(self, message: JobMessage, delay_seconds: float = 0) -> None:
        # a note would wait for a ledger that is away; a message that is not noted may be sent once more by reconcile
        ledger = None if self._dependencies.is_in_trouble("ledger") else self._ledger
        await send_again(self._queue, ledger, message, delay_seconds)


@contextmanager
def _about(message: JobMessage, channel: telemetry.Channel) -> Iterator[telemetry.Span]:
    attributes = {"faas.trigger": "pubsub"}
    with telemetry.about_job(message.job_id), telemetry.consume(channel, message.traceparent, attributes) as span:
        yield span


def _described(job: Job) -> dict[str, str | int]:
    return {
        "archival.job.kind": job.kind,
        "archival.job.attempt": job.attempt,
        "archival.hypertable": str(job.hypertable),
        "archival.chunk": str(job.chunk),
    }
