"""The message of a queued job is sent, and then noted in the ledger.

A crash before the message is sent leaves a queued job without a message, and reconcile sends one. A crash before the note
lets reconcile send a second message, which does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from archival_core.clients.queue import QueueClient
from archival_core.ledger.jobs.job_life import AddedJob, Ledger
from archival_core.model.jobs.job import Status
from archival_core.model.jobs.message import JobMessage


async def send_messages(queue: QueueClient, ledger: Ledger, messages: Sequence[JobMessage]) -> None:
    """Send `messages`, each of a job that waits."""
    await queue.send(messages)
    await ledger.messaged([message.job_id for message in messages])


async def send_for_queued(queue: QueueClient, ledger: Ledger, added: Iterable[AddedJob]) -> int:
    """Send a message for each job of `added` that is queued; returns how many jobs that are."""
    messages = [JobMessage(job.job_id, job.traceparent) for job in added if job.status is Status.QUEUED]
    await send_messages(queue, ledger, messages)
    return len(messages)
