"""docs/telemetry.md names every span, event and metric, and none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from archival_core.telemetry.instruments import Instruments

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/telemetry.md").read_text()
SOURCES = "\n".join(path.read_text() for path in (ROOT / "archival_core/flows").rglob("*.py"))


def test_every_step_is_drawn() -> None:
    steps = re.findall(r'telemetry\.(?:step|carried_on)\(\s*"([\w.]+)"', SOURCES)
    assert len(steps) > 10
    [drawn] = re.findall(r"```\n(the event.*?)```", TEXT, re.DOTALL)
    for step in steps:
        family, _, last = step.rpartition(".")
        assert step in drawn or (family in drawn and f".{last}" in drawn), step
    assert set(re.findall(r"archive\.\w+", drawn)) <= set(steps)


def test_every_event_has_a_row() -> None:
    events = re.findall(r'"(archival\.(?:chunk|job|removal|archive|event|stream)\.\w+)"', SOURCES)
    assert len(set(events)) > 6
    for event in events:
        assert event in TEXT or f"`.{event.rpartition('.')[2]}`" in TEXT, event


def test_every_metric_has_a_row() -> None:
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    metrics = [instrument.name for instrument in vars(Instruments(provider.get_meter("a test"))).values()]
    table = TEXT.partition("## Metrics")[2].partition("## Logs")[0]
    assert sorted(
        re.findall(
            r"`(archival\.(?:\w+)\.(?:\w+))`(?=,| \|)",
            "\n".join(line.split("|")[1] + "|" for line in table.splitlines() if line.startswith("| `")),
        )
    ) == sorted(metrics)
