"""A trace as a waterfall: each span a line below the one that it belongs to, each duration a bar at its time."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from dataclasses import dataclass

from dev.traces.spans import Node, Span

_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 14px/1.5 system-ui, sans-serif; }}
body {{ margin: 2rem auto; max-width: 90rem; padding: 0 1rem; }}
h1 {{ font-size: 1.25rem; margin: 0; }}
p {{ margin: .25rem 0 1rem; opacity: .75; }}
summary, .axis {{ display: grid; grid-template-columns: minmax(16rem, 2fr) 5.5rem 3fr; gap: .75rem; align-items: center;
  padding: .1rem .25rem; cursor: pointer; list-style: none; }}
summary:hover, summary:focus-visible {{ background: rgb(128 128 128 / .15); }}
.name {{ overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.took {{ text-align: right; font-variant-numeric: tabular-nums; }}
.line {{ position: relative; height: .8rem; background: rgb(128 128 128 / .12); border-radius: .2rem; }}
.bar {{ position: absolute; height: 100%; min-width: 2px; border-radius: .2rem; background: var(--of); }}
.consumer {{ --of: #2563eb; }} .producer {{ --of: #7c3aed; }} .internal {{ --of: #0f766e; }}
.client {{ --of: #b45309; }} .server {{ --of: #2563eb; }} .failed {{ --of: #dc2626; }}
.failed .name {{ color: #dc2626; font-weight: 600; }}
.waited {{ background: repeating-linear-gradient(135deg, #2563eb 0 1px, transparent 1px 6px); }}
.axis {{ cursor: default; font-size: .8rem; opacity: .75; }} .axis .line {{ background: none; height: 1.2rem; }}
.axis .line span {{ position: absolute; transform: translateX(-50%); white-space: nowrap; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; margin: .25rem 0 .75rem 2rem; font-size: .85rem; }}
dd {{ margin: 0; overflow-wrap: anywhere; }} dt {{ opacity: .7; }}
</style>
<h1>{title}</h1>
<p>{caption}</p>
"""

_TICKS = (0, 0.25, 0.5, 0.75, 1)


@dataclass(frozen=True, slots=True)
class Line:
    """One span, and where its bar is: shares of the whole trace's time."""

    depth: int
    span: Span
    left: float
    width: float
    #: of what came out of a queue: how long it had been there, up to `left`
    waited: float = 0.0


def lines(root: Node) -> Iterator[Line]:
    """Every span of the tree, parents first."""
    spans = [span for _, span in root.walk()]
    begin = min(span.start for span in spans)
    length = max(max(span.end for span in spans) - begin, 1)
    sent = {span.span_id: span.end for span in spans if span.kind == "producer"}
    for depth, span in root.walk():
        waited = max(span.start - sent.get(span.parent_id, span.start), 0) if span.kind == "consumer" else 0
        yield Line(depth, span, (span.start - begin) / length, (span.end - span.start) / length, waited / length)


def as_html(root: Node, title: str) -> str:
    """A page that needs nothing else: no script, no font, no address."""
    drawn = list(lines(root))
    whole = (max(line.span.end for line in drawn) - min(line.span.start for line in drawn)) / 1e9
    caption = f"trace {root.span.trace_id} · {len(drawn)} spans · {_time(whole)}"
    page = [_HEAD.format(title=html.escape(title), caption=html.escape(caption)), _axis(whole)]
    for line in drawn:
        span = line.span
        failed = " failed" if span.error else ""
        bars = _bar(line.left, line.width)
        if line.waited:
            bars = _bar(line.left - line.waited, line.waited, "waited", f"in the queue for {_time(line.waited * whole)}") + bars
        page.append(
            f'<details id="{span.span_id}"><summary class="{span.kind}{failed}">'
            f'<span class="name" style="padding-left:{line.depth * 1.1:.1f}rem">{html.escape(span.name)}</span>'
            f'<span class="took">{_time(span.seconds)}</span>'
            f'<span class="line">{bars}</span></summary>'
            f"<dl>{''.join(_described(span))}</dl></details>\n"
        )
    page.append("</html>\n")
    return "".join(page)


def as_text(root: Node, width: int = 110) -> str:
    """The same for a terminal of `width` columns."""
    drawn = list(lines(root))
    names = min(max(len(line.span.name) + 2 * line.depth for line in drawn), width // 2)
    room = max(width - names - 12, 10)
    text = []
    for line in drawn:
        name = ("  " * line.depth + line.span.name)[:names].ljust(names)
        start = min(int(line.left * room), room - 1)
        bar = " " * start + "█" * max(1, min(round(line.width * room), room - start))
        text.append(f"{name} {_time(line.span.seconds):>9} {bar}{' failed' if line.span.error else ''}")
    return "\n".join(text)


def _axis(seconds: float) -> str:
    ticks = "".join(f'<span style="left:{share * 100:.0f}%">{_time(share * seconds)}</span>' for share in _TICKS)
    return f'<div class="axis"><span></span><span></span><span class="line">{ticks}</span></div>\n'


def _bar(left: float, width: float, kind: str = "", title: str = "") -> str:
    place = f"left:{left * 100:.3f}%;width:{width * 100:.3f}%"
    return f'<span class="{f"bar {kind}".strip()}" style="{place}" title="{title}"></span>'


def _described(span: Span) -> Iterator[str]:
    told = {"kind": span.kind, **dict(sorted(span.attributes.items()))}
    if span.error:
        told["failed"] = span.error
    if span.links:
        told["linked to"] = ", ".join(f"{trace_id}/{span_id}" for trace_id, span_id in span.links)
    for name, attributes in span.events:
        told[name] = json.dumps(attributes, ensure_ascii=False)
    for name, value in told.items():
        yield f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
