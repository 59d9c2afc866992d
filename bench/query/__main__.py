"""`make bench ARGS=--query`: questions to a table that is half live and half archived, each beside its peers.

The archived half is compared with DuckDB on the same files, the live half with DuckDB's own scan of the same rows, and all of
it with PostgreSQL, where all rows are live. What the contestants answer has to be the same.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
from rich.console import Console
from rich.table import Table

from bench.query import table
from bench.query.questions import QUESTIONS
from dev.lake_emulator import DEFAULT_ACCOUNT, DEFAULT_KEY
from dev.servers.azurite import AzuriteServer
from dev.servers.postgres import PostgresServer
from dev.servers.processes import Process
from dev.servers.valkey import ValkeyServer
from dev.stack.host_defaults import FLAT_MEMORY
from dev.stack.state import ROOT

_LOCAL: Final = ROOT / ".local" / "bench"
_ROWS, _QUICK_ROWS = 30_000_000, 1_000_000
#: by part: whom ours is measured by
_PEER: Final = {"archived": "duckdb on files", "live": "duckdb on postgresql", "all": "postgresql"}
_OTHERS: Final = ("duckdb on files", "duckdb on postgresql", "postgresql")

#: seconds and seconds of the processor, the medians of the rounds, and the highest memory, by question, part and contestant
Figures = dict[str, dict[str, dict[str, dict[str, float]]]]


def main(arguments: list[str]) -> int:
    """Run it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=--query", description="Questions beside DuckDB and PostgreSQL alone."
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK_ROWS:,} rows, and three rounds")
    parser.add_argument("--rows", type=int, default=0, help=f"of the table; {_ROWS:,} by default")
    parser.add_argument("--rounds", type=int, default=0, help="that count, after one that does not")
    asked = parser.parse_args(arguments)
    rows = asked.rows or (_QUICK_ROWS if asked.quick else _ROWS)
    rounds = asked.rounds or (3 if asked.quick else 5)
    console = Console(stderr=asked.json)
    if not console.is_terminal:
        console.width = 140
    folder = _LOCAL / f"query-{rows}"
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer(folder / "postgres", kept=True))
        url, lake = _made(stack, server.url, folder, rows, console)
        figures = _measured(stack, url, lake, rounds, console)
    console.print(_report(rows, figures))
    if asked.json:
        print(json.dumps({"rows": rows, "rounds": rounds, "results": figures}))
    return 0


def _made(stack: ExitStack, server_url: str, folder: Path, rows: int, console: Console) -> tuple[str, Path]:
    """The database and the lake, made once and kept."""
    url = urlsplit(server_url)._replace(path="/questions").geturl()
    lake, done = folder / "lake" / "questions", folder / "made"
    if done.exists():
        return url, lake
    console.print(f"A table of {rows:,} rows, half of them archived: made once, kept in {folder}")
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(b"drop database if exists questions with (force)")
        admin.execute(b"create database questions")
    table.build(url, rows)
    redis = stack.enter_context(ValkeyServer(folder / "valkey"))
    azurite = stack.enter_context(AzuriteServer(folder / "azurite"))
    port_file = folder / "lake.port"
    port_file.unlink(missing_ok=True)
    lake.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "dev.lake_emulator", "--root", str(lake.parent), "--port-file", str(port_file)]
    emulator = stack.enter_context(Process(command, folder / "lake.log", cwd=ROOT))
    emulator.wait_until(port_file.exists, "the lake emulator")
    os.environ |= {
        **FLAT_MEMORY,
        "LAKE_URL": f"http://127.0.0.1:{port_file.read_text()}/{DEFAULT_ACCOUNT}/questions",
        "LAKE_ACCOUNT_KEY": DEFAULT_KEY,
    }
    table.make_archived(url, redis.url, azurite.connection_string)
    done.touch()
    return url, lake


class _Contestant:
    """A process that answers."""

    def __init__(self, python: str, name: str, url: str, lake: Path) -> None:
        self.name = name
        command = [python, "-m", "bench.query.contestants", name, url, str(lake)]
        self._child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, question: str, part: str) -> dict[str, Any]:
        """Seconds, memory and rows; raises `RuntimeError` where there is no answer."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(json.dumps({"question": question, "part": part}) + "\n")
        self._child.stdin.flush()
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} has no answer to {question}, {part}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End it."""
        self._child.terminate()
        with self._child:
            pass


def _measured(stack: ExitStack, url: str, lake: Path, rounds: int, console: Console) -> Figures:
    peers_python = str(ROOT / ".local" / "bench-venv" / "bin" / "python")
    contestants = [_Contestant(sys.executable, "ours", url, lake)]
    contestants += [_Contestant(peers_python, name, url, lake) for name in _OTHERS]
    for contestant in contestants:
        stack.callback(contestant.close)
    figures: Figures = {}
    for question, found in QUESTIONS.items():
        for part in found.parts:
            # the first round warms up; within a round they take turns, so that a noisy minute is everybody's
            taken: dict[str, list[dict[str, Any]]] = {}
            for number in range(rounds + 1):
                for contestant in contestants:
                    if contestant.name == "duckdb on files" and part != "archived":
                        continue
                    taken.setdefault(contestant.name, []).append(contestant.ask(question, part))
                if number == 0:
                    _compare(question, part, {name: answers[0]["rows"] for name, answers in taken.items()})
            figures.setdefault(question, {})[part] = {
                name: {
                    "wall_s": statistics.median(answer["wall_s"] for answer in answers[1:]),
                    "cpu_s": statistics.median(answer["cpu_s"] for answer in answers[1:]),
                    "peak_mb": max(answer["peak_mb"] for answer in answers[1:]),
                }
                for name, answers in taken.items()
            }
            ours = figures[question][part]["ours"]["wall_s"]
            console.print(f"  {found.title}, {part}: {ours:.3f} s", style="dim")
    return figures


def _compare(question: str, part: str, answers: dict[str, list[list[Any]]]) -> None:
    expected = answers["postgresql"]
    if not expected:
        raise RuntimeError(f"{question}, {part}: nothing was found")
    for name, rows in answers.items():
        pairs = list(zip_longest(rows, expected))
        different = [pair for pair in pairs if None in pair or not all(map(_is_same, *pair))]
        if different:
            raise RuntimeError(f"{question}, {part}: {name} and PostgreSQL have {different[:3]}")


def _is_same(one: Any, other: Any) -> bool:
    """Means depend on the order in which numbers are added."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)


def _report(rows: int, figures: Figures) -> Table:
    report = Table(title=f"{rows:,} rows, half of them archived: seconds, medians", show_edge=False)
    report.add_column("")
    titles = ("rows of", "ours", "DuckDB on files", "DuckDB on PostgreSQL", "PostgreSQL", "ratio", "ratio of CPU", "peak MB")
    for title in titles:
        report.add_column(title, justify="left" if title == "rows of" else "right")
    for question, parts in figures.items():
        for part, found in parts.items():
            ours = found["ours"]["wall_s"]
            peers = (f"{found[name]['wall_s']:.3f}" if name in found else "" for name in _OTHERS)
            ratio = f"{ours / found[_PEER[part]]['wall_s']:.2f} to {_PEER[part]}"
            # of PostgreSQL nobody here sees the processor time
            cpu = found[_PEER[part]]["cpu_s"]
            of_cpu = f"{found['ours']['cpu_s'] / cpu:.2f}" if cpu and part != "all" else ""
            peak = f"{found['ours']['peak_mb']:.0f}"
            report.add_row(QUESTIONS[question].title, part, f"{ours:.3f}", *peers, ratio, of_cpu, peak)
    return report


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
