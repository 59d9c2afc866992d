"""The overview from the flows' answers: what is known, what is of before, and what is not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from archival_core.api.dashboard import models as models
from archival_core.error_codes import CODES, SECTIONS
from archival_core.flows.insight.cached import Answer
from archival_core.flows.insight.chunk_map import HypertableChunks
from archival_core.flows.insight.insights import Lists, Measurements
from archival_core.flows.insight.readiness import Away
from archival_core.model.insight.insight import (
    FailureGroup,
    LedgerState,
    Outcome,
    OutcomeTotals,
    Overdue,
    Pace,
    RefusalGroup,
    Totals,
)
from archival_core.model.insight.map_chunk import MapChunk, MapState
from archival_core.model.insight.money import Prices
from archival_core.model.jobs.job import Kind, Status

_SECONDS_A_DAY: Final = 86_400


def numbers(ledger: LedgerState) -> models.Numbers:
    """What the ledger says, in sums."""
    jobs: Counter[str] = Counter()
    for count in ledger.jobs:
        jobs[count.status] += count.jobs
    return models.Numbers(
        jobs=dict(jobs),
        in_lake=models.Sums.model_validate(in_state(ledger, Status.REMOVED)),
        in_both=models.Sums.model_validate(in_state(ledger, Status.ARCHIVED)),
        archived=models.Sums.model_validate(_total(ledger.outcomes, Outcome.ARCHIVED)),
        removed=models.Sums.model_validate(_total(ledger.outcomes, Outcome.REMOVED)),
        restored=models.Sums.model_validate(_total(ledger.outcomes, Outcome.RESTORED)),
        failures=_total(ledger.outcomes, Outcome.FAILED).jobs,
        findings=sum(found.findings for found in ledger.findings),
        strays=ledger.strays,
        discarded=ledger.discarded,
        paused=ledger.paused,
    )


def in_state(ledger: LedgerState, status: Status, hypertable: str | None = None) -> Totals:
    """Archives that are in one state now, of one hypertable or of all; `jobs` counts them."""
    found = [
        Totals(count.jobs, count.totals.rows, count.totals.source_bytes, count.totals.parquet_bytes)
        for count in ledger.jobs
        if count.kind is Kind.ARCHIVE and count.status is status and hypertable in (None, count.hypertable)
    ]
    return sum(found, Totals())


def money(ledger: LedgerState, freed_this_month: int | None, prices: Prices) -> models.Money:
    """What is saved now, and what this month added."""
    removed, both = in_state(ledger, Status.REMOVED), in_state(ledger, Status.ARCHIVED)
    kept = removed.parquet_bytes + both.parquet_bytes
    return models.Money(
        currency=prices.currency,
        database_gb_month=prices.database,
        lake_gb_month=prices.lake,
        database_month=prices.in_database(removed.source_bytes),
        lake_month=prices.in_lake(kept),
        saved_month=prices.saved(removed.source_bytes, kept),
        freed_this_month=freed_this_month,
        saved_this_month=None if freed_this_month is None else prices.in_database(freed_this_month),
    )


def backlog(ledger: LedgerState, pace: Pace | None, due: int | None) -> models.Backlog:
    """How much waits, and when it is done if it goes on like this."""
    queued, running = (
        sum(count.jobs for count in ledger.jobs if count.kind is Kind.ARCHIVE and count.status is status)
        for status in (Status.QUEUED, Status.RUNNING)
    )
    waiting = queued + running + (due or 0)
    per_hour = pace.archives * 3600 / max(pace.seconds, 60.0) if pace and pace.archives else None
    done_at = datetime.now(UTC) + timedelta(hours=waiting / per_hour) if waiting and per_hour else None
    return models.Backlog(queued=queued, running=running, due=due, per_hour=per_hour, done_at=done_at)


def due_chunks(maps: Sequence[HypertableChunks], now: datetime) -> list[models.DueChunk] | None:
    """Chunks that policies want and that have no job, longest due first; `None` where a source does not tell.

    As `model.insight.next_step` has it: due, or due while the intake is paused.
    """
    if any(found.problem and found.policy for found in maps):
        return None
    due = [(since, found, chunk) for found in maps for chunk in found.chunks if (since := _due_since(chunk, found, now))]
    return [
        models.DueChunk(
            hypertable=found.hypertable,
            chunk=chunk.chunk,
            range=models.Range.model_validate(chunk.range),
            due_since=since,
            database_bytes=chunk.database_bytes,
        )
        for since, found, chunk in sorted(due, key=lambda one: (one[0], one[1].hypertable, one[2].chunk))
    ]


def _due_since(chunk: MapChunk, found: HypertableChunks, now: datetime) -> datetime | None:
    policy = found.policy
    if policy is None or not policy.enabled or policy.problem is not None:
        return None
    if chunk.state is not MapState.DATABASE or chunk.is_cancelled or chunk.end is None or "T" not in (chunk.range.end or ""):
        return None
    due = chunk.end + policy.archive_after.total_seconds()
    return datetime.fromtimestamp(due, UTC) if due <= now.timestamp() else None


def failures(groups: Sequence[FailureGroup]) -> list[models.FailureGroupView]:
    """With what each code means, and what to do."""
    return [models.FailureGroupView(**_fields(group), **_catalogued(group.code)) for group in groups]


def refusals(groups: Sequence[RefusalGroup]) -> list[models.RefusalGroupView]:
    """Likewise."""
    return [models.RefusalGroupView(**_fields(group), **_catalogued(group.code)) for group in groups]


def catalogue() -> models.ErrorCatalogue:
    """Every code, by section."""
    return models.ErrorCatalogue(
        sections=[
            models.ErrorSection(
                title=title, codes=[models.ErrorCodeView(code=code, **_catalogued(code)) for code in sorted(codes)]
            )
            for title, codes in SECTIONS.items()
        ]
    )


def dependencies(found: dict[str, Away | None]) -> dict[str, models.Dependency]:
    """Why each does not answer."""
    return {
        name: models.Dependency(
            state="failed" if away else "ok",
            code=away.code if away else None,
            cause=away.cause if away else None,
            since=away.since if away else None,
        )
        for name, away in found.items()
    }


def behind(overdue: dict[str, Overdue | None]) -> list[models.Behind]:
    """Hypertables whose oldest due chunk is not archived."""
    return [
        models.Behind(hypertable=hypertable, chunk=found.chunk, days=days_of(found))
        for hypertable, found in overdue.items()
        if found
    ]


def days_of(overdue: Overdue) -> float | None:
    """Since a chunk became due; `None` without a date."""
    return overdue.seconds / _SECONDS_A_DAY if overdue.seconds != float("inf") else None


def away(measured: Measurements, lists: Answer[Lists], **others: Answer[Any]) -> list[models.AwaySource]:
    """The sources that do not tell now."""
    answers: dict[str, Answer[Any]] = {
        "ledger": measured.ledger,
        "lists": lists,
        "queues": measured.queues,
        "stream": measured.stream,
        "policies": measured.overdue,
        "dependencies": measured.dependencies,
        **others,
    }
    return [
        models.AwaySource(name=name, cause=answer.cause, since=answer.since, as_of=answer.as_of)  # type: ignore[arg-type]
        for name, answer in answers.items()
        if answer.value is None
    ]


def _fields(group: FailureGroup | RefusalGroup) -> dict[str, Any]:
    return {name: getattr(group, name) for name in type(group).__dataclass_fields__}


def _catalogued(code: str) -> dict[str, Any]:
    known = CODES.get(code)
    return {"meaning": known.meaning if known else None, "remedy": (known.remedy or None) if known else None}


def _total(outcomes: Sequence[OutcomeTotals], wanted: Outcome) -> Totals:
    return sum((outcome.totals for outcome in outcomes if outcome.outcome is wanted), Totals())
