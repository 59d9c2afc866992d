"""Measurements as Prometheus metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from archival_core.api.monitoring import metrics_catalog as catalog
from archival_core.api.monitoring.metrics_catalog import Described
from archival_core.flows.insight.insights import Measurements
from archival_core.model.insight.insight import Histogram, LedgerState, Outcome, OutcomeTotals, Overdue, QueueState, StreamState

#: What a counter tells of each outcome. A failed job moves nothing.
_MOVING: Final = (Outcome.ARCHIVED, Outcome.REMOVED, Outcome.RESTORED)

Samples = Iterable[tuple[tuple[str, ...], float | None]]


class Snapshot(Collector):
    """The families of one scrape."""

    def __init__(self, measured: Measurements) -> None:
        self._measured = measured

    def collect(self) -> Iterator[Metric]:
        """Every family that has a sample, and how the sources did."""
        measured = self._measured
        if measured.ledger.value is not None:
            yield from _ledger(measured.ledger.value)
        if measured.queues.value is not None:
            yield from _queues(measured.queues.value)
        if measured.stream.value is not None:
            yield from _stream(measured.stream.value)
        if measured.overdue.value is not None:
            yield _family(catalog.OVERDUE, _overdue(measured.overdue.value))
        if measured.snapshots.value is not None:
            yield _family(catalog.SNAPSHOT, [((), _timestamp(measured.snapshots.value.oldest))])
        if measured.dependencies.value is not None:
            yield _family(catalog.UP, (((name,), float(away is None)) for name, away in measured.dependencies.value.items()))
        sources = {
            "ledger": measured.ledger,
            "queues": measured.queues,
            "stream": measured.stream,
            "policies": measured.overdue,
            "snapshots": measured.snapshots,
            "dependencies": measured.dependencies,
        }
        yield _family(catalog.SCRAPE_SUCCESS, (((name,), float(a.value is not None)) for name, a in sources.items()))
        yield _family(catalog.SCRAPE_SECONDS, (((name,), answer.seconds) for name, answer in sources.items()))


def _ledger(state: LedgerState) -> Iterator[Metric]:
    yield _family(catalog.JOBS, (((count.hypertable, count.kind, count.status), count.jobs) for count in state.jobs))
    outcomes = state.outcomes
    yield _family(catalog.OUTCOMES, (((o.hypertable, o.outcome), o.totals.jobs) for o in outcomes))
    moving = [outcome for outcome in outcomes if outcome.outcome in _MOVING]
    yield _family(catalog.ROWS, (((o.hypertable, o.outcome), o.totals.rows) for o in moving))
    yield _family(catalog.SOURCE_BYTES, (((o.hypertable, o.outcome), o.totals.source_bytes) for o in moving))
    yield _family(catalog.PARQUET_BYTES, (((o.hypertable, o.outcome), o.totals.parquet_bytes) for o in moving))
    archived, restored = _of(outcomes, Outcome.ARCHIVED), _of(outcomes, Outcome.RESTORED)
    yield _histogram(catalog.ARCHIVE_SECONDS, (o.seconds for o in archived))
    yield _histogram(catalog.ARCHIVE_BYTES, (o.parquet_bytes for o in archived))
    yield _histogram(catalog.RESTORE_SECONDS, (o.seconds for o in restored))
    yield _family(catalog.UNREMOVED, (((name,), _timestamp(at)) for name, at in state.oldest_unremoved.items()))
    yield _family(catalog.FINDINGS, (((found.hypertable, found.problem), found.findings) for found in state.findings))
    yield _family(catalog.STRAYS, [((), state.strays)])
    tables = state.tables
    yield _family(catalog.TABLE_VERSION, (((table.hypertable,), table.version) for table in tables))
    yield _family(catalog.TABLE_ROWS, (((table.hypertable,), table.rows) for table in tables))
    yield _family(catalog.TABLE_LEFT_OUT, (((table.hypertable,), table.left_out) for table in tables))
    yield _family(catalog.TABLE_DUE, (((table.hypertable,), _timestamp(table.due_since)) for table in tables))
    yield _family(catalog.TABLE_FINDINGS, (((table.hypertable,), float(table.finding is not None)) for table in tables))
    yield _family(catalog.DISCARDED, [((), state.discarded)])
    yield _family(catalog.PAUSED, [((), float(state.paused))])
    yield _family(catalog.HELD, (((hold.stream, hold.group), _timestamp(hold.since)) for hold in state.holds))


def _queues(states: Mapping[str, QueueState]) -> Iterator[Metric]:
    yield _family(catalog.QUEUE_MESSAGES, (((name,), state.messages) for name, state in states.items()))
    yield _family(catalog.QUEUE_POISONED, (((name,), state.poisoned) for name, state in states.items()))
    yield _family(catalog.QUEUE_OLDEST, (((name,), _timestamp(state.oldest)) for name, state in states.items()))


def _stream(state: StreamState) -> Iterator[Metric]:
    yield _family(catalog.STREAM_ENTRIES, [((), state.entries)])
    yield _family(catalog.STREAM_LAG, [((), state.lag)])
    yield _family(catalog.STREAM_PENDING, [((), state.pending)])
    yield _family(catalog.STREAM_OLDEST, [((), _timestamp(state.oldest_pending))])
    yield _family(catalog.DEAD, [((), state.dead)])


def _overdue(found: Mapping[str, Overdue | None]) -> Samples:
    return (((name,), overdue.seconds if overdue else 0.0) for name, overdue in found.items())


def _of(outcomes: Iterable[OutcomeTotals], wanted: Outcome) -> list[OutcomeTotals]:
    return [outcome for outcome in outcomes if outcome.outcome is wanted]


def _family(described: Described, samples: Samples) -> Metric:
    """The family with those of `samples` that have a value."""
    family: Any = described.family()
    for labels, value in samples:
        if value is not None:
            family.add_metric(labels, value)
    return family  # type: ignore[no-any-return]


def _histogram(described: Described, histograms: Iterable[Histogram | None]) -> Metric:
    family: Any = described.family()
    known = [histogram for histogram in histograms if histogram is not None]
    if known:
        total = sum(known[1:], known[0])
        family.add_metric([], [(_bound(le), n) for le, n in total.buckets], total.sum)
    return family  # type: ignore[no-any-return]


def _timestamp(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def _bound(le: float) -> str:
    return "+Inf" if le == math.inf else repr(le)
