"""What every job of the queue has in common: its lease, its end, and what becomes of its message.

A message is deleted when its job has ended, or is being worked on by somebody; all else comes again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from archival_core import telemetry
from archival_core.clients.queue import QueueClient
from archival_core.errors import LostLeaseError, PermanentError, TransientError
from archival_core.flows.jobs.announcer import Announcer
from archival_core.flows.jobs.lease import kept_lease
from archival_core.flows.jobs.ownership import Ownership
from archival_core.ledger.jobs import Ledger
from archival_core.model.job import Job, Status
from archival_core.model.message import JobMessage

_LOG = logging.getLogger(__name__)

#: how long a job waits that this service must not do now
_WAITING_SECONDS: Final = 60

#: Does a job whose lease is held, and writes its end into the ledger; false when another run has to go on.
Work = Callable[[Job], Awaitable[bool]]


class JobRunner:
    """Settles messages of one queue, each naming one job."""

    def __init__(
        self, ledger: Ledger, announcer: Announcer, ownership: Ownership, queue: QueueClient, lease: timedelta
    ) -> None:
        self._ledger, self._announcer, self._ownership = ledger, announcer, ownership
        self._queue, self._lease = queue, lease

    async def run(self, message: JobMessage, work: Work) -> None:
        """Do the message's job, unless that is done or being done.

        Returns when the message may be deleted. Raises `TransientError` (or whatever is a defect) when it must come again.
        """
        with _taken(message, self._queue.channel) as span:
            try:
                await self._ownership.check()
            except PermanentError as error:
                # nothing is wrong with the job: it waits until somebody has said which source the lake belongs to
                _LOG.error("job %s waits: %s", message.job_id, error)
                await self._send(message, delay_seconds=_WAITING_SECONDS)
                return
            job = await self._ledger.take_lease(message.job_id, self._lease)
            if job is None:
                await self._look_later(message)
                return
            span.link(job.first_attempt)
            span.describe(_described(job))
            await self._run(message, job, work, span)

    async def _run(self, message: JobMessage, job: Job, work: Work, span: telemetry.Span) -> None:
        _LOG.info("job %s: %s %s, attempt %d", job.job_id, job.kind, job.chunk, job.attempt)
        try:
            async with kept_lease(self._ledger, job, self._lease):
                is_done = await work(job)
            if not is_done:
                # by a message of its own: this one's deliveries count towards poison
                await self._ledger.postpone(job)
                await self._send(message)
                return
        except LostLeaseError as error:
            telemetry.retried(job.kind, error)
            raise
        except PermanentError as error:
            _LOG.error("job %s failed: %s", job.job_id, error)
            span.fail(error)
            span.record(error)
            await self._ledger.fail(job, error.code, str(error))
        except TransientError as error:
            telemetry.retried(job.kind, error)
            await self._ledger.release(job, error.code, str(error))
            raise
        except Exception as error:
            # a defect: what it says may hold anything, so only its kind is recorded
            telemetry.retried(job.kind, error)
            await self._ledger.release(job, "internal", f"unexpected {type(error).__name__}; the service's log has the details")
            raise
        await self._announcer.announce(message.job_id)

    async def give_up(self, message: JobMessage) -> None:
        """The message was delivered too often: the job has failed, unless a worker still holds it or it ended after all.

        Raises `PermanentError` (`unknown-job`) if the ledger has no such job.
        """
        with _taken(message, self._queue.poison_channel):
            if await self._ledger.fail_poisoned(message.job_id):
                _LOG.error("job %s failed: its message was delivered too often", message.job_id)
            await self._look_later(message)

    async def _look_later(self, message: JobMessage) -> None:
        """Announce what has ended. A worker that has the job, or had it and was killed, is looked at when its lease is over,
        with a message of its own: failing this one would count towards poison."""
        found = await self._ledger.find(message.job_id)
        if found is None:
            raise PermanentError(f"job {message.job_id} is not in the ledger", code="unknown-job")
        job, lease_seconds, _ = found
        if job.status is Status.RUNNING:
            await self._send(message, delay_seconds=lease_seconds + 1)
            return
        await self._announcer.announce(message.job_id)

    async def _send(self, message: JobMessage, delay_seconds: float = 0) -> None:
        await self._queue.send([message], delay_seconds=delay_seconds)
        await self._ledger.messaged([message.job_id])


@contextmanager
def _taken(message: JobMessage, channel: telemetry.Channel) -> Iterator[telemetry.Span]:
    told = {"faas.trigger": "pubsub"}
    with telemetry.about_job(message.job_id), telemetry.consume(channel, message.traceparent, told) as span:
        yield span


def _described(job: Job) -> dict[str, str | int]:
    return {
        "archival.job.kind": job.kind,
        "archival.job.attempt": job.attempt,
        "archival.hypertable": str(job.hypertable),
        "archival.chunk": str(job.chunk),
    }
