"""`make bench`: every contestant in turn, at least three rounds, medians side by side.

The contestants take turns within each round, so that a noisy minute of the machine is everybody's. Server, client and lake
emulator share its cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

from rich.console import Console
from rich.table import Table

from bench.contestants import PEERS, WholeProcess, Worker, psql_drain, rivet
from bench.server_load import ServerLoad
from bench.surroundings import surroundings
from bench.table import build
from dev.servers.postgres import PostgresServer
from dev.stack.state import ROOT

_LOCAL = ROOT / ".local" / "bench"
_ROWS, _QUICK_ROWS = 3_000_000, 1_000_000
_OURS = ("extract", "committed", "small")
_QUICK = ("extract", "committed", "duckdb", "psql_drain")
#: for lines, in the order in which they are shown
_TITLES = {
    "extract": "ours: extraction to Parquet",
    "committed": "ours: committed and verified",
    "small": "ours: the same, profile small",
    "duckdb": "DuckDB postgres extension",
    "connectorx": "ConnectorX and pyarrow",
    "adbc": "ADBC driver and pyarrow",
    "psycopg": "psycopg cursor and pyarrow",
    "rivet": "rivet-cli",
    "psql_drain": "psql COPY > /dev/null",
}

Figures = dict[str, float]


class Contestant(Protocol):
    """Exports the table once."""

    def run(self) -> Figures:
        """`wall_s`, `cpu_s` of the client, `peak_mb` of its resident memory, `parquet_mb`."""
        ...


def main() -> int:
    """Run the benchmark; returns the exit code."""
    if "--scale" in sys.argv:
        from bench.scale.__main__ import main as scale

        return scale([argument for argument in sys.argv[1:] if argument != "--scale"])
    if "--query" in sys.argv:
        from bench.query.__main__ import main as questions

        return questions([argument for argument in sys.argv[1:] if argument != "--query"])
    if "--memory" in sys.argv:
        from bench.memory.__main__ import main as shapes

        return shapes([argument for argument in sys.argv[1:] if argument != "--memory"])
    if "--commits" in sys.argv:
        from bench.commits.__main__ import main as commits

        return commits([argument for argument in sys.argv[1:] if argument != "--commits"])
    if "--hosts" in sys.argv:
        from bench.hosts.__main__ import main as hosts

        return hosts([argument for argument in sys.argv[1:] if argument != "--hosts"])
    if "--console" in sys.argv:
        from bench.console.__main__ import main as console_views

        return console_views([argument for argument in sys.argv[1:] if argument != "--console"])
    arguments = _arguments()
    console = Console(stderr=arguments.json)
    if not console.is_terminal:
        console.width = 140
    names = arguments.only or (list(_QUICK) if arguments.quick else list(_TITLES))
    _LOCAL.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer(_LOCAL / "postgres", kept=True))
        console.print(f"A table of {arguments.rows:,} rows: built once, kept in {_LOCAL}")
        table = build(server.url, arguments.rows, arguments.decimals)
        contestants = stack.enter_context(_contestants(names, server, table))
        rounds: dict[str, list[Figures]] = {name: [] for name in names}
        # the first round warms caches and processes up, and does not count
        for number in range(arguments.rounds + 1):
            for name in names:
                with ServerLoad(server.url, server.pid) as load:
                    figures = contestants[name].run()
                figures |= {"server_cpu_s": load.cpu_seconds, "longest_statement_s": load.longest_statement_seconds}
                if number or arguments.rounds == 0:
                    rounds[name].append(figures)
                console.print(f"  round {number}: {name} {figures['wall_s']:.2f} s", style="dim")
    results = {name: _medians(runs) for name, runs in rounds.items()}
    console.print(_report(arguments.rows, results))
    if arguments.json:
        print(json.dumps({"rows": arguments.rows, "rounds": max(1, arguments.rounds), "results": results}))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="The engine beside its peers.")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
    parser.add_argument("--quick", action="store_true", help="a smaller table and the nearest peer: under a minute")
    parser.add_argument("--rows", type=int, default=0, help="rows of the table")
    parser.add_argument("--decimals", type=int, default=0, help="of the usages; TSBS has none, 2 is harder to shrink")
    parser.add_argument("--rounds", type=int, help="rounds that count, after one that does not; 0: one, which counts")
    parser.add_argument("--only", nargs="+", choices=list(_TITLES), help="these contestants alone")
    arguments = parser.parse_args()
    arguments.rows = arguments.rows or (_QUICK_ROWS if arguments.quick else _ROWS)
    if arguments.rounds is None:
        arguments.rounds = 3 if arguments.quick else 5
    return arguments


@contextmanager
def _contestants(names: list[str], server: PostgresServer, table: str) -> Iterator[dict[str, Contestant]]:
    chunk, parent = table, table.removesuffix("_1")
    peers_python = ROOT / ".local" / "bench-venv" / "bin" / "python"
    with ExitStack() as stack:
        found: dict[str, Contestant] = {}
        environment = surroundings(stack, server, _LOCAL) if set(names) & set(_OURS) else {}
        for name in names:
            output = _LOCAL / f"{name}.parquet"
            if name in _OURS:
                command = [sys.executable, "-m", "bench.ours", name, server.url, parent, chunk, str(_LOCAL)]
                found[name] = stack.enter_context(Worker(command, environment))
            elif name in PEERS:
                command = [str(peers_python), "-m", "bench.peers", name, server.url, table, str(output)]
                found[name] = stack.enter_context(Worker(command, dict(os.environ)))
            elif name == "rivet":
                found[name] = WholeProcess(rivet(peers_python, server.url, table, _LOCAL / "rivet"), _LOCAL / "rivet")
            else:
                found[name] = WholeProcess(psql_drain(server, table), None)
        yield found


def _medians(runs: list[Figures]) -> Figures:
    return {key: round(statistics.median(run[key] for run in runs), 3) for key in runs[0]}


def _report(rows: int, results: dict[str, Figures]) -> Table:
    report = Table(title=f"{rows:,} rows, medians; ratios to our committed archive", show_edge=False)
    report.add_column("")
    for title in ("rows/s", "wall s", "CPU s", "peak MB", "Parquet MB", "server CPU s", "longest s", "ratio"):
        report.add_column(title, justify="right")
    base = results.get("committed", next(iter(results.values())))["wall_s"]
    for name, title in _TITLES.items():
        if (figures := results.get(name)) is None:
            continue
        report.add_row(
            title,
            f"{rows / figures['wall_s']:,.0f}",
            f"{figures['wall_s']:.2f}",
            f"{figures['cpu_s']:.2f}",
            f"{figures['peak_mb']:.0f}",
            f"{figures['parquet_mb']:.1f}" if figures["parquet_mb"] else "",
            f"{figures['server_cpu_s']:.2f}",
            f"{figures['longest_statement_s']:.2f}",
            f"{figures['wall_s'] / base:.2f}",
        )
    return report


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"bench: {error}")
