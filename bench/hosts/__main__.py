"""`make bench ARGS=--hosts`: the same work by one host and by two, where each waits more than it computes.

The lake is 100 ms away and the ledger, a database of its own, 20 ms; the source and the queues are near. Each host is a process
that works on one message at a time, of whichever queue: an instance of the function that is asked for. What timers share, and
the worker of a large chunk, they share with these.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
from rich.console import Console
from rich.table import Table

from archival_core.flows.asking.archive_requests import ArchiveWish
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.job import Status
from archival_core.model.jobs.message import JobMessage
from archival_core.runtime import Runtime
from bench.own_service import own_service
from bench.surroundings import surroundings
from dev.servers.azurite import AzuriteServer
from dev.servers.postgres import PostgresServer
from dev.servers.processes import Process
from dev.stack.state import ROOT

_LAKE_SECONDS, _LEDGER_SECONDS = 0.1, 0.02
_HOUR: Final = timedelta(hours=1)
_POLL_SECONDS = 0.05
_TABLE: Final = """
create table public.{name} (time timestamptz not null, device int, value double precision) partition by range (time);
do $do$ begin for i in 1..{chunks} loop
    execute format('create table public.{name}_%s partition of public.{name} for values from (%L) to (%L)', i,
                   timestamptz '2026-01-01Z' + (i - 1) * interval '1 day', timestamptz '2026-01-01Z' + i * interval '1 day');
end loop; end $do$;
insert into public.{name}
select timestamptz '2026-01-01Z' + i * interval '1 day' / {rows}, i % 7, i from generate_series(0, {chunks} * {rows} - 1) i;
"""
_STATUSES: Final = "select status, count(*) from archival.job where hypertable = 'public.{name}' group by 1"

#: Seconds, by what was done.
Figures = dict[str, float]


def main(arguments: list[str]) -> int:
    """Run it for one host and for two in turn; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=--hosts", description="Two hosts against one where waiting binds.")
    parser.add_argument("--counts", nargs="+", type=int, default=[1, 2], help="how many hosts, in turn; the first is the base")
    parser.add_argument("--rounds", type=int, default=3, help="times that each has its turn; the medians count")
    parser.add_argument("--chunks", type=int, default=24, help="small chunks that are archived, verified and removed")
    parser.add_argument("--parts", type=int, default=240, help="parts of the large chunk")
    parser.add_argument("--part-rows", type=int, default=5_000, help="rows of each of its parts")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
    asked = parser.parse_args(arguments)
    console = Console(stderr=asked.json)
    if not console.is_terminal:
        console.width = 140
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hosts-")))
        server = stack.enter_context(PostgresServer(folder / "postgres"))
        around = surroundings(stack, server, folder)
        around["AzureWebJobsStorage"] = stack.enter_context(AzuriteServer(folder / "azurite")).connection_string
        with psycopg.connect(server.url, autocommit=True) as admin:
            admin.execute("create database source")
            admin.execute("create database ledger")
        source, ledger = (urlsplit(server.url)._replace(path=f"/{name}") for name in ("source", "ledger"))
        near = {"ledger": ledger.geturl(), "source": source.geturl()}
        around["LEDGER_DATABASE_URL"] = _far(stack, folder, "ledger", near["ledger"], _LEDGER_SECONDS)
        around["LAKE_URL"] = _far(stack, folder, "lake", around["LAKE_URL"], _LAKE_SECONDS)
        os.environ |= around | {"ARCHIVE_PART_BYTES": str(asked.part_rows * 60)}
        found = asyncio.run(_measured(asked, near, around, console))
    console.print(_report(found))
    if asked.json:
        print(json.dumps(found))
    return 0


def _far(stack: ExitStack, folder: Path, name: str, url: str, seconds: float) -> str:
    """The URL of a server through a process that delays each way to it."""
    parts, port_file = urlsplit(url), folder / f"far-{name}.port"
    command = [sys.executable, "-m", "bench.hosts.far", str(parts.port), str(seconds), str(port_file)]
    process = stack.enter_context(Process(command, folder / f"far-{name}.log", cwd=ROOT))
    process.wait_until(lambda: port_file.exists() and port_file.read_text() != "", f"the way to the {name}")
    return parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port_file.read_text()}")).geturl()


