"""`python -m tests.soak [--seconds N] [--seed N] [--json]`"""

from __future__ import annotations

import argparse
import json
import sys

from rich.console import Console
from rich.table import Table

from tests.soak.run import Result, run


def main() -> int:
    """Run, print, and say whether every row is there once."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="two hosts, killed and paused, for minutes")
    parser.add_argument("--seconds", type=float, default=600, help="how long the trouble lasts")
    parser.add_argument("--seed", type=int, default=1, help="other dice; threads make each run another one anyway")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    result = run(arguments.seconds, arguments.seed)
    console = Console(stderr=arguments.json)
    console.print(_table(result))
    for problem in [*result.verdict.problems, result.logs]:
        console.print(problem, markup=False, highlight=False)
    if arguments.json:
        counted = {"rows": result.verdict.rows, "lost": result.verdict.lost, "doubled": result.verdict.doubled}
        print(json.dumps({**counted, "wrong": result.verdict.wrong, "good": result.good, "met": result.met}))
    return 0 if result.good else 1


def _table(result: Result) -> Table:
    shown = Table("what", "how often", title=f"two hosts, {result.seconds:.0f} s")
    for name, count in sorted(result.met.items()):
        shown.add_row(name, f"{count:,}")
    shown.add_section()
    for name in ("rows", "lost", "doubled", "wrong"):
        shown.add_row(name, f"{getattr(result.verdict, name):,}")
    return shown


if __name__ == "__main__":
    sys.exit(main())
