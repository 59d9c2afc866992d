"""Many jobs are queued again or called off, by a filter.

One call acts on a bounded number of jobs, in steps, and each step leaves the ledger whole. A call that was killed can be
made again: a job that is queued again has not failed any more, so nothing is done twice. If a step was recorded and its
messages were not sent, reconcile sends them.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from archival_core.clients.queue import QueueClient
from archival_core.flows.jobs.queues.messages import send_messages
from archival_core.ledger.jobs.bulk_jobs import BulkJobLedger
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.jobs.bulk import BulkJobs, BulkJobsCursor, BulkReport
from archival_core.model.jobs.job import LIVE, Kind, Status
from archival_core.model.jobs.job_record import JobPosition

_LOG = logging.getLogger(__name__)

#: Jobs of one transaction, whose messages are sent before the next begins.
_STEP: Final = 100
#: Seconds after which a call begins no further step. The caller waits longer than that.
_SECONDS: Final = 20.0
#: The jobs that an action means where the request gives no status.
RETRIED: Final = frozenset({Status.FAILED})
CANCELLED: Final = LIVE

#: Does one step; returns the jobs that it changed, and how many it left alone, by reason.
Step = Callable[[Collection[UUID], datetime], Awaitable[tuple[Collection[UUID], Counter[str]]]]


class BulkJobActions:
    """Retry, cancel, dismiss and undismiss, for all jobs that a filter means."""

    def __init__(self, jobs: BulkJobLedger, ledger: Ledger, queues: Mapping[Kind, QueueClient]) -> None:
        self._jobs, self._ledger, self._queues = jobs, ledger, queues

    async def preview(self, meant: BulkJobs) -> BulkReport[BulkJobsCursor]:
        """How many jobs are meant, by error code. Nothing is changed."""
        codes = await self._jobs.count(meant, BulkJobsCursor(await self._ledger.now()))
        return BulkReport(0, left=sum(codes.values()), left_by_code=codes)

    async def retry(self, meant: BulkJobs, place: BulkJobsCursor | None, limit: int) -> BulkReport[BulkJobsCursor]:
        """Queue up to `limit` jobs again, from `place` on.

        Those whose chunk has a live job, or was archived since, are passed over.
        """
        statuses = meant.wanted.statuses

        async def step(job_ids: Collection[UUID], as_of: datetime) -> tuple[Collection[UUID], Counter[str]]:
            retried = await self._jobs.retry(job_ids, statuses, as_of)
            for kind, messages in retried.messages.items():
                await send_messages(self._queues[kind], self._ledger, messages)
            return [message.job_id for messages in retried.messages.values() for message in messages], retried.passed

        report = await self._each(meant, place, limit, step, "not-retryable")
        _LOG.info("%d jobs are queued again, passed over: %s", report.done, dict(report.passed))
        return report

    async def cancel(
        self, meant: BulkJobs, place: BulkJobsCursor | None, limit: int, cancelled_by: str
    ) -> BulkReport[BulkJobsCursor]:
        """End up to `limit` jobs, from `place` on."""
        statuses = meant.wanted.statuses

        async def step(job_ids: Collection[UUID], as_of: datetime) -> tuple[Collection[UUID], Counter[str]]:
            ended = await self._jobs.cancel(job_ids, statuses, cancelled_by)
            return ended, Counter({"not-cancellable": len(job_ids) - len(ended)})

        report = await self._each(meant, place, limit, step, "not-cancellable")
        _LOG.warning("%d jobs are cancelled by %r", report.done, cancelled_by)
        return report

    async def dismiss(
        self, meant: BulkJobs, place: BulkJobsCursor | None, limit: int, reason: str, dismissed_by: str
    ) -> BulkReport[BulkJobsCursor]:
        """Take up to `limit` failures off the list of those that wait for somebody, from `place` on; a retry stays possible."""
        statuses = meant.wanted.statuses

        async def step(job_ids: Collection[UUID], as_of: datetime) -> tuple[Collection[UUID], Counter[str]]:
            dismissed = await self._jobs.dismiss(job_ids, statuses, reason, dismissed_by)
            return dismissed, Counter({"dismissed": len(job_ids) - len(dismissed)})

        report = await self._each(meant, place, limit, step, "not-retryable")
        _LOG.warning("%d failures are dismissed by %r: %r", report.done, dismissed_by, reason)
        return report

    async def undismiss(
        self, meant: BulkJobs, place: BulkJobsCursor | None, limit: int, asked_by: str
    ) -> BulkReport[BulkJobsCursor]:
        """Put up to `limit` dismissed failures back on the list of those that wait for somebody, from `place` on."""

        async def step(job_ids: Collection[UUID], as_of: datetime) -> tuple[Collection[UUID], Counter[str]]:
            opened = await self._jobs.undismiss(job_ids)
            return opened, Counter({"not-dismissed": len(job_ids) - len(opened)})

        report = await self._each(meant, place, limit, step, "not-retryable")
        if meant.job_ids and place is None:
            # what was named and met no step has failed, and nobody has dismissed it
            left = len(meant.job_ids) - report.done - sum(report.passed.values()) - (report.left or 0)
            report = replace(report, passed=Counter(report.passed) + Counter({"not-dismissed": left}))
        _LOG.warning("%d dismissals are taken back by %r", report.done, asked_by)
        return report

    async def _each(
        self, meant: BulkJobs, place: BulkJobsCursor | None, limit: int, step: Step, elsewhere: str
    ) -> BulkReport[BulkJobsCursor]:
        """Steps until all are done, or `limit`, or the time is over; `elsewhere` is said of named jobs in another status."""
        passed: Counter[str] = Counter()
        if place is None:
            passed += await self._unmatched(meant, elsewhere)
            place = BulkJobsCursor(await self._ledger.now())
        deadline = time.monotonic() + _SECONDS
        done: list[UUID] = []
        seen = 0
        while seen < limit and time.monotonic() < deadline:
            size = min(_STEP, limit - seen)
            found: list[JobPosition] = await self._jobs.page(meant, place, size)
            if found:
                did, left_alone = await step([job.job_id for job in found], place.as_of)
                done += did
                seen, passed = seen + len(found), passed + left_alone
                place = replace(place, after=found[-1])
            if len(found) < size:
                return BulkReport(len(done), passed, job_ids=tuple(done))
        codes = await self._jobs.count(meant, place)
        return BulkReport(len(done), passed, sum(codes.values()), codes, place if codes else None, tuple(done))

    async def _unmatched(self, meant: BulkJobs, elsewhere: str) -> Counter[str]:
        """Of jobs that were named one by one, those that are none, or are in another status."""
        found = await self._jobs.statuses(meant.job_ids) if meant.job_ids else {}
        others = sum(status not in meant.wanted.statuses for status in found.values())
        return +Counter({"unknown-job": len(meant.job_ids) - len(found), elsewhere: others})
