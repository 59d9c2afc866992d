"""The ledger's part in answering for many jobs at a time: which are meant, and queuing or ending some of them at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from archival_core.clients.postgres.prose import Prose
from archival_core.ledger.pool import LedgerPool
from archival_core.model.jobs.bulk import BulkJobs, BulkJobsCursor
from archival_core.model.jobs.job import Kind, Status
from archival_core.model.jobs.job_record import JobPosition
from archival_core.model.jobs.message import JobMessage

#: Why a job is not queued again: its chunk has a live one, or a later request has done what this one would do.
_PASSED = {"live": "chunk-has-a-live-job", "done": "done-since"}


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of some jobs."""

    #: the messages that are owed for jobs that are queued again
    messages: Mapping[Kind, Sequence[JobMessage]]
    #: jobs that stay as they are, by the reason
    passed: Counter[str]


class BulkJobLedger:
    """Statements about many jobs."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def page(self, meant: BulkJobs, place: BulkJobsCursor, limit: int) -> list[JobPosition]:
        """Where the next jobs that are meant stand, oldest request first."""
        rows = await self._pool.all("matching_jobs", limit=limit, **_matching(meant, place))
        return [JobPosition(row["requested_at"], row["job_id"]) for row in rows]

    async def count(self, meant: BulkJobs, place: BulkJobsCursor) -> dict[str, int]:
        """How many jobs are meant from `place` on, by the code of their error; the most frequent code first."""
        return {row["code"]: row["jobs"] for row in await self._pool.all("count_matching_jobs", **_matching(meant, place))}

    async def retry(self, job_ids: Collection[UUID], statuses: Collection[Status], as_of: datetime) -> Retried:
        """Queue again, in one transaction, the jobs of `job_ids` that may be tried again."""
        messages: dict[Kind, list[JobMessage]] = {kind: [] for kind in Kind}
        passed: Counter[str] = Counter()
        # somebody may be queuing a job for one of these chunks at this moment, which the next try sees
        rows = await self._pool.all_again(
            "retry_jobs", job_ids=list(job_ids), statuses=[str(status) for status in statuses], as_of=as_of
        )
        for row in rows:
            if row["passed"] is None:
                messages[Kind(row["kind"])].append(JobMessage(row["job_id"], row["traceparent"]))
            else:
                passed[_PASSED[row["passed"]]] += 1
        return Retried(messages, passed)

    async def cancel(self, job_ids: Collection[UUID], statuses: Collection[Status], cancelled_by: str) -> list[UUID]:
        """End the live jobs of `job_ids`; returns which."""
        rows = await self._pool.all(
            "cancel_jobs", job_ids=list(job_ids), statuses=[str(s) for s in statuses], cancelled_by=cancelled_by
        )
        return [row["job_id"] for row in rows]

    async def dismiss(
        self, job_ids: Collection[UUID], statuses: Collection[Status], reason: str, dismissed_by: str
    ) -> list[UUID]:
        """Dismiss the failures of `job_ids` that nobody has dismissed yet; returns which."""
        rows = await self._pool.all(
            "dismiss_jobs",
            job_ids=list(job_ids),
            statuses=[str(status) for status in statuses],
            reason=Prose(reason),
            dismissed_by=Prose(dismissed_by),
        )
        return [row["job_id"] for row in rows]

    async def undismiss(self, job_ids: Collection[UUID]) -> list[UUID]:
        """Take back the dismissals of `job_ids`; returns which of the jobs had one."""
        return [row["job_id"] for row in await self._pool.all("undismiss_jobs", job_ids=list(job_ids))]

    async def statuses(self, job_ids: Collection[UUID]) -> dict[UUID, Status]:
        """The statuses of `job_ids`, without ids that no job has."""
        rows = await self._pool.all("listed_jobs", job_ids=list(job_ids))
        return {row["job_id"]: Status(row["status"]) for row in rows}


def _matching(meant: BulkJobs, place: BulkJobsCursor) -> dict[str, Any]:
    wanted = meant.wanted
    return {
        "statuses": [str(status) for status in wanted.statuses],
        "kinds": [str(kind) for kind in wanted.kinds or Kind],
        "hypertable": wanted.hypertable,
        "codes": list(wanted.codes) or None,
        "open": wanted.is_open,
        "dismissed": wanted.is_dismissed,
        "job_ids": list(meant.job_ids) or None,
        "since": wanted.since.isoformat() if wanted.since else "-infinity",
        "until": wanted.until.isoformat() if wanted.until else "infinity",
        "as_of": place.as_of,
        "after": place.after.requested_at.isoformat() if place.after else "-infinity",
        "after_id": place.after.job_id if place.after else UUID(int=0),
    }
