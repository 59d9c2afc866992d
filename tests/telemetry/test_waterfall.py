"""The trace of one archive, drawn: nothing is missing, and the page needs nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from dev.demo.tracing import STEPS
from dev.traces.spans import Node, Span, trees
from dev.traces.waterfall import as_html, as_text, lines

ROOT = Path(__file__).parents[2]


def span(span_id: str, parent_id: str, start: int, end: int, name: str = "", error: str | None = None) -> Span:
    return Span("t" * 32, span_id, parent_id, name or span_id, "internal", start, end, {"a": "<b>"}, [], [], error)


def tree() -> Node:
    [root] = trees([span("c", "b", 50, 100, error="no"), span("a", "elsewhere", 0, 100), span("b", "a", 25, 75)])
    return root


def test_bars_are_shares_of_the_whole() -> None:
    found = [(line.depth, line.span.name, line.left, line.width) for line in lines(tree())]
    assert found == [(0, "a", 0, 1), (1, "b", 0.25, 0.5), (2, "c", 0.5, 0.5)]


def test_what_waited_in_a_queue_is_told() -> None:
    sent, taken = replace(span("a", "", 0, 10), kind="producer"), replace(span("b", "a", 60, 100), kind="consumer")
    [root] = trees([sent, taken])
    assert [line.waited for line in lines(root)] == [0, 0.5]
    assert 'style="left:10.000%;width:50.000%" title="in the queue for 0.0 ms"' in as_html(root, "")


def test_the_page_shows_every_span_and_escapes() -> None:
    page = as_html(tree(), "A & B")
    assert re.findall(r'<details id="(\w)"', page) == ["a", "b", "c"]
    assert "A &amp; B" in page
    assert "&lt;b&gt;" in page
    assert page.count("failed") > 1


def test_the_terminal_shows_every_span() -> None:
    shown = as_text(tree(), 60).splitlines()
    assert [line.split()[0] for line in shown] == ["a", "b", "c"]
    assert max(map(len, shown)) <= 60 + len(" failed")


class _Names(HTMLParser):
    """What the page names, and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.foreign: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = ("class", "name") in attrs
        if tag in ("script", "link", "img", "iframe") or {"src", "href"} & dict(attrs).keys():
            self.foreign.append(tag)

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.names.append(data)
            self._inside = False


def test_the_demo_writes_the_whole_trace_of_one_archive(tmp_path: Path) -> None:
    file = tmp_path / "trace.html"
    command = [sys.executable, "-m", "dev.demo", "--rows", "20000", "--local", str(tmp_path / "local"), "--trace", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stdout + done.stderr
    page = _Names()
    page.feed(file.read_text())
    assert page.foreign == []
    # one tree, in its order, and calls to other systems among it
    assert [name for name in page.names if name in STEPS] == [
        "process archival.events",
        "send archive-chunks",
        "process archive-chunks",
        "archive.catalog",
        "archive.snapshot",
        "archive.part",
        "archive.upload",
        "archive.extract",
        "archive.read_back",
        "archive.publish",
        "archive.manifest",
        "archive.ledger",
        "send archival.results",
    ]
    assert "lake publish" in page.names
    log = (tmp_path / "local" / "demo" / "logs" / "host.log").read_text()
    trace_id = re.search(r"trace (\w{32})", file.read_text())
    assert trace_id is not None
    assert re.search(rf"trace={trace_id[1]} job=[0-9a-f-]{{36}}: job .* attempt 1", log)
