"""Workbook, dashboard and alerts: valid, and asking for what the service really says."""

from __future__ import annotations

import re

import pytest

from tests.infra.bicep import ROOT
from tests.infra.queries import ALERTS, DASHBOARD, QUERIES, WORKBOOK

SOURCES = "\n".join(path.read_text() for path in (ROOT / "archival_core").rglob("*.py"))
FUNCTIONS = set(
    re.findall(r"async def (\w+)\(", "".join(p.read_text() for p in (ROOT / "archival_core/functions").glob("*.py")))
)


PAGES = {name: query for name, query in QUERIES.items() if not name.partition("/")[0].endswith(".md")}
each_query = pytest.mark.parametrize("query", PAGES.values(), ids=list(PAGES))


def test_every_page_has_queries() -> None:
    kinds = [name.partition("/")[0] for name in PAGES]
    assert {kind: kinds.count(kind) for kind in kinds} == {"workbook": 13, "dashboard": 8, "alert": 8}


def test_the_workbook_is_one() -> None:
    assert WORKBOOK["version"] == "Notebook/1.0"
    names = [item["name"] for item in WORKBOOK["items"]]
    assert len(names) == len(set(names))
    [parameters] = [item["content"]["parameters"] for item in WORKBOOK["items"] if item["type"] == 9]
    given = {parameter["name"] for parameter in parameters}
    for item in WORKBOOK["items"]:
        if item["type"] == 3:
            assert item["content"]["timeContextFromParameter"] in given
            assert set(re.findall(r"\{(\w+):grain\}", item["content"]["query"])) <= given


def test_the_parts_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for part in DASHBOARD["lenses"][0]["parts"]:
        place = part["position"]
        cells = {(place["x"] + i, place["y"] + j) for i in range(place["colSpan"]) for j in range(place["rowSpan"])}
        assert not cells & taken
        taken |= cells


@each_query
def test_tables_are_those_of_application_insights(query: str) -> None:
    assert set(re.findall(r"\b(\w+)\s*\n?\s*\| where", query)) & {"requests", "traces", "dependencies", "customMetrics"} or (
        query.startswith(("requests", "dependencies"))
    )


@each_query
def test_brackets_and_quotes_are_closed(query: str) -> None:
    assert query.count('"') % 2 == 0
    plain = re.sub(r'"[^"]*"', '""', query)
    for opening, closing in ("()", "[]", "{}"):
        assert plain.count(opening) == plain.count(closing)


@each_query
def test_phrases_are_logged(query: str) -> None:
    """What a query looks for in a message stands in a format string of the code."""
    for phrase in re.findall(r'message (?:startswith|has) "([^"]+)"', query):
        assert phrase.strip() in SOURCES, phrase


@each_query
def test_functions_are_the_apps(query: str) -> None:
    assert set(re.findall(r'\bname == "([a-z_]+)"', query)) - FUNCTIONS == set()


@each_query
def test_metrics_are_documented(query: str) -> None:
    documented = set(re.findall(r"^\| `(archival\.[\w.]+)` \|", (ROOT / "docs/reference.md").read_text(), re.MULTILINE))
    assert set(re.findall(r'name == "(archival\.[\w.]+)"', query)) - documented == set()


def test_reports_are_logged_as_the_queries_parse_them() -> None:
    assert '"removed %d chunks, %d stay"' in SOURCES
    assert '"verified %d archives, %d damaged, %d unread"' in SOURCES
    # `drained` and `reconciled` print their reports, whose field says how many jobs were queued
    assert '"drained %s"' in SOURCES
    assert '"reconciled: %s"' in SOURCES
    from archival_core.flows.asking.event_drain import DrainReport
    from archival_core.flows.asking.policy_jobs import PolicyReport
    from archival_core.flows.upkeep.reconcile import ReconcileReport

    [query] = [rule["query"] for rule in ALERTS if rule["name"] == "nothing-archived"]
    [pattern] = re.findall(r'matches regex "([^"]+)"', query)
    asked = re.compile(pattern)
    assert asked.match(f"drained {DrainReport(events=3, queued=2)}")
    assert asked.match(f"reconciled: {ReconcileReport(policies=PolicyReport(queued=12))}")
    assert not asked.match(f"reconciled: {ReconcileReport(swept=12)}")
    assert not asked.match(f"drained {DrainReport(events=3)}")


def test_every_alert_is_in_the_runbook() -> None:
    runbook = (ROOT / "docs/operate.md").read_text()
    for rule in ALERTS:
        assert f"### {rule['name']}" in runbook
    assert set(re.findall(r"^### ([a-z-]+)$", runbook, re.MULTILINE)) == {rule["name"] for rule in ALERTS}


def test_windows_are_those_that_azure_monitor_knows() -> None:
    known = {f"PT{n}M" for n in (5, 10, 15, 30, 45)} | {f"PT{n}H" for n in range(1, 7)} | {"P1D", "P2D"}
    for rule in ALERTS:
        assert rule["frequency"] in known
        assert rule["window"] in known or not isinstance(rule["window"], str)
