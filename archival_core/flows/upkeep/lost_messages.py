"""Jobs whose message is lost get another one.

Every live job has a message: in the queue, delayed, or with its worker. A queue cannot be searched, but its messages can be
counted. If there are fewer messages than live jobs, the difference is how many were lost. So many messages are sent, to the
jobs that have waited longest. The queue therefore never has more than one message for each job, even if thousands wait for
days.

A job may get a message although its own was not lost. The new message is noted, so the next run passes over this job, and
the turn comes to the job that really lost its message. The job of a killed worker is left alone: its message comes back by
itself, and the queue counts its deliveries.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from archival_core.clients.queue import QueueClient
from archival_core.flows.jobs.queues.messages import send_messages
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.ledger.upkeep.left_undone import Upkeep
from archival_core.model.jobs.job import Kind

_LOG = logging.getLogger(__name__)

#: A message of a killed worker is hidden for 10 minutes before it comes again.
PATIENCE: Final = timedelta(minutes=15)
_BATCH: Final = 1000


class LostMessages:
    """Compares each queue with the jobs of its kind."""

    def __init__(self, upkeep: Upkeep, ledger: Ledger, queues: Mapping[Kind, QueueClient]) -> None:
        self._upkeep, self._ledger, self._queues = upkeep, ledger, queues

    async def send_again(self) -> int:
        """Send messages for jobs whose message is lost; returns how many."""
        return sum([await self._send_again(kind, queue) for kind, queue in self._queues.items()])

    async def _send_again(self, kind: Kind, queue: QueueClient) -> int:
        # jobs are counted first: a drain that adds a job and its message in between makes the queue look too long, and
        # nothing is sent
        live = await self._upkeep.live_jobs(kind, PATIENCE)
        missing = live - await queue.count()
        if missing <= 0:
            return 0
        messages = await self._upkeep.waiting(kind, PATIENCE, min(missing, _BATCH))
        if messages:
            _LOG.warning("%d messages are lost, %d jobs that wait are sent again", missing, len(messages))
            await send_messages(queue, self._ledger, messages)
        return len(messages)
