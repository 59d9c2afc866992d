"""Jobs whose message is lost get another one.

Every live job has a message: waiting, delayed, or in flight with its worker. The queue cannot be searched, but it can be
counted, and a backlog of thousands may wait for days with nothing amiss. So a message is sent only for as many jobs as there
are messages missing, those that wait longest first: the queue never grows beyond one message a job. A job that had one after
all is passed over the next time, because the new message is noted, and so the turn comes to the one in need. A job whose worker
was killed is not helped sooner: its message is in the queue, and its deliveries are counted there towards poison.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from archival_core.clients.queue import QueueClient
from archival_core.ledger.jobs import Ledger
from archival_core.ledger.upkeep import Upkeep
from archival_core.model.job import Kind

_LOG = logging.getLogger(__name__)

#: A message of a killed worker is hidden for 10 minutes before it comes again.
PATIENCE: Final = timedelta(minutes=15)
_BATCH: Final = 1000


class LostMessages:
    """Compares each queue with the jobs of its kind."""

    def __init__(self, upkeep: Upkeep, ledger: Ledger, queues: Mapping[Kind, QueueClient]) -> None:
        self._upkeep, self._ledger, self._queues = upkeep, ledger, queues

    async def send_again(self) -> int:
        """Messages sent."""
        return sum([await self._send_again(kind, queue) for kind, queue in self._queues.items()])

    async def _send_again(self, kind: Kind, queue: QueueClient) -> int:
        # in this order: a drain that adds both in between makes the queue seem too long, which costs no duplicates
        live = await self._upkeep.live_jobs(kind, PATIENCE)
        missing = live - await queue.count()
        if missing <= 0:
            return 0
        messages = await self._upkeep.waiting(kind, PATIENCE, min(missing, _BATCH))
        if messages:
            _LOG.warning("%d messages are lost, %d jobs that wait are sent again", missing, len(messages))
            await queue.send(messages)
            await self._ledger.messaged([message.job_id for message in messages])
        return len(messages)
