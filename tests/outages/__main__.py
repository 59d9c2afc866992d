"""`python -m tests.outages [--minutes N] [--jobs N] [--events N] [--only NAME] [--json]`"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from tests.outages.run import DEPENDENCIES, Result, run


def main() -> int:
    """Run, print, and say whether everything was archived, soon, and nothing given up."""
    parser = argparse.ArgumentParser(prog="python -m tests.outages", description="each dependency away, before a backlog")
    parser.add_argument("--minutes", type=float, default=10, help="how long each dependency is away")
    parser.add_argument("--jobs", type=int, default=300, help="queued when the dependency goes away")
    parser.add_argument("--events", type=int, default=50, help="that come while the dependency is away")
    parser.add_argument("--only", choices=DEPENDENCIES, action="append", help="this dependency alone; may be given again")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    console = Console(stderr=arguments.json)
    results = [
        run(dependency, arguments.minutes, arguments.jobs, arguments.events, console.print)
        for dependency in arguments.only or DEPENDENCIES
    ]
    console.print(_table(results))
    if arguments.json:
        print(json.dumps([asdict(result) for result in results]))
    return 0 if all(result.good for result in results) else 1


def _table(results: list[Result]) -> Table:
    shown = Table("away", "minutes", "first job", "all jobs", "jobs", "attempts meanwhile", "buried", "ready", "metric")
    for result in results:
        jobs = ", ".join(f"{count} {status}" for status, count in sorted(result.jobs.items()))
        times = [f"{seconds:.0f} s" if seconds is not None else "never" for seconds in (result.first, result.all_done)]
        counts = (str(result.attempts), str(result.buried))
        shown.add_row(result.dependency, f"{result.minutes:g}", *times, jobs, *counts, result.ready, result.metric)
    return shown


if __name__ == "__main__":
    sys.exit(main())
