"""A large chunk is shared: its worker and the instances that help claim its parts, until all are in staging.

The worker does not depend on anybody: what nobody else claims, or what somebody has claimed and does not finish, it reads
itself. Whoever helps works under the worker's lease, and what is finished after that lease does not count.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from typing import Final

from archival_core import telemetry
from archival_core.errors import ArchivalError, AwayError, PermanentError
from archival_core.flows.archive.shared_reading import SharedReading
from archival_core.flows.jobs.dependencies import OF_JOBS, Dependencies
from archival_core.flows.jobs.ownership import Ownership
from archival_core.flows.jobs.queues.sharing import Sharing
from archival_core.ledger.jobs.shared_parts import SharedParts
from archival_core.model.jobs.job import Job
from archival_core.model.jobs.message import JobMessage
from archival_core.model.jobs.progress import Progress

_LOG = logging.getLogger(__name__)

#: instances that are called to help with one chunk at most
HELPERS: Final = 15
#: seconds between two looks at what others have not finished: short at first, since most parts end soon
_LOOKS: Final = (0.1, 0.2, 0.5, 1.0)
#: how long a run waits for others when its own time is over
_PATIENCE: Final = timedelta(minutes=2)


class SharingParts:
    """Shares the parts of chunks among instances."""

    def __init__(
        self,
        parts: SharedParts,
        reading: SharedReading,
        sharing: Sharing,
        ownership: Ownership,
        dependencies: Dependencies,
        *,
        readers: int,
    ) -> None:
        self._parts, self._reading, self._sharing = parts, reading, sharing
        self._ownership, self._dependencies, self._readers = ownership, dependencies, readers

    async def archive(self, job: Job, progress: Progress, missing: list[int], deadline: float) -> None:
        """Return when the parts of the numbers `missing` are finished, or the time is over: the ledger has those that are.

        No part begins after `deadline`, a time of `time.monotonic`, but for the first ones of the run. Raises as
        `SharedReading.read`, and `LostLeaseError`.
        """
        await self._parts.share(job, missing)
        # a queue that is away does not hold the worker up
        calling = asyncio.create_task(self._sharing.call(job, min(HELPERS, -(-len(missing) // self._readers) - 1)))
        try:
            await self._read_all(job, progress, deadline)
        finally:
            calling.cancel()
            await asyncio.wait([calling])

    async def _read_all(self, job: Job, progress: Progress, deadline: float) -> None:
        begun = 0

        def may_begin() -> bool:
            nonlocal begun
            begun += 1
            # a run writes at least one part, or the job would never end
            return begun == 1 or time.monotonic() <= deadline

        looks = 0
        while True:
            await self._reading.read(job, progress, may_begin)
            is_over = time.monotonic() > deadline
            if is_over:
                await self._parts.withdraw(job)
            left = await self._parts.unfinished(job)
            if not left.missing or time.monotonic() > deadline + _PATIENCE.total_seconds():
                return
            if is_over or left.claimed == left.missing:
                await asyncio.sleep(_LOOKS[min(looks, len(_LOOKS) - 1)])
                looks += 1

    async def read_alone(self, job: Job) -> None:
        """The chunk has changed while it was shared: the next run reads it in one snapshot. Raises `LostLeaseError`."""
        _LOG.warning("job %s: the chunk has changed while its parts were shared, so the next run reads it alone", job.job_id)
        await self._parts.read_alone(job)

    async def help(self, message: JobMessage, time_budget: timedelta) -> None:
        """Read parts of the chunk of one job, while there are any and the time is not over.

        What goes wrong is left to the worker that has the job: it comes to the same part.
        """
        deadline = time.monotonic() + time_budget.total_seconds()
        try:
            await self._dependencies.wait_for(OF_JOBS)
            await self._ownership.check()
            found = await self._parts.find(message.job_id)
            if found is None:
                return
            job, progress = found
            with telemetry.carried_on("archive.help", job.traceparent, job.job_id, chunk=str(job.chunk)) as span:
                span.link(job.first_attempt)
                await self._reading.read(job, progress, lambda: time.monotonic() <= deadline)
            self._dependencies.worked(OF_JOBS)
        except AwayError as error:
            await self._dependencies.met(error)
            _LOG.warning("job %s: nobody helps from here: %s", message.job_id, error)
        except PermanentError as error:
            _LOG.warning("job %s: nobody helps from here: %s", message.job_id, error)
        except ArchivalError as error:
            _LOG.warning("job %s: a part is left to its worker: %s", message.job_id, error)

    async def give_up(self, message: JobMessage) -> None:
        """Each instance that helped was killed. The job's own worker has the parts, and says what becomes of the job."""
        _LOG.error("job %s: whoever helped with its parts was killed each time", message.job_id)
