"""The demo's trace: one archive, from its event to the ledger, as the service's own telemetry tells it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console

from dev.traces.collector import Collector
from dev.traces.spans import Node, trees
from dev.traces.waterfall import as_html, as_text

#: what an archive consists of; without one of these its trace is not complete
STEPS: Final = (
    "process archival.events",
    "send archive-chunks",
    "process archive-chunks",
    "archive.catalog",
    "archive.snapshot",
    "archive.part",
    "archive.extract",
    "archive.upload",
    "archive.read_back",
    "archive.publish",
    "archive.manifest",
    "archive.ledger",
    "send archival.results",
)
_PATIENCE_SECONDS: Final = 15.0


class TraceError(RuntimeError):
    """The trace is not what it should be."""


class Tracing:
    """Receives the demo's telemetry and draws one trace into `target`, a file, or the terminal for `-`."""

    def __init__(self, collector: Collector, target: str) -> None:
        self._collector, self._target = collector, target

    @property
    def settings(self) -> dict[str, str]:
        """What lets the service send it."""
        return {"TELEMETRY_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": self._collector.url}

    def draw(self, traceparent: str, chunk: str, console: Console) -> None:
        """Draw the trace of the event that was sent with `traceparent`; raises `TraceError` if a part of it is missing."""
        root = self._whole(traceparent)
        title = f"One archive: {chunk}"
        if self._target == "-":
            console.print(f"\n{title}, trace {root.span.trace_id}\n")
            console.print(as_text(root, console.width), soft_wrap=True, highlight=False, markup=False)
        else:
            file = Path(self._target)
            file.write_text(as_html(root, title), encoding="utf-8")
            console.print(f"The trace of {chunk}: {file.resolve()}", soft_wrap=True, highlight=False)

    def _whole(self, traceparent: str) -> Node:
        _, trace_id, event, _ = traceparent.split("-")
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            spans = self._collector.trace(trace_id)
            roots, missing = trees(spans), set(STEPS) - {span.name for span in spans}
            if len(roots) == 1 and roots[0].span.parent_id == event and not missing:
                return roots[0]
            if time.monotonic() > deadline:
                raise TraceError(f"the trace {trace_id} is not whole: {len(roots)} roots, without {sorted(missing)}")
            time.sleep(0.1)


@contextmanager
def tracing(target: str | None) -> Iterator[Tracing | None]:
    """A collector that listens while the context is open, if the trace is wanted."""
    if target is None:
        yield None
        return
    with Collector() as collector:
        yield Tracing(collector, target)
