"""`python -m tests.mutants [--only NAME] [--among TESTS] [--lanes N] [--list] [--json]`"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue

from rich.console import Console

from tests.mutants.harness import Copy, Outcome, copied
from tests.mutants.mutation import Mutation
from tests.mutants.table import MUTATIONS


def main() -> int:
    """Run, print, and say whether every mutant was killed."""
    names = [mutation.name for mutation in MUTATIONS]
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="lines that guard the promise, broken")
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help="one mutant; may be given again")
    parser.add_argument("--among", nargs="+", metavar="TESTS", help="run all of these (below tests/), name those that notice")
    parser.add_argument("--lanes", type=int, default=min(4, os.cpu_count() or 2), help="mutants at the same time")
    parser.add_argument("--list", action="store_true", help="print the names")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(names))
        return 0
    wanted = [mutation for mutation in MUTATIONS if not arguments.only or mutation.name in arguments.only]
    console = Console(stderr=arguments.json, highlight=False, markup=False, soft_wrap=True)
    started, found = time.monotonic(), {}
    for mutation, outcome in _outcomes(console, wanted, arguments.among, max(1, min(arguments.lanes, len(wanted)))):
        found[mutation.name] = outcome.verdict
        _tell(console, mutation, outcome, among=arguments.among is not None)
    counted = Counter(found.values())
    verdicts = ", ".join(f"{counted[verdict]} {verdict}" for verdict in ("killed", "survived", "unclear"))
    console.print(f"{len(found)} of {len(wanted)} mutants in {time.monotonic() - started:.0f} s: {verdicts}")
    if arguments.json:
        print(json.dumps(found))
    return 0 if counted["killed"] == len(wanted) else 1


def _outcomes(
    console: Console, wanted: Sequence[Mutation], among: Sequence[str] | None, lanes: int
) -> Iterator[tuple[Mutation, Outcome]]:
    """Each mutation and what the tests say, in the table's order; none if the tests fail without a mutation."""
    free: SimpleQueue[Copy] = SimpleQueue()

    def play(mutation: Mutation) -> Outcome:
        copy = free.get()
        try:
            return copy.run(among or mutation.tests, mutation, until_one_fails=among is None)
        finally:
            free.put(copy)

    with ExitStack() as stack:
        copies = [stack.enter_context(copied()) for _ in range(lanes)]
        without = copies[0].run(
            sorted({test for mutation in wanted for test in among or mutation.tests}), until_one_fails=False
        )
        if without.failed or without.errors or not without.passed:
            console.print(without.output[-4000:])
            console.print("The tests do not pass without a mutation: mend that first.")
            return
        console.print(f"{len(without.passed)} tests pass without a mutation.")
        for copy in copies:
            free.put(copy)
        threads = stack.enter_context(ThreadPoolExecutor(lanes))
        yield from zip(wanted, threads.map(play, wanted), strict=True)


def _tell(console: Console, mutation: Mutation, outcome: Outcome, *, among: bool) -> None:
    console.print(f"{outcome.verdict:9} {mutation.name}  ({mutation.file})")
    if outcome.verdict == "unclear":
        console.print(outcome.output[-3000:])
    for test in outcome.failed if among else outcome.failed[:1]:
        console.print(f"          by {test}")


if __name__ == "__main__":
    sys.exit(main())