async def _measured(
    asked: argparse.Namespace, near: Mapping[str, str], around: Mapping[str, str], console: Console
) -> dict[int, Figures]:
    runs: dict[int, list[Figures]] = {hosts: [] for hosts in asked.counts}
    async with own_service(near["source"], around["REDIS_URL"], around["AzureWebJobsStorage"]) as service:
        await service.ledger.ping()
        for number in range(asked.rounds):
            for hosts in asked.counts:
                name = f"t{number}_{hosts}"
                figures = await _round(service, near, name, hosts, asked)
                runs[hosts].append(figures)
                said = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in figures.items())
                console.print(f"  round {number}, {hosts} hosts: {said}", style="dim")
    return {hosts: {what: statistics.median(run[what] for run in done) for what in done[0]} for hosts, done in runs.items()}


async def _round(service: Runtime, near: Mapping[str, str], name: str, hosts: int, asked: argparse.Namespace) -> Figures:
    with psycopg.connect(near["source"], autocommit=True) as connection:
        connection.execute(_TABLE.format(name=name, chunks=asked.chunks, rows=1440).encode())
        connection.execute(_TABLE.format(name=f"{name}_large", chunks=1, rows=asked.parts * asked.part_rows).encode())
        connection.execute("vacuum analyze")
    figures: Figures = {}
    with psycopg.connect(near["ledger"], autocommit=True) as ledger:

        async def until(table: str, condition: str, count: int) -> None:
            query = f"select count(*) from archival.job where hypertable = 'public.{table}' and {condition}"
            while ledger.execute(query.encode()).fetchone() != (count,):  # noqa: ASYNC110  hosts of their own do the work
                await asyncio.sleep(_POLL_SECONDS)

        async def messages(queue: str) -> None:
            rows = ledger.execute(f"select job_id, traceparent from archival.job where hypertable = 'public.{name}'".encode())
            await service._shared[queue].send([JobMessage(*row) for row in rows.fetchall()])

        await _ask(service, name, remove=True)
        with _working(hosts) as took:
            await until(name, f"status = '{Status.ARCHIVED}'", asked.chunks)
            figures["archives"] = took()
        await service.verification.request(hypertable=_relation(name))
        await messages(service.settings.verify_queue)
        with _working(hosts) as took:
            await until(name, "verified_at is not null", asked.chunks)
            figures["verifications"] = took()
        await service.table_commits.commit_due(_HOUR)
        await messages(service.settings.removal_queue)
        with _working(hosts) as took:
            await until(name, f"status = '{Status.REMOVED}'", asked.chunks)
            figures["removals"] = took()
        await _ask(service, f"{name}_large", remove=False)
        with _working(hosts) as took:
            await until(f"{name}_large", f"status = '{Status.ARCHIVED}'", 1)
            figures["fan-out"] = took()
        [parts] = ledger.execute(
            "select jsonb_array_length(manifest -> 'parts') from archival.job where hypertable = %s", (f"public.{name}_large",)
        ).fetchone() or [0]
        assert parts >= service.settings.archive_shared_parts, f"the large chunk has {parts} parts"
        figures["parts"] = parts
    return figures


async def _ask(service: Runtime, table: str, *, remove: bool) -> None:
    wish = ArchiveWish(_relation(table), until="2030-01-01T00:00:00Z", remove=remove)
    await service.archive_requests.request(wish, f"bench/{table}", "bench")


def _relation(table: str) -> Relation:
    return Relation("public", table)


@contextmanager
def _working(hosts: int) -> Iterator[Callable[[], float]]:
    """So many hosts work inside; what is yielded says for how many seconds."""
    command = [sys.executable, "-m", "bench.hosts.host"]
    running = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
        for _ in range(hosts)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", "a host did not come up"
        began = time.perf_counter()
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        yield lambda: time.perf_counter() - began
    finally:
        for process in running:
            process.kill()
            process.wait()


def _report(found: dict[int, Figures]) -> Table:
    report = Table(title="seconds, and how many times faster than the first", show_edge=False)
    report.add_column("")
    for hosts in found:
        report.add_column(f"{hosts} hosts", justify="right")
    base = next(iter(found.values()))
    for name, seconds in base.items():
        if name != "parts":
            report.add_row(name, *(f"{figures[name]:.1f} ({seconds / figures[name]:.2f})" for figures in found.values()))
    return report


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
