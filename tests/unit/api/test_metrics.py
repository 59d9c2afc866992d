"""The exposition in both formats, as promtool reads it, and the documents that use the metrics."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from archival_core.api.monitoring.metrics import Snapshot
from archival_core.api.monitoring.metrics_catalog import CATALOG
from archival_core.flows.insight.cached import Answer
from archival_core.flows.insight.insights import Measurements
from archival_core.flows.insight.readiness import Away
from archival_core.flows.insight.snapshots import SnapshotState
from archival_core.model.chunks.chunk import ChunkRange
from archival_core.model.insight.insight import (
    FindingCount,
    Histogram,
    JobCount,
    LedgerState,
    Outcome,
    OutcomeTotals,
    Overdue,
    QueueState,
    StreamHold,
    StreamState,
    Totals,
)
from archival_core.model.jobs.job import Kind, Status
from archival_core.model.lake.lake_table_state import LakeTableState

GRAFANA = Path(__file__).parents[3] / "infra" / "grafana"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
HOSTILE = 'public."a\\b\n<img>"'
SECONDS = Histogram(((1.0, 1), (60.0, 3), (float("inf"), 4)), 130.5)
BYTES = Histogram(((1048576.0, 2), (68719476736.0, 4), (float("inf"), 4)), 4e6)
LEDGER = LedgerState(
    jobs=(
        JobCount("public.a", Kind.ARCHIVE, Status.QUEUED, 3, Totals()),
        JobCount(HOSTILE, Kind.RESTORE, Status.FAILED, 1, Totals()),
    ),
    outcomes=(
        OutcomeTotals("public.a", Outcome.ARCHIVED, Totals(4, 400, 4_000, 400), SECONDS, BYTES),
        OutcomeTotals(HOSTILE, Outcome.ARCHIVED, Totals(4, 400, 4_000, 400), SECONDS, None),
        OutcomeTotals("public.a", Outcome.RESTORED, Totals(1, 100, 1_000, 100), SECONDS, None),
        OutcomeTotals("public.a", Outcome.FAILED, Totals(2), None, None),
    ),
    findings=(FindingCount("public.a", "missing", 2),),
    oldest_unremoved={"public.a": NOW},
    strays=0,
    discarded=1,
    paused=False,
    holds=(StreamHold("archival.results", "billing", NOW),),
    tables=(LakeTableState("public.a", 3, 2, 2, 100, 0, NOW, NOW, NOW, None),),
)
ALL = Measurements(
    ledger=Answer(LEDGER, 0.1),
    queues=Answer({"archive": QueueState(5, 0, NOW), "restore": QueueState(0, 0, None)}, 0.1),
    stream=Answer(StreamState(9, 1, 2, NOW, 3), 0.1),
    dependencies=Answer({"redis": None, "lake": Away("no-answer", "no answer", NOW)}, 0.1),
    overdue=Answer({"public.a": None, "public.b": Overdue("c", ChunkRange(None, None), 60.0)}, 0.1),
    snapshots=Answer(SnapshotState(NOW), 0.1),
    taken_at=NOW,
)
AWAY = Measurements(*(Answer(None, 5.0) for _ in range(6)), NOW)  # type: ignore[call-arg, arg-type]


PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="needs promtool: apt-get install prometheus")


def exposed(measured: Measurements, accept: str = "") -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Snapshot(measured))
    encode, _ = choose_encoder(accept)
    return str(encode(registry).decode())


@needs_promtool
def test_promtool_finds_nothing_in_the_exposition() -> None:
    assert promtool("check", "metrics", given=exposed(ALL)) == ""
    families = list(text_string_to_metric_families(exposed(ALL)))
    assert len({family.name for family in families}) == len(families)


@needs_promtool
def test_promtool_reads_every_alert_and_every_panel(tmp_path: Path) -> None:
    promtool("check", "rules", str(GRAFANA / "alerts.yaml"))
    dashboard = json.loads((GRAFANA / "dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    filled = [re.sub(r"\$__\w+", "5m", expression) for expression in expressions]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(filled)]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    said = promtool("check", "rules", str(tmp_path / "panels.yaml"))
    assert f"{len(expressions)} rules found" in said
    (tmp_path / "wrong.yaml").write_text("groups: [{name: g, rules: [{record: r, expr: 'sum('}]}]")
    assert "could not parse expression" in promtool("check", "rules", str(tmp_path / "wrong.yaml"), succeeds=False)


def promtool(*arguments: str, given: str = "", succeeds: bool = True) -> str:
    """What it says; Debian has it in the package `prometheus`."""
    done = subprocess.run([str(PROMTOOL), *arguments], input=given, capture_output=True, text=True, timeout=30)
    assert (done.returncode == 0) is succeeds, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("measured", [ALL, AWAY])
def test_openmetrics_parses_strictly(measured: Measurements) -> None:
    text = exposed(measured, "application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    parsed: Callable[[str], Iterable[Metric]] = openmetrics.text_string_to_metric_families
    for family in parsed(text):
        assert family.unit == "" or family.name.endswith(f"_{family.unit}")


def test_every_family_of_the_catalog_is_exposed_as_it_says() -> None:
    found = {family.name: family for family in text_string_to_metric_families(exposed(ALL))}
    assert sorted(found) == sorted(described.name.removesuffix("_total") for described in CATALOG)
    for described in CATALOG:
        family = found[described.name.removesuffix("_total")]
        labels = {tuple(sorted(label for label in sample.labels if label != "le")) for sample in family.samples}
        assert (family.type, family.documentation) == (described.kind, described.help)
        assert labels == {tuple(sorted(described.labels))}, described.name
        assert not {"chunk", "job", "job_id"} & set(described.labels)


def test_values_and_hostile_labels_survive() -> None:
    samples = [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(exposed(ALL))
        for sample in family.samples
    ]
    assert ("archival_jobs", {"hypertable": HOSTILE, "kind": "restore", "status": "failed"}, 1.0) in samples
    assert ("archival_rows_total", {"hypertable": "public.a", "outcome": "archived"}, 400.0) in samples
    assert ("archival_policy_lag_seconds", {"hypertable": "public.a"}, 0.0) in samples
    duration = "archival_archive_duration_seconds"
    assert (f"{duration}_bucket", {"le": "+Inf"}, 8.0) in samples
    assert (f"{duration}_count", {}, 8.0) in samples
    assert (f"{duration}_sum", {}, 261.0) in samples
    assert ("archival_queue_oldest_timestamp_seconds", {"queue": "archive"}, NOW.timestamp()) in samples


def test_sources_that_are_away_leave_only_what_says_so() -> None:
    families = list(text_string_to_metric_families(exposed(AWAY)))
    assert sorted(family.name for family in families) == ["archival_scrape_duration_seconds", "archival_scrape_success"]
    assert {sample.value for family in families for sample in family.samples} == {0.0, 5.0}


def metric_names(expression: str) -> set[str]:
    return set(re.findall(r"\barchival_\w+", expression))


def series() -> set[str]:
    suffixes = {"histogram": ("_bucket", "_count", "_sum")}
    return {described.name + suffix for described in CATALOG for suffix in suffixes.get(described.kind, ("",))}


def test_the_grafana_dashboard_uses_metrics_that_exist() -> None:
    dashboard = json.loads((GRAFANA / "dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    used = set().union(*map(metric_names, expressions))
    assert used <= series()
    # and all of them: a family that nobody looks at is not worth its label
    shown = {name for name in (d.name for d in CATALOG) if any(used_name.startswith(name) for used_name in used)}
    assert {described.name for described in CATALOG} - shown == set()
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert all(expression.count("(") == expression.count(")") for expression in expressions)
    for one, other in ((a, b) for a in dashboard["panels"] for b in dashboard["panels"] if a["id"] < b["id"]):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(one[a] < other[a] + other[size] and other[a] < one[a] + one[size] for a, size in (("x", "w"), ("y", "h")))


def test_the_alerts_use_metrics_and_labels_that_exist() -> None:
    document: dict[str, Any] = yaml.safe_load((GRAFANA / "alerts.yaml").read_text())
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    labels_of = {described.name: set(described.labels) for described in CATALOG}
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert set(rule["annotations"]) <= {"summary", "description"}
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        used = metric_names(rule["expr"])
        assert used, rule["alert"]
        assert used <= series(), rule["alert"]
        told = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert told <= set().union(*(labels_of[name] for name in used)), rule["alert"]
        assert rule["expr"].count("(") == rule["expr"].count(")")
