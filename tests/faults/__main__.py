"""`python -m tests.faults [--seed N] [--runs N] [--only FAULT] [--run N] [--json] [--lanes N]`"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time

from rich.console import Console

from tests.faults import lanes, report
from tests.faults.lanes import Wanted
from tests.faults.runner import Result
from tests.faults.scenarios import FAMILIES
from tests.kit import pgbouncer

_NEWS_EVERY = 50


def wanted(runs: int, only: str | None, number: int | None, families: dict[str, int]) -> list[Wanted]:
    """Which runs of which families, given each family's share: every family has some."""
    if number is not None and only:
        return [(only, number)]
    if only:
        return [(only, n) for n in range(runs)]
    total = sum(families.values())
    counted = {name: max(1, -(-runs * share // total)) for name, share in families.items()}
    # in turns, so that a run that is cut short has seen every family
    turns = sorted((n / count, name, n) for name, count in counted.items() for n in range(count))
    return [(name, n) for _, name, n in turns]


def _leave(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def main() -> int:
    """Run, print, and say whether all is well."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="faults at every step of the service")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes other runs")
    parser.add_argument("--runs", type=int, default=1000, help="how many in all, shared out over the faults")
    parser.add_argument("--only", choices=sorted(FAMILIES), help="one fault")
    parser.add_argument("--run", type=int, help="with --only: exactly this run")
    parser.add_argument("--lanes", type=int, default=min(4, (os.cpu_count() or 2) + 1), help="runs at the same time")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    if arguments.run is not None and not arguments.only:
        parser.error("--run needs --only")
    # whoever stops this has the lanes and their servers stopped too
    signal.signal(signal.SIGTERM, _leave)
    console = Console(stderr=arguments.json)
    started = time.monotonic()
    families = {name: share for name, (_, share) in FAMILIES.items()}
    if pgbouncer.program() is None:
        if arguments.only == "pooler":
            parser.error("the family pooler needs PgBouncer: apt-get install pgbouncer")
        del families["pooler"]
        console.print("The family pooler is left out, because PgBouncer is not installed: apt-get install pgbouncer")
    runs = wanted(arguments.runs, arguments.only, arguments.run, families)
    found: list[Result] = []
    stopped = 0
    try:
        for result in lanes.results(runs, arguments.seed, arguments.lanes):
            found.append(result)
            if not result.good:
                report.failure(console, result)
            elif arguments.run is not None:
                console.print(f"{result.scenario} of story {result.story}: recovered in {result.seconds:.1f} s")
            if len(found) % _NEWS_EVERY == 0:
                console.print(f"{len(found)} of {len(runs)} runs, {time.monotonic() - started:.0f} s")
    except lanes.LaneError as error:
        console.print(str(error), markup=False, highlight=False)
    except SystemExit:
        # what was found until then is told; whoever sent the signal learns of it by the exit status
        stopped = 128 + signal.SIGTERM
    console.print(report.table(found, time.monotonic() - started))
    if arguments.json:
        print(report.as_json(found))
    if stopped:
        return stopped
    return 0 if len(found) == len(runs) and all(result.good or result.waits_for for result in found) else 1


if __name__ == "__main__":
    sys.exit(main())
