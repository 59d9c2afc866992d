"""The ledger in numbers. Nothing here takes longer because the ledger has more jobs; see migration 0008."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import accumulate
from typing import Any, Final

from archival_core.ledger.pool import LedgerPool, Row
from archival_core.model.chunks.chunk import ChunkRange
from archival_core.model.insight.insight import (
    Day,
    Failure,
    FailureGroup,
    FindingCount,
    Histogram,
    JobCount,
    LedgerState,
    OpenFailures,
    Outcome,
    OutcomeTotals,
    Pace,
    RefusalGroup,
    RunningJob,
    StreamHold,
    Totals,
)
from archival_core.model.jobs.job import Kind, Status
from archival_core.model.lake.lake_table_state import LakeTableState

#: Rows of a tally that are read as they are; more are summed up first.
_FOLDED_FROM: Final = 5_000


class InsightReader:
    """Reads sums, and the newest of each list."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool
        self._bounds: Row | None = None

    async def state(self) -> LedgerState:
        """Everything that is a number."""
        jobs = await self._pool.all("jobs_by_state")
        outcomes = await self._pool.all("outcomes")
        findings = await self._pool.all("findings_by_problem")
        oldest = await self._pool.all("oldest_unremoved")
        holds = await self._pool.all("stream_holds")
        others = await self._pool.one("single_numbers")
        assert others is not None, "the statement always has a row"
        await self._compact(jobs, outcomes)
        return LedgerState(
            tuple(
                JobCount(row["hypertable"], Kind(row["kind"]), Status(row["status"]), row["jobs"], _totals(row))
                for row in jobs
                if row["jobs"]
            ),
            tuple(await self._outcomes(outcomes)),
            tuple(FindingCount(row["hypertable"], row["problem"], row["findings"]) for row in findings),
            {row["hypertable"]: row["finished_at"] for row in oldest},
            others["strays"],
            others["discarded"],
            others["paused"],
            tuple(StreamHold(row["name"], row["held_by"], row["held_since"]) for row in holds),
            tuple(LakeTableState(**row) for row in await self._pool.all("lake_tables")),
        )

    async def running(self, limit: int) -> list[RunningJob]:
        """Jobs in hand, those that run longest first."""
        return [
            RunningJob(
                row["job_id"],
                Kind(row["kind"]),
                row["hypertable"],
                row["chunk"],
                ChunkRange(row["range_start"], row["range_end"]),
                row["attempt"],
                row["started_at"],
                row["parts"],
                row["parts_done"],
                row["rows_done"] or 0,
            )
            for row in await self._pool.all("running_jobs", limit=limit)
        ]

    async def failures(self, limit: int) -> list[Failure]:
        """Failed jobs whose chunk has had no better one since and that nobody dismissed, the newest first."""
        return [_failure(row) for row in await self._pool.all("newest_failures", limit=limit)]

    async def open_failures(self) -> list[OpenFailures]:
        """How many there are of each hypertable, with the newest."""
        return [OpenFailures(row["jobs"], _failure(row)) for row in await self._pool.all("open_failures")]

    async def failure_groups(self) -> list[FailureGroup]:
        """Every failure of `failures`, whatever their number, by its code."""
        return [
            FailureGroup(
                row["code"],
                row["jobs"],
                row["is_transient"],
                row["oldest"],
                row["newest"],
                row["message"] or "",
                tuple(row["hypertables"]),
            )
            for row in await self._pool.all("failure_groups")
        ]

    async def refusal_groups(self) -> list[RefusalGroup]:
        """Archives whose chunk is to go and is refused, by the reason."""
        return [
            RefusalGroup(
                row["code"], row["chunks"], row["bytes"], row["newest"], row["message"] or "", tuple(row["hypertables"])
            )
            for row in await self._pool.all("refusal_groups")
        ]

    async def pace(self) -> Pace:
        """Of the last hour."""
        row = await self._pool.one("pace")
        assert row is not None, "the statement always has a row"
        return Pace(row["archives"], row["source_bytes"], row["seconds"])

    async def timeline(self, first: date, hypertable: str | None) -> list[Day]:
        """The days from `first` on that something happened on, of one hypertable or of all."""
        days: defaultdict[date, dict[Outcome, Totals]] = defaultdict(dict)
        for row in await self._pool.all("timeline", first=first, hypertable=hypertable):
            days[row["day"]][Outcome(row["outcome"])] = _totals(row)
        return [
            Day(
                day,
                found.get(Outcome.ARCHIVED, Totals()),
                found.get(Outcome.REMOVED, Totals()),
                found.get(Outcome.RESTORED, Totals()),
                found.get(Outcome.FAILED, Totals()).jobs,
            )
            for day, found in days.items()
        ]

    async def freed_since(self, first: date) -> dict[str, int]:
        """By hypertable: bytes that left the database from the day `first` on, in UTC, and were not brought back since."""
        return {row["hypertable"]: row["source_bytes"] for row in await self._pool.all("freed_since", first=first)}

    async def _outcomes(self, rows: Iterable[Row]) -> list[OutcomeTotals]:
        if self._bounds is None:
            self._bounds = await self._pool.one("histogram_bounds")
            assert self._bounds is not None
        groups: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in rows:
            groups[row["hypertable"], row["outcome"]].append(row)
        return [
            OutcomeTotals(
                hypertable,
                Outcome(outcome),
                sum(map(_totals, group), Totals()),
                _histogram(group, "seconds_bucket", self._bounds["seconds"], sum(row["seconds"] for row in group)),
                _histogram(group, "bytes_bucket", self._bounds["bytes"], sum(row["parquet_bytes"] for row in group)),
            )
            for (hypertable, outcome), group in groups.items()
        ]

    async def _compact(self, jobs: Sequence[Row], outcomes: Sequence[Row]) -> None:
        if sum(row["differences"] for row in jobs) > _FOLDED_FROM + len(jobs):
            await self._pool.one("fold_job_tally")
        if sum(row["differences"] for row in outcomes) > _FOLDED_FROM + len(outcomes):
            await self._pool.one("fold_outcome_tally")
            await self._pool.one("fold_day_tally")
            await self._pool.one("fold_freed_tally")


def _failure(row: Row) -> Failure:
    error = row["error"] or {}
    return Failure(
        row["job_id"],
        Kind(row["kind"]),
        row["hypertable"],
        row["chunk"],
        row["attempt"],
        row["finished_at"],
        str(error.get("code", "unknown")),
        str(error.get("message", "")),
    )


def _totals(row: Row) -> Totals:
    return Totals(row["jobs"], row["rows"], row["source_bytes"], row["parquet_bytes"])


def _histogram(rows: Sequence[Row], bucket: str, bounds: Sequence[float], total: Any) -> Histogram | None:
    counts = [0] * (len(bounds) + 1)
    for row in rows:
        if row[bucket] is not None:
            counts[row[bucket]] += row["jobs"]
    if not any(counts):
        return None
    return Histogram(tuple(zip((*bounds, float("inf")), accumulate(counts), strict=True)), float(total))
