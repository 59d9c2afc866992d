"""Timer-triggered functions."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import azure.functions as func

from archival_core.functions.observed import observed

if TYPE_CHECKING:
    from archival_core.runtime import Runtime

_LOG = logging.getLogger(__name__)


def blueprint() -> func.Blueprint:
    """`drain_events`, `commit_tables`, `remove_chunks`, `verify_archives` and `reconcile`."""
    timers = func.Blueprint()  # type: ignore[no-untyped-call]

    @timers.timer_trigger(arg_name="timer", schedule="%DRAIN_SCHEDULE%", run_on_startup=False, use_monitor=True)
    async def drain_events(timer: func.TimerRequest) -> None:
        async with observed("drain_events"):
            services = _runtime()
            report = await services.event_drain.drain()
            if report.events:
                _LOG.info("drained %s", report)
                _tell("drain_events", events=report.events, queued=report.queued, buried=report.buried)
            # every few seconds: instances that archive for policies are never without work
            if (asked := await services.policy_jobs.refill()).queued:
                _LOG.info("policies ask for %d more chunks", asked.queued)

    @timers.timer_trigger(arg_name="timer", schedule="%COMMIT_SCHEDULE%", run_on_startup=False, use_monitor=True)
    async def commit_tables(timer: func.TimerRequest) -> None:
        async with observed("commit_tables"):
            services = _runtime()
            report = await services.table_commits.commit_due(services.settings.job_time_budget)
            if report.committed or report.left_out:
                _LOG.info("committed to %s", report)

    @timers.timer_trigger(arg_name="timer", schedule="%REMOVAL_SCHEDULE%", run_on_startup=False, use_monitor=True)
    async def remove_chunks(timer: func.TimerRequest) -> None:
        async with observed("remove_chunks"):
            services = _runtime()
            report = await services.chunk_removal.remove_due(services.settings.job_time_budget)
            if report.removed or report.kept:
                _LOG.info("removed %d chunks, %d stay", report.removed, len(report.kept))
                _tell("remove_chunks", removed=report.removed, stay=len(report.kept))

    @timers.timer_trigger(arg_name="timer", schedule="%VERIFY_SCHEDULE%", run_on_startup=False, use_monitor=True)
    async def verify_archives(timer: func.TimerRequest) -> None:
        async with observed("verify_archives"):
            services = _runtime()
            report = await services.verification.verify_due(services.settings.job_time_budget)
            if report.verified or report.unread:
                _LOG.info("verified %d archives, %d damaged, %d unread", report.verified, len(report.damaged), report.unread)
                _tell("verify_archives", verified=report.verified, damaged=len(report.damaged), unread=report.unread)

    @timers.timer_trigger(arg_name="timer", schedule="%RECONCILE_SCHEDULE%", run_on_startup=False, use_monitor=True)
    async def reconcile(timer: func.TimerRequest) -> None:
        async with observed("reconcile"):
            services = _runtime()
            report = await services.reconciler.reconcile(services.settings.job_time_budget)
            if not report.is_empty:
                _LOG.info("reconciled: %s", report)
            # each time: that it has run is news
            _tell(
                "reconcile",
                report=str(report),
                done=sum(report.numbers.values()),
                queued=report.policies.queued,
                unfinished=len(report.failed),
            )
            from archival_core.flows.insight.backlog import tell_backlog

            await tell_backlog(services.insights)

    return timers


def _tell(function: str, *, report: str | None = None, **numbers: int) -> None:
    """What a run has done, in fields that alerts and pages count; the log's sentence is for people."""
    from archival_core import telemetry

    telemetry.event("archival.run.ended", error_code=None, function=function, report=report, **numbers)


def _runtime() -> Runtime:
    from archival_core import runtime

    return runtime.get()
