"""A timer, or the worker of a large chunk, shares its work with other instances, by messages of a queue of their own.

A message is no promise: the ledger knows what is due, and whoever has sent the message does it in the end. A message that is
lost, or whose work somebody else does, therefore does no harm. While the queue is away, nobody helps, and that is all.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from archival_core.clients.queue import QueueClient
from archival_core.errors import AwayError
from archival_core.model.jobs.job import Job
from archival_core.model.jobs.message import JobMessage

_LOG = logging.getLogger(__name__)

#: Messages that may wait in the queue when more are sent. So many keep the instances that help at work, and the queue is
#: never long.
LOW_WATER: Final = 20


class Sharing:
    """Shares work on archives, or on the parts of one."""

    def __init__(self, queue: QueueClient) -> None:
        self._queue = queue

    async def share(self, jobs: Sequence[Job]) -> set[UUID]:
        """Send a message for each of `jobs`, unless enough messages wait; returns the jobs that others have now."""
        try:
            if not jobs or await self._queue.count() > LOW_WATER:
                return set()
            await self._queue.send([JobMessage(job.job_id, job.traceparent) for job in jobs])
        except AwayError as error:
            _LOG.warning("nobody helps: %s", error)
            return set()
        return {job.job_id for job in jobs}

    async def call(self, job: Job, helpers: int) -> None:
        """Send as many messages of one job, each of which calls an instance to help with it, unless enough messages wait."""
        try:
            if helpers > 0 and await self._queue.count() <= LOW_WATER:
                await self._queue.send([JobMessage(job.job_id, job.traceparent)] * helpers)
        except AwayError as error:
            _LOG.warning("nobody helps with job %s: %s", job.job_id, error)
