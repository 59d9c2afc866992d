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
    """`drain_events`, `remove_chunks`, `verify_archives` and `reconcile`."""
    timers = func.Blueprint()  # type: ignore[no-untyped-call]

    @timers.timer_trigger(arg_name="timer", schedule="%DRAIN_SCHEDULE%", run_on_startup=False, use_monitor=True)
    async def drain_events(timer: func.TimerRequest) -> None:
        async with observed("drain_events"):
            report = await _runtime().event_drain.run()
            if report.events:
                _LOG.info("drained %s", report)

    @timers.timer_trigger(arg_name="timer", schedule="%REMOVAL_SCHEDULE%", run_on_startup=False, use_monitor=True)
    async def remove_chunks(timer: func.TimerRequest) -> None:
        async with observed("remove_chunks"):
            services = _runtime()
            report = await services.chunk_removal.run(services.settings.job_time_budget)
            if report.removed or report.kept:
                _LOG.info("removed %d chunks, %d stay", report.removed, len(report.kept))

    @timers.timer_trigger(arg_name="timer", schedule="%VERIFY_SCHEDULE%", run_on_startup=False, use_monitor=True)
    async def verify_archives(timer: func.TimerRequest) -> None:
        async with observed("verify_archives"):
            services = _runtime()
            report = await services.verification.run(services.settings.job_time_budget)
            if report.verified or report.unread:
                _LOG.info("verified %d archives, %d damaged, %d unread", report.verified, len(report.damaged), report.unread)

    @timers.timer_trigger(arg_name="timer", schedule="%RECONCILE_SCHEDULE%", run_on_startup=False, use_monitor=True)
    async def reconcile(timer: func.TimerRequest) -> None:
        async with observed("reconcile"):
            services = _runtime()
            report = await services.reconcile.run(services.settings.job_time_budget)
            if not report.is_empty:
                _LOG.info("reconciled: %s", report)
            from archival_core.flows.insight.backlog import tell_backlog

            await tell_backlog(services.insights)

    return timers


def _runtime() -> Runtime:
    from archival_core import runtime

    return runtime.get()
