"""Jobs are submitted: a row in the ledger, then the job's message, then the note that the message was sent.

A crash before the message is sent leaves a queued job without a message, and reconcile sends one. A crash before the note
lets reconcile send a second message, which does no harm. `sharing` and `poisoned` send messages too, and record no job.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from archival_core.clients.queue import QueueClient
from archival_core.errors import PostponedError
from archival_core.ledger.jobs.adding import AddedJob, NewJob
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.jobs.job import Status
from archival_core.model.jobs.message import JobMessage


async def submit(queue: QueueClient, ledger: Ledger, jobs: Sequence[NewJob]) -> list[AddedJob]:
    """Record `jobs` and send their messages; the answer has the same order."""
    added = await ledger.add_jobs(jobs)
    await send_for_queued(queue, ledger, added)
    return added


async def send_for_queued(queue: QueueClient, ledger: Ledger, added: Iterable[AddedJob]) -> int:
    """Send a message for each job of `added`, which are recorded, that is queued; returns how many jobs that are."""
    messages = [JobMessage(job.job_id, job.traceparent) for job in added if job.status is Status.QUEUED]
    await send_messages(queue, ledger, messages)
    return len(messages)


async def send_messages(queue: QueueClient, ledger: Ledger, messages: Sequence[JobMessage]) -> None:
    """Send `messages`, each of a job that waits."""
    await queue.send(messages)
    await ledger.messaged([message.job_id for message in messages])


async def send_again(queue: QueueClient, ledger: Ledger | None, message: JobMessage, delay_seconds: float) -> None:
    """Send the message of a job that is given back, to be seen after `delay_seconds`; without a `ledger` it is not noted.

    That it could not be noted is no reason to keep the present message.
    """
    await queue.send([message], delay_seconds=delay_seconds)
    if ledger is not None:
        with suppress(PostponedError):
            await ledger.messaged([message.job_id])
