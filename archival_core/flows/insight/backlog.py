"""How far the service is behind, as gauges that alerts ask for."""

from __future__ import annotations

import math

from archival_core.flows.insight.insights import Insights
from archival_core.telemetry import instruments


async def tell_backlog(insights: Insights) -> None:
    """Set `archival.queue.age` and `archival.policy.lag`. A gauge whose value cannot be known now keeps its value. Never
    raises.
    """
    measured = await insights.measure()
    gauges = instruments.get()
    for queue, state in (measured.queues.value or {}).items():
        age = (measured.taken_at - state.oldest).total_seconds() if state.oldest else 0.0
        gauges.queue_age.set(max(age, 0.0), {"queue": str(queue)})
    for hypertable, overdue in (measured.overdue.value or {}).items():
        seconds = overdue.seconds if overdue else 0.0
        # a chunk without an end in the calendar is overdue, and nobody can say since when
        if math.isfinite(seconds):
            gauges.policy_lag.set(seconds, {"hypertable": hypertable})
