"""Workbook, dashboard and alerts: valid, and asking for what the service really says."""

from __future__ import annotations

import re

import pytest

from tests.infra.bicep import ROOT
from tests.infra.queries import ALERTS, DASHBOARD, QUERIES, WORKBOOK

TELEMETRY = (ROOT / "docs/telemetry.md").read_text()
ENDS = ("archived", "removed", "restored", "failed")
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
def test_nothing_goes_by_the_words_of_a_sentence_or_the_names_of_the_host(query: str) -> None:
    """Whoever mends the English of a log line must not break an alert."""
    assert not re.search(r"\b(?:where|extend|parse) message\b|\btraces\b", query)
    assert set(re.findall(r'\bname == "(\w+)"', query)) & FUNCTIONS == set()


@each_query
def test_events_and_their_fields_are_documented(query: str) -> None:
    documented = set(re.findall(r"`(archival\.[\w.]+)`", TELEMETRY)) | {f"archival.chunk.{end}" for end in ENDS}
    names = re.findall(r'"(archival\.[\w.]+)"', query)
    assert set(names) - documented == set()
    for name in re.findall(r'name == "(archival\.[\w.]+)"', query):
        assert f'"{name}"' in SOURCES, name


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
