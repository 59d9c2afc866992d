"""docs/metrics.md, from the catalog of metrics."""

from __future__ import annotations

from typing import Final

from archival_core.api.monitoring.metrics_catalog import CATALOG
from dev.stack.state import ROOT

METRICS_FILE: Final = ROOT / "docs" / "metrics.md"

_INTRODUCTION: Final = """# Metrics

Generated from `archival_core/api/monitoring/metrics_catalog.py` by `make docs`.

`GET /api/metrics` needs a function key, in the header `x-functions-key` or the query's `code`. It answers in the text format of
Prometheus, or as OpenMetrics where `Accept` asks for it. Everything is read from the ledger, the queues and the stream, so any
instance tells the same; answers are kept for a few seconds. A source that is away leaves its families out and its
`archival_scrape_success` at 0, and fails no scrape.

```yaml
scrape_configs:
  - job_name: archival_service
    metrics_path: /api/metrics
    scheme: https
    params: {code: [<function key>]}
    static_configs: [{targets: [<app>.azurewebsites.net]}]
```

`infra/grafana/dashboard.json` draws them, `infra/grafana/alerts.yaml` watches them.

"""
_REST: Final = """
`outcome` is `archived`, `removed`, `restored` or `failed`; `kind` and `queue` are `archive` or `restore`. An outcome counts
when it happens and is never taken back: a removed archive that is restored stays counted as archived and as removed.

Timestamps are seconds since 1970; `time() - archival_oldest_unremoved_timestamp_seconds` is an age. The ledger keeps the sums
itself; after an edit of its tables by hand, `select archival.count_again()` makes them anew, and counters may go back once.
"""


def metrics_document() -> str:
    """The whole page."""
    lines = ["| Metric | Type | Labels | What it tells |", "| --- | --- | --- | --- |"]
    for family in CATALOG:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        lines.append(f"| `{family.name}` | {family.kind} | {labels} | {family.help} |")
    return _INTRODUCTION + "\n".join(lines) + "\n" + _REST
