"""Archive one chunk: the heart of the service, as its steps.

    lease → catalog → snapshot → Parquet into staging → read back and compare → atomic rename → manifest → ledger → result

Any step may run twice or crash half-way. Staging belongs to one attempt; the rename publishes the parts together with their
manifest, so an attempt that finds its job's archive published only has to finish the bookkeeping.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from archival_core.clients.ledger import Ledger
from archival_core.clients.queue_client import QueueClient
from archival_core.errors import LostLeaseError, PermanentError, TransientError
from archival_core.flows.announcer import Announcer
from archival_core.flows.chunk_archiver import ChunkArchiver
from archival_core.flows.lease import kept_lease
from archival_core.model.job import Job, Status
from archival_core.model.message import JobMessage

_LOG = logging.getLogger(__name__)


class ArchivalProcessor:
    """Settles queue messages, each naming one job."""

    def __init__(
        self, ledger: Ledger, announcer: Announcer, queue: QueueClient, archiver: ChunkArchiver, lease: timedelta
    ) -> None:
        self._ledger, self._announcer, self._queue = ledger, announcer, queue
        self._archiver, self._lease = archiver, lease

    async def process(self, message: JobMessage) -> None:
        """Archive the chunk of the message's job, unless that is done or being done.

        Returns when the message may be deleted. Raises `TransientError` (or whatever is a defect) when it must come again.
        """
        job = await self._ledger.take_lease(message.job_id, self._lease)
        if job is None:
            await self._settle_without_lease(message)
            return
        _LOG.info("job %s: archiving %s, attempt %d", job.job_id, job.chunk, job.attempt)
        try:
            async with kept_lease(self._ledger, job, self._lease):
                manifest = await self._archiver.archive(job)
                if manifest is None:
                    await self._continue_later(job, message)
                    return
                await self._ledger.finish_archive(job, manifest)
        except LostLeaseError:
            raise
        except PermanentError as error:
            if error.code == "unknown-chunk" and await self._ledger.skip_removed(job):
                return
            _LOG.error("job %s failed: %s", job.job_id, error)
            await self._ledger.fail(job, error.code, str(error))
        except TransientError as error:
            await self._ledger.release(job, error.code, str(error))
            raise
        except Exception as error:
            # a defect: what it says may hold anything, so only its kind is recorded
            await self._ledger.release(job, "internal", f"unexpected {type(error).__name__}; the service's log has the details")
            raise
        await self._announcer.announce(message.job_id)

    async def _continue_later(self, job: Job, message: JobMessage) -> None:
        """Another run goes on with the job, by a message of its own: this one's deliveries count towards poison."""
        await self._ledger.postpone(job)
        await self._queue.send([message])

    async def give_up(self, message: JobMessage) -> None:
        """The message was delivered too often: the job has failed, unless a worker still holds it or it ended after all."""
        if await self._ledger.fail_poisoned(message.job_id):
            _LOG.error("job %s failed: its message was delivered too often", message.job_id)
        found = await self._ledger.find(message.job_id)
        if found is None:
            raise TransientError(f"job {message.job_id} is not in the ledger", code="unknown-job")
        job, lease_seconds, _ = found
        if job.status is Status.RUNNING:
            # the poison message was a duplicate; a later look decides
            await self._queue.send([message], delay_seconds=lease_seconds + 1)
            return
        await self._announcer.announce(message.job_id)

    async def _settle_without_lease(self, message: JobMessage) -> None:
        found = await self._ledger.find(message.job_id)
        if found is None:
            raise TransientError(f"job {message.job_id} is not in the ledger", code="unknown-job")
        job, lease_seconds, _ = found
        if job.status is Status.RUNNING:
            # Another worker has it, or had it and was killed. Look again when its lease is over, with a message of its own:
            # failing this one would count towards poison.
            await self._queue.send([message], delay_seconds=lease_seconds + 1)
            return
        await self._announcer.announce(message.job_id)
