"""Every Kusto query of the project, by where it stands: workbook, dashboard, alerts and documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.infra.bicep import INFRA, ROOT, load

WORKBOOK: dict[str, Any] = json.loads((INFRA / "workbook.json").read_text())
DASHBOARD_TEXT = (INFRA / "portal-dashboard.json").read_text()
DASHBOARD: dict[str, Any] = json.loads(DASHBOARD_TEXT.replace("{applicationInsightsId}", "/subscriptions/s"))
ALERTS: list[dict[str, Any]] = load(INFRA / "modules/alerts.bicep").of("var")["rules"].value


def _queries() -> Iterator[tuple[str, str]]:
    for item in WORKBOOK["items"]:
        if item["type"] == 3:
            yield f"workbook/{item['name']}", item["content"]["query"]
    for part in DASHBOARD["lenses"][0]["parts"]:
        inputs = {entry["name"]: entry.get("value") for entry in part["metadata"]["inputs"]}
        if inputs:
            yield f"dashboard/{inputs['PartTitle']}", inputs["Query"]
    for rule in ALERTS:
        query = rule["query"]
        yield f"alert/{rule['name']}", query if isinstance(query, str) else query.text[1:-1]
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for number, query in enumerate(re.findall(r"^```kusto\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)):
            yield f"{document.name}/{number}", query


QUERIES = dict(_queries())


def filled(query: str) -> str:
    """The query as Azure would get it: with a value for each parameter of a page or a template."""
    return re.sub(r"\$\{\w+\}", "3600", query).replace("{TimeRange:grain}", "5m")
