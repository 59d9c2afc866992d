"""`make bench ARGS=--scale`: the same work beside ever more archives, each figure by its ratio to the smallest ledger's."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
from rich.console import Console
from rich.table import Table

from bench.scale.measure import Figures, measure
from dev.lake_emulator import DEFAULT_ACCOUNT, DEFAULT_KEY
from dev.servers.azurite import AzuriteServer
from dev.servers.postgres import PostgresServer
from dev.servers.processes import Process
from dev.servers.valkey import ValkeyServer
from dev.stack.state import ROOT

_SIZES: Final = (10, 1_000, 10_000, 100_000)


def main(arguments: list[str]) -> int:
    """Run it for each size; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=--scale", description="Whether a chunk costs the same in a large ledger."
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=list(_SIZES), help="archives in the ledger")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
    asked = parser.parse_args(arguments)
    console = Console(stderr=asked.json)
    if not console.is_terminal:
        console.width = 140
    found: dict[int, Figures] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scale-")))
        postgres = stack.enter_context(PostgresServer(folder / "postgres"))
        redis = stack.enter_context(ValkeyServer(folder / "valkey"))
        azurite = stack.enter_context(AzuriteServer(folder / "azurite"))
        port_file, root = folder / "lake.port", folder / "lake"
        root.mkdir()
        command = [sys.executable, "-m", "dev.lake_emulator", "--root", str(root), "--port-file", str(port_file)]
        lake = stack.enter_context(Process(command, folder / "lake.log", cwd=ROOT))
        lake.wait_until(port_file.exists, "the lake emulator")
        for size in asked.sizes:
            name = f"scale_{size}"
            os.environ |= {
                "LAKE_URL": f"http://127.0.0.1:{port_file.read_text()}/{DEFAULT_ACCOUNT}/{name.replace('_', '-')}",
                "LAKE_ACCOUNT_KEY": DEFAULT_KEY,
            }
            with psycopg.connect(postgres.url, autocommit=True) as admin:
                admin.execute(f"create database {name}".encode())
            url = urlsplit(postgres.url)._replace(path=f"/{name}").geturl()
            found[size] = asyncio.run(measure(size, url, redis.url, azurite.connection_string, root / name.replace("_", "-")))
            console.print(f"  {size:,} archives: {found[size]['archive, a chunk']:.0f} ms a chunk", style="dim")
    console.print(_report(found))
    if asked.json:
        print(json.dumps(found))
    return 0


def _report(found: dict[int, Figures]) -> Table:
    report = Table(title="milliseconds (and times), and the ratio to the smallest ledger", show_edge=False)
    report.add_column("")
    for size in found:
        report.add_column(f"{size:,} archives", justify="right")
    smallest = found[min(found)]
    for name, base in smallest.items():
        report.add_row(name, *(f"{figures[name]:.2f} ({figures[name] / (base or 1):.2f})" for figures in found.values()))
    return report


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
