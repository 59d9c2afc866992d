"""Every instrument, in one place. Names and units follow OpenTelemetry's conventions for metrics: seconds, `By`, `{thing}`.

What the ledger knows is asked there, because function instances are many and short-lived; `GET /metrics` has all of it. Only
what alerts of Application Insights need is here as well.
"""

from __future__ import annotations

from opentelemetry.metrics import Meter, NoOpMeter

#: seconds: from a lock that is free to a chunk of a hundred gigabytes
_STEPS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0)
#: seconds: from a cache to a timeout
_CALLS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Instruments:
    """What is counted and timed."""

    def __init__(self, meter: Meter) -> None:
        #: by `archival.step`, and `error.type` if it failed
        self.step_duration = meter.create_histogram(
            "archival.step.duration", "s", "How long a step took", explicit_bucket_boundaries_advisory=_STEPS
        )
        #: by `archival.step`; with the durations this is the throughput
        self.step_rows = meter.create_counter("archival.step.rows", "{row}", "Rows that a step moved")
        self.step_bytes = meter.create_counter("archival.step.bytes", "By", "Bytes that a step moved")
        #: by `archival.dependency` (lake, queue, redis, source, ledger), `archival.operation`, and `error.type` if it failed
        self.dependency_duration = meter.create_histogram(
            "archival.dependency.duration",
            "s",
            "How long another system took to answer, its client's own retries included",
            explicit_bucket_boundaries_advisory=_CALLS,
        )
        #: by `queue`: the kind of its jobs
        self.queue_age = meter.create_gauge("archival.queue.age", "s", "How long the oldest message has been waiting")
        #: by `hypertable`
        self.policy_lag = meter.create_gauge("archival.policy.lag", "s", "For how long a chunk has been due and not archived")
        #: by `hypertable`
        self.removed_size = meter.create_counter("archival.removed.size", "By", "Size in the database of what was removed")
        #: by `error.type`, the error's code, and `archival.job.kind`
        self.retries = meter.create_counter("archival.job.retries", "{retry}", "Runs of jobs that have to be repeated")


_current = Instruments(NoOpMeter("archival_core"))


def get() -> Instruments:
    """The instruments of this process."""
    return _current


def use(meter: Meter | None) -> None:
    """Record with `meter` from now on, or nothing."""
    global _current
    _current = Instruments(meter or NoOpMeter("archival_core"))
