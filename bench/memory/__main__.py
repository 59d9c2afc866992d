"""`make bench ARGS=--memory`: the highest resident memory of a process that archives one chunk, by the shape of its rows.

Each shape has a process of its own, which archives the chunk as often as there are rounds: what an earlier chunk left behind
is in the figure.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from typing import Final

import psycopg
from rich.console import Console
from rich.table import Table

from bench.contestants import Worker
from bench.memory.shapes import SHAPES, Shape, build
from bench.surroundings import surroundings
from dev.servers.postgres import PostgresServer
from dev.stack.state import ROOT

_LOCAL: Final = ROOT / ".local" / "bench"
_ROUNDS: Final = 3

#: `rows`, `source_mb`, `wall_s`, `peak_mb`, `parquet_mb`
Figures = dict[str, float]


def main(arguments: list[str]) -> int:
    """Run it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=--memory", description="Peak memory of an archive, by shape.")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
    parser.add_argument("--only", nargs="+", choices=list(SHAPES), help="these shapes alone")
    asked = parser.parse_args(arguments)
    console = Console(stderr=asked.json)
    if not console.is_terminal:
        console.width = 140
    _LOCAL.mkdir(parents=True, exist_ok=True)
    found: dict[str, Figures] = {}
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer(_LOCAL / "postgres", kept=True))
        environment = surroundings(stack, server, _LOCAL)
        for name in asked.only or SHAPES:
            found[name] = _measured(server.url, environment, SHAPES[name])
            console.print(f"  {name}: {found[name]['peak_mb']:.0f} MB", style="dim")
    console.print(_report(found))
    if asked.json:
        print(json.dumps(found))
    return 0


def _measured(url: str, environment: dict[str, str], shape: Shape) -> Figures:
    chunk = build(url, shape)
    with psycopg.connect(url) as connection:
        row = connection.execute(
            f"select count(*), pg_total_relation_size('{chunk}') / 1e6::float8 from {chunk}".encode()
        ).fetchone()
    assert row is not None
    name = "small" if shape.settings.get("PARQUET_PROFILE") == "small" else "committed"
    command = [sys.executable, "-m", "bench.ours", name, url, chunk.removesuffix("_1"), chunk, str(_LOCAL)]
    with Worker(command, environment | dict(shape.settings)) as worker:
        rounds = [worker.run() for _ in range(_ROUNDS)]
    return {
        "rows": row[0],
        "source_mb": round(row[1], 1),
        "wall_s": min(run["wall_s"] for run in rounds),
        "peak_mb": max(run["peak_mb"] for run in rounds),
        "parquet_mb": rounds[0]["parquet_mb"],
    }


def _report(found: dict[str, Figures]) -> Table:
    report = Table(title=f"the highest of {_ROUNDS} rounds, the least of their seconds", show_edge=False)
    report.add_column("")
    for title in ("rows", "MB in PostgreSQL", "Parquet MB", "seconds", "peak MB"):
        report.add_column(title, justify="right")
    for name, figures in found.items():
        report.add_row(
            SHAPES[name].title,
            f"{figures['rows']:,.0f}",
            f"{figures['source_mb']:,.0f}",
            f"{figures['parquet_mb']:,.0f}",
            f"{figures['wall_s']:.1f}",
            f"{figures['peak_mb']:.0f}",
        )
    return report
