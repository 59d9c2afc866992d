"""`python -m dev.demo`: sample data, events, the service at work, and every row compared. Exits 1 if anything is amiss."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from dev.demo import events, lake_table, sample_data
from dev.demo.comparison import Comparison, compare
from dev.demo.jobs import JobRow, read_jobs
from dev.demo.report import Report
from dev.demo.tracing import TraceError, Tracing, tracing
from dev.servers.processes import ServerError
from dev.stack.stack import Stack
from dev.stack.state import ROOT, State

_ROWS = 1_000_000
_PATIENCE_SECONDS = 240
_COMPARERS = 2


class DemoError(RuntimeError):
    """The service did not do what the demo asked for."""


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m dev.demo", description="the main job on sample data, every row compared")
    parser.add_argument("--json", action="store_true", help="end with one JSON object on the last line")
    parser.add_argument("--trace", metavar="FILE", help="write the trace of one archive as a page; `-` draws it here")
    parser.add_argument("--rows", type=int, default=_ROWS, help=f"of the sample table; {_ROWS:,} by default")
    parser.add_argument("--local", type=Path, default=ROOT / ".local", help="folder of everything the demo keeps")
    parser.add_argument("--core-tools", action="store_true", help="under Microsoft's `func start`, which has to be installed")
    parser.add_argument("--package", type=Path, metavar="FOLDER", help="the unpacked app of `make package`")
    arguments = parser.parse_args()
    console = Console(stderr=arguments.json)
    for number in (signal.SIGINT, signal.SIGTERM):  # said for both: a shell's background job ignores SIGINT
        signal.signal(number, signal.default_int_handler)
    try:
        with tracing(arguments.trace) as traced:
            state = State(arguments.local.resolve(), "demo")
            how = {"core_tools": arguments.core_tools, "package": arguments.package and arguments.package.resolve()}
            report = _run(state, arguments.rows, console, traced, how)
    except KeyboardInterrupt:
        sys.exit("stopped")
    except (ServerError, DemoError, TraceError) as error:
        sys.exit(str(error))
    report.show(console)
    if arguments.json:
        print(report.to_json())
    if not report.equal:
        sys.exit("the archives are NOT equal to the database")


def _run(state: State, rows: int, console: Console, traced: Tracing | None, how: dict[str, Any]) -> Report:
    started = time.monotonic()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        step = progress.add_task("starting the servers", total=None)
        # nothing is taken from the environment: the demo empties what it uses
        with Stack(state, traced.settings if traced else {}, fresh=True, **how) as stack:
            url = str(stack.addresses["source_database_url"])
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("drop schema if exists archival cascade")
                progress.update(step, description=f"making {rows:,} rows in {sample_data.DAYS} partitions")
                sample_data.create(url, rows)
                traceparent = events.publish(str(stack.addresses["redis_url"]))
                progress.update(step, description="starting the function app")
                stack.host.start()
                progress.update(step, description="archiving", total=len(events.chunks()), completed=0)
                jobs, dead = _follow(stack, connection, progress, step)
            assert stack.lake_folder is not None  # the demo's lake is embedded
            archived = [job for job in jobs if job.status == "archived"]
            progress.update(step, description="comparing every row", completed=0)
            comparisons = _compare(url, stack.lake_folder, archived, lambda: progress.advance(step))
            progress.update(step, description="waiting for the table in the lake")
            expected = sum(comparison.rows_parquet for comparison in comparisons)
            table = lake_table.wait_for(stack.lake_folder / "tables" / "demo.readings", expected)
            if table is None:
                raise DemoError(f"the table in the lake has not the {expected:,} rows of the archives")
            progress.update(step, description="done")
            duplicates = [job for job in jobs if job.is_duplicate]
            lake = stack.lake_folder
    if traced:
        traced.draw(traceparent, events.traced_chunk(), console)
    compared = list(zip(archived, comparisons, strict=True))
    return Report(compared, duplicates, dead, lake, table, time.monotonic() - started)


def _follow(stack: Stack, connection: psycopg.Connection, progress: Progress, step: TaskID) -> tuple[list[JobRow], list[str]]:
    """Wait until every event has come to its end; the jobs and the reasons of the dead events."""
    wanted = set(events.chunks())
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        if stack.host.keep_up():
            progress.console.print("the functions host had died and runs again")
        jobs = read_jobs(connection)
        dead = events.dead_reasons(str(stack.addresses["redis_url"]))
        archived = {job.chunk for job in jobs if job.status == "archived"}
        progress.update(step, completed=len(archived))
        if failed := [job for job in jobs if job.status == "failed"]:
            raise DemoError("\n".join(f"{job.chunk} failed: {job.reason}" for job in failed))
        if archived == wanted and any(job.is_duplicate for job in jobs) and dead:
            return jobs, dead
        if time.monotonic() > deadline:
            tail = stack.host.log.read_text(errors="replace")[-2000:]
            raise DemoError(f"{len(archived)} of {len(wanted)} chunks are archived after {_PATIENCE_SECONDS} s:\n{tail}")
        time.sleep(0.2)


def _compare(url: str, lake: Path, jobs: list[JobRow], one_done: Callable[[], None]) -> list[Comparison]:
    def one(job: JobRow) -> Comparison:
        assert job.lake_path is not None  # it is archived
        with psycopg.connect(url, autocommit=True) as connection:
            result = compare(connection, job.chunk, lake / job.lake_path)
        one_done()
        return result

    with ThreadPoolExecutor(_COMPARERS) as pool:
        return list(pool.map(one, jobs))


if __name__ == "__main__":
    main()
