"""The ledger's part in showing jobs, and in calling them off."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from archival_core.ledger.pool import LedgerPool, Row
from archival_core.model.jobs.job import Kind, Status
from archival_core.model.jobs.job_record import JobEvent, JobFilter, JobPosition, JobRecord

_LOWEST_ID = UUID(int=0)
#: A job that is postponed all through a long outage has a line for each attempt.
_MOST_EVENTS = 1000


class JobList:
    """Jobs as records."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def page(self, wanted: JobFilter, after: JobPosition | None, limit: int) -> list[JobRecord]:
        """The newest jobs that are `wanted`, from the place `after` on, by the time of their request."""
        before: tuple[str, UUID] = ("infinity", _LOWEST_ID)
        if wanted.until is not None:
            before = (wanted.until.isoformat(), _LOWEST_ID)
        if after is not None and (wanted.until is None or after.requested_at < wanted.until):
            before = (after.requested_at.isoformat(), after.job_id)
        parameters: dict[str, Any] = {
            "statuses": [str(status) for status in wanted.statuses or Status],
            "kinds": [str(kind) for kind in wanted.kinds or Kind],
            "codes": list(wanted.codes) or None,
            "open": wanted.is_open,
            "since": wanted.since.isoformat() if wanted.since else "-infinity",
            "before": before[0],
            "before_id": before[1],
            "limit": limit,
        }
        if wanted.id_prefix:
            digits = wanted.id_prefix.replace("-", "")
            ids = {"first_id": UUID(digits.ljust(32, "0")), "last_id": UUID(digits.ljust(32, "f"))}
            rows = await self._pool.all("list_jobs_by_id", hypertable=wanted.hypertable, **ids, **parameters)
        elif wanted.audit_entry is not None:
            rows = await self._pool.all("list_audited_jobs", **(parameters | _audited(wanted)))
        elif wanted.is_dismissed:
            rows = await self._pool.all("list_dismissed_jobs", hypertable=wanted.hypertable, **parameters)
        elif wanted.removal_codes:
            codes = list(wanted.removal_codes)
            rows = await self._pool.all("list_refused_jobs", hypertable=wanted.hypertable, removal_codes=codes, **parameters)
        elif wanted.hypertable is None:
            rows = await self._pool.all("list_jobs", **parameters)
        else:
            rows = await self._pool.all("list_jobs_of_hypertable", hypertable=wanted.hypertable, **parameters)
        return [_record(row) for row in rows]

    async def these(self, job_ids: Collection[UUID]) -> list[JobRecord]:
        """Those of `job_ids` that are jobs, by their range."""
        return [_record(row) for row in await self._pool.all("listed_jobs", job_ids=list(job_ids))]

    async def of_chunk(self, hypertable: str, chunk: str, limit: int) -> list[JobRecord]:
        """The newest jobs of a chunk, restores of its archives among them."""
        rows = await self._pool.all("jobs_of_chunk", hypertable=hypertable, chunk=chunk, limit=limit)
        return [_record(row) for row in rows]

    async def total(self, wanted: JobFilter) -> int | None:
        """How many jobs are `wanted`; `None` where neither a sum nor a short index tells."""
        statuses = [str(status) for status in wanted.statuses or Status]
        kinds = [str(kind) for kind in wanted.kinds or Kind]
        if wanted.audit_entry is not None and not (wanted.id_prefix or wanted.since or wanted.until):
            row = await self._pool.one("audited_job_total", statuses=statuses, kinds=kinds, **_audited(wanted))
            return int(row["jobs"]) if row else None
        if (
            wanted.id_prefix
            or wanted.since
            or wanted.until
            or (wanted.codes and not wanted.is_open and not wanted.is_dismissed)
        ):
            return None
        # no job is two of these at a time
        if [bool(wanted.removal_codes), wanted.is_open, wanted.is_dismissed].count(True) > 1:
            return 0
        if wanted.removal_codes:
            if Status.ARCHIVED not in (wanted.statuses or Status) or Kind.ARCHIVE not in (wanted.kinds or Kind):
                return 0
            codes = list(wanted.removal_codes)
            row = await self._pool.one("refused_job_total", hypertable=wanted.hypertable, removal_codes=codes)
        elif wanted.is_open:
            if Status.FAILED not in (wanted.statuses or Status):
                return 0
            codes_or_any = list(wanted.codes) or None
            row = await self._pool.one("open_job_total", hypertable=wanted.hypertable, kinds=kinds, codes=codes_or_any)
        elif wanted.is_dismissed:
            codes_or_any = list(wanted.codes) or None
            narrowed = {"statuses": statuses, "kinds": kinds, "codes": codes_or_any, "hypertable": wanted.hypertable}
            row = await self._pool.one("dismissed_job_total", **narrowed)
        else:
            row = await self._pool.one("job_total", statuses=statuses, kinds=kinds, hypertable=wanted.hypertable)
        return int(row["jobs"]) if row else None

    async def changes(self, job_id: UUID) -> list[JobEvent]:
        """The first changes of a job, the oldest first."""
        rows = await self._pool.all("job_history", job_id=job_id, limit=_MOST_EVENTS)
        return [_event(row) for row in rows]

    async def cancel(self, job_id: UUID, cancelled_by: str) -> bool:
        """End a queued or running job; false if it is neither."""
        return await self._pool.one("cancel_job", job_id=job_id, cancelled_by=cancelled_by) is not None

    async def hypertables(self) -> list[str]:
        """Every hypertable that has a job."""
        return [row["hypertable"] for row in await self._pool.all("ledger_hypertables")]


def _audited(wanted: JobFilter) -> dict[str, Any]:
    return {
        "audit_entry": wanted.audit_entry,
        "hypertable": wanted.hypertable,
        "codes": list(wanted.codes) or None,
        "open": wanted.is_open,
        "dismissed": wanted.is_dismissed,
        "removal_codes": list(wanted.removal_codes) or None,
    }


def _record(row: Row) -> JobRecord:
    return JobRecord(**{**row, "kind": Kind(row["kind"]), "status": Status(row["status"])})


def _event(row: Row) -> JobEvent:
    return JobEvent(**{**row, "from_status": Status(row["from_status"]), "to_status": Status(row["to_status"])})
