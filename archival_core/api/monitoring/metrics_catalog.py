"""What `/metrics` tells, family by family; docs/metrics.md is made from `CATALOG`.

Names and units by the conventions of Prometheus and OpenMetrics: seconds and bytes, counters end in `_total`, moments are
timestamps rather than ages, so that nothing changes between two scrapes but what really changed. Labels are few and bounded: a
hypertable is one, but not of histograms, which have many series each; a chunk or a job never is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric


@dataclass(frozen=True, slots=True)
class Described:
    """One metric family; `name` as in the text format, with `_total` for a counter."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""

    def family(self) -> Metric:
        """An empty family to put samples into."""
        if self.kind == "counter":
            return CounterMetricFamily(self.name, self.help, labels=self.labels, unit=self.unit)
        if self.kind == "histogram":
            return HistogramMetricFamily(self.name, self.help, labels=self.labels, unit=self.unit)
        return GaugeMetricFamily(self.name, self.help, labels=self.labels, unit=self.unit)


_TABLE: Final = ("hypertable",)
_MOVED: Final = ("hypertable", "outcome")
_SOURCE: Final = ("source",)

JOBS = Described(
    "archival_jobs", "gauge", "Jobs by their state, those that were folded away included.", ("hypertable", "kind", "status")
)
OUTCOMES = Described("archival_outcomes_total", "counter", "How often jobs came to an outcome.", _MOVED)
ROWS = Described("archival_rows_total", "counter", "Rows that were archived, removed or restored.", _MOVED)
SOURCE_BYTES = Described(
    "archival_source_bytes_total", "counter", "Size in the database of what was archived, removed or restored.", _MOVED, "bytes"
)
PARQUET_BYTES = Described(
    "archival_parquet_bytes_total", "counter", "Size in the lake of what was archived, removed or restored.", _MOVED, "bytes"
)
ARCHIVE_SECONDS = Described(
    "archival_archive_duration_seconds", "histogram", "How long the attempts took that archived a chunk.", unit="seconds"
)
ARCHIVE_BYTES = Described("archival_archive_size_bytes", "histogram", "Size of the archives in the lake.", unit="bytes")
RESTORE_SECONDS = Described(
    "archival_restore_duration_seconds", "histogram", "How long the attempts took that restored a chunk.", unit="seconds"
)
UNREMOVED = Described(
    "archival_oldest_unremoved_timestamp_seconds",
    "gauge",
    "When the oldest archive was finished whose chunk is still in the database.",
    _TABLE,
    "seconds",
)
FINDINGS = Described(
    "archival_findings", "gauge", "Files of archives that are not as they were written.", ("hypertable", "problem")
)
STRAYS = Described("archival_stray_folders", "gauge", "Folders below tables/ in the lake that are no archive of the ledger's.")
TABLE_VERSION = Described("archival_table_version", "gauge", "Version of the table in the lake.", _TABLE)
TABLE_ROWS = Described("archival_table_rows", "gauge", "Rows of the table in the lake.", _TABLE)
TABLE_LEFT_OUT = Described(
    "archival_table_left_out_archives", "gauge", "Archives that count and cannot be in their table as they are.", _TABLE
)
TABLE_DUE = Described(
    "archival_table_due_timestamp_seconds",
    "gauge",
    "Since when an archive has changed and its table has no commit of that; absent while nothing waits.",
    _TABLE,
    "seconds",
)
TABLE_FINDINGS = Described(
    "archival_table_findings", "gauge", "Whether somebody should look at the log of the table, 1 or 0.", _TABLE
)
DISCARDED = Described("archival_discarded_letters_total", "counter", "Dead events that somebody gave up.")
PAUSED = Described("archival_intake_paused", "gauge", "Whether the intake of events is paused, 1 or 0.")
QUEUE_MESSAGES = Described("archival_queue_messages", "gauge", "Messages in the queue, those in flight included.", ("queue",))
QUEUE_POISONED = Described(
    "archival_queue_poisoned_messages", "gauge", "Messages given up that wait to be recorded.", ("queue",)
)
QUEUE_OLDEST = Described(
    "archival_queue_oldest_timestamp_seconds", "gauge", "When the oldest waiting message was sent.", ("queue",), "seconds"
)
STREAM_ENTRIES = Described("archival_stream_entries", "gauge", "Entries of the event stream, read ones included.")
STREAM_LAG = Described("archival_stream_lag_entries", "gauge", "Events that no worker has seen.")
STREAM_PENDING = Described("archival_stream_pending_entries", "gauge", "Events that a worker has seen and not acknowledged.")
STREAM_OLDEST = Described(
    "archival_stream_oldest_pending_timestamp_seconds",
    "gauge",
    "When the oldest unacknowledged event was added.",
    unit="seconds",
)
HELD = Described(
    "archival_stream_held_timestamp_seconds",
    "gauge",
    "Since when a consumer group keeps entries that were to be trimmed.",
    ("stream", "group"),
    "seconds",
)
DEAD = Described("archival_dead_letters", "gauge", "Events and messages that could not be used.")
OVERDUE = Described(
    "archival_policy_lag_seconds",
    "gauge",
    "For how long the oldest chunk that its policy wants archived has been due; 0 when none is.",
    _TABLE,
    "seconds",
)
SNAPSHOT = Described(
    "archival_oldest_snapshot_timestamp_seconds",
    "gauge",
    "When the oldest snapshot was taken that the service holds in the source; while it is open, vacuum removes nothing newer.",
    unit="seconds",
)
UP = Described("archival_dependency_up", "gauge", "Whether a dependency answers, 1 or 0.", ("dependency",))
SCRAPE_SUCCESS = Described("archival_scrape_success", "gauge", "Whether a source of these metrics answered, 1 or 0.", _SOURCE)
SCRAPE_SECONDS = Described(
    "archival_scrape_duration_seconds",
    "gauge",
    "How long a source of these metrics took; its answer is kept for some seconds.",
    _SOURCE,
    "seconds",
)

#: Every family, in the order of the page.
CATALOG: Final = (
    JOBS,
    OUTCOMES,
    ROWS,
    SOURCE_BYTES,
    PARQUET_BYTES,
    ARCHIVE_SECONDS,
    ARCHIVE_BYTES,
    RESTORE_SECONDS,
    UNREMOVED,
    FINDINGS,
    STRAYS,
    TABLE_VERSION,
    TABLE_ROWS,
    TABLE_LEFT_OUT,
    TABLE_DUE,
    TABLE_FINDINGS,
    DISCARDED,
    PAUSED,
    QUEUE_MESSAGES,
    QUEUE_POISONED,
    QUEUE_OLDEST,
    STREAM_ENTRIES,
    STREAM_LAG,
    STREAM_PENDING,
    STREAM_OLDEST,
    HELD,
    DEAD,
    OVERDUE,
    SNAPSHOT,
    UP,
    SCRAPE_SUCCESS,
    SCRAPE_SECONDS,
)
