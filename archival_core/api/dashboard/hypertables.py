"""The table of hypertables, and the map of one's chunks, from the flows' answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from archival_core.api.dashboard import chart_models as charts
from archival_core.api.dashboard.overview import days_of, in_state
from archival_core.flows.insight.chunk_map import HypertableChunks, HypertableMap
from archival_core.model.insight.insight import LedgerState, OpenFailures, Overdue
from archival_core.model.insight.map_chunk import MapChunk, MapState, axis, binned, within
from archival_core.model.insight.money import Prices
from archival_core.model.jobs.job import Status


def summary(
    found: HypertableChunks,
    ledger: LedgerState,
    overdue: Mapping[str, Overdue | None],
    failures: Mapping[str, OpenFailures],
    prices: Prices,
    freed_this_month: Mapping[str, int] | None,
) -> charts.HypertableSummary:
    """One row of the table."""
    removed = in_state(ledger, Status.REMOVED, found.hypertable)
    both = in_state(ledger, Status.ARCHIVED, found.hypertable)
    there = found.chunks
    states = Counter(chunk.state for chunk in there)
    freed = None if freed_this_month is None else freed_this_month.get(found.hypertable, 0)
    states[MapState.REMOVED] = found.in_lake
    late, failed, policy = overdue.get(found.hypertable), failures.get(found.hypertable), found.policy
    return charts.HypertableSummary(
        hypertable=found.hypertable,
        kind=found.kind,
        time_column=found.time_column,
        states=dict(+states),
        in_database=found.in_database,
        database_bytes=None if found.problem else _bytes(there),
        both_bytes=None if found.problem else _bytes([chunk for chunk in there if chunk.state is MapState.ARCHIVED]),
        freed_bytes=removed.source_bytes,
        freed_this_month=freed,
        saved_this_month=None if freed is None else prices.in_database(freed),
        parquet_bytes=removed.parquet_bytes + both.parquet_bytes,
        oldest=there[0].range.start if there and not found.problem else None,
        first=found.first,
        archive_after_seconds=policy.archive_after.total_seconds() if policy else None,
        remove_after_seconds=policy.remove_after.total_seconds() if policy and policy.remove_after else None,
        policy_enabled=policy.enabled if policy else None,
        policy_problem=policy.problem if policy else None,
        behind_days=days_of(late) if late else None,
        failures=failed.jobs if failed else 0,
        last_error=_last_error(failed) if failed else None,
        saved_month=prices.saved(removed.source_bytes, removed.parquet_bytes + both.parquet_bytes),
        problem=found.problem,
    )


def _last_error(failed: OpenFailures) -> charts.LastError:
    newest = failed.newest
    return charts.LastError(code=newest.code, message=newest.message, at=newest.finished_at)


def chunk_map(found: HypertableMap, first: float | None, last: float | None, bins: int) -> charts.ChunkMapView:
    """The chunks of a stretch, counted where they are more than `bins`."""
    whole = axis(found.chunks)
    shown = within(found.chunks, first, last)
    begin = first if first is not None else whole[0] if whole else None
    end = last if last is not None else whole[1] if whole else None
    counted = len(shown) > bins and begin is not None and end is not None
    return charts.ChunkMapView(
        hypertable=found.hypertable,
        axis="integer" if _is_integer(found.chunks) else "time",
        first=whole[0] if whole else None,
        last=whole[1] if whole else None,
        from_=begin,
        to=end,
        total=len(shown),
        states=dict(Counter(chunk.state for chunk in shown)),
        chunks=None if counted else [charts.map_chunk_view(chunk) for chunk in shown],
        bins=[charts.bin_view(one) for one in binned(shown, begin, end, bins)] if counted else None,  # type: ignore[arg-type]
        problem=found.problem,
    )


def _bytes(chunks: Sequence[MapChunk]) -> int | None:
    known = [chunk.database_bytes for chunk in chunks if chunk.database_bytes is not None]
    return sum(known) if known or not chunks else None


def _is_integer(chunks: Sequence[MapChunk]) -> bool:
    bounds = [bound for chunk in chunks for bound in (chunk.range.start, chunk.range.end) if bound is not None]
    return bool(bounds) and all(bound.lstrip("-").isdigit() for bound in bounds)
