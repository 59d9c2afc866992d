"""`make bench ARGS=--commits`: one more archive enters a table of ever more archives, by the service's own runtime."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
from rich.console import Console
from rich.table import Table

from archival_core.runtime import Runtime
from bench.commits.archives import HYPERTABLE, add, prepare
from bench.own_service import own_service
from bench.surroundings import surroundings
from dev.servers.postgres import PostgresServer

_SIZES: Final = (10, 1_000, 10_000)
#: Commits between two checkpoints, and two rounds of them.
_ROUND, _ROUNDS = 20, 2
_HOUR: Final = timedelta(hours=1)

Figures = dict[str, float]


def main(arguments: list[str]) -> int:
    """Run it for each size; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=--commits", description="Whether a commit costs the same in a large table."
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=list(_SIZES), help="archives in the table")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
    asked = parser.parse_args(arguments)
    console = Console(stderr=asked.json)
    if not console.is_terminal:
        console.width = 140
    found: dict[int, Figures] = {}
    for size in asked.sizes:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="commits-")))
            server = stack.enter_context(PostgresServer(folder / "postgres"))
            around = surroundings(stack, server, folder)
            os.environ |= around
            with psycopg.connect(server.url, autocommit=True) as admin:
                admin.execute("create database commits")
            url = urlsplit(server.url)._replace(path="/commits").geturl()
            found[size] = asyncio.run(_measured(size, url, around, folder / "lake"))
    console.print(_report(found))
    if asked.json:
        print(json.dumps(found))
    return 0


async def _measured(archives: int, url: str, around: dict[str, str], lake: Path) -> Figures:
    async with own_service(url, around["REDIS_URL"], around["AzureWebJobsStorage"]) as service:
        await service.ledger.ping()
        with psycopg.connect(url, autocommit=True) as connection:
            prepare(connection)
            add(connection, 1, archives)
            # without autovacuum a fresh database has no idea of what is in it
            connection.execute("vacuum analyze")
            first = await _commit(service)
            log = lake / "bench" / "tables" / HYPERTABLE / "_delta_log"
            # the first commits of a process load what they need
            plain: list[tuple[float, float]] = []
            checkpoints: list[tuple[float, float]] = []
            for number in range(1, _ROUND * _ROUNDS + 1):
                add(connection, archives + number, archives + number)
                taken = await _commit(service)
                (checkpoints if number % _ROUND == 0 else plain).append(taken)
            versions = connection.execute("select version, checkpoint from archival.lake_table").fetchall()
        assert versions == [(_ROUND * _ROUNDS, _ROUND * _ROUNDS)], versions
    return _figures(log, first, plain, checkpoints)


def _figures(
    log: Path, first: tuple[float, float], plain: list[tuple[float, float]], checkpoints: list[tuple[float, float]]
) -> Figures:
    return {
        "all in one commit, ms": first[0],
        "one more: CPU ms": statistics.median(cpu for _, cpu in plain),
        "one more: ms": statistics.median(wall for wall, _ in plain),
        "one more, the least: ms": min(wall for wall, _ in plain),
        "with a checkpoint: CPU ms": checkpoints[-1][1],
        "with a checkpoint: ms": checkpoints[-1][0],
        "checkpoint, KB": (log / f"{_ROUND * _ROUNDS:020d}.checkpoint.parquet").stat().st_size / 1024,
        "log of the first, KB": (log / f"{0:020d}.json").stat().st_size / 1024,
        "log of one more, KB": (log / f"{_ROUND:020d}.json").stat().st_size / 1024,
    }


async def _commit(service: Runtime) -> tuple[float, float]:
    """Milliseconds: by the clock, and of this process's CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    report = await service.table_commits.commit_due(_HOUR)
    taken = (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000
    assert (report.committed, report.failed) == (1, {}), report
    return taken


def _report(found: dict[int, Figures]) -> Table:
    report = Table(title="a commit, and the ratio to the smallest table", show_edge=False)
    report.add_column("")
    for size in found:
        report.add_column(f"{size:,} archives", justify="right")
    for name, base in found[min(found)].items():
        report.add_row(name, *(f"{figures[name]:.1f} ({figures[name] / base:.2f})" for figures in found.values()))
    return report


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
