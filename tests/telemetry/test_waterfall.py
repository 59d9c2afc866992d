"""A trace, drawn: every span is there. What the demo draws is tested where the demo is run."""

from __future__ import annotations

import re
from dataclasses import replace

from dev.traces.spans import Node, Span, trees
from dev.traces.waterfall import as_html, as_text, lines


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
