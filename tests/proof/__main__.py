"""`python -m tests.proof [--full] [--only WORDS] [--trails FOLDER] [--seconds N] [--megabytes N] [--lanes N]`"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.proof import spin
from tests.proof.searches import FULL, QUICK
from tests.proof.spin import Bounds, Outcome


def main() -> int:
    """Run the searches, print what each found, and say whether all is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description="search the model of the promise")
    parser.add_argument("--full", action="store_true", help="the large searches too; docs/proof.md says how long they take")
    parser.add_argument("--only", default="", help="the searches whose label has these words")
    parser.add_argument("--trails", type=Path, help="a folder for the story of each search in which a sentence breaks")
    parser.add_argument("--seconds", type=float, help="of each search (180, or 900 of the full ones)")
    parser.add_argument("--megabytes", type=int, default=6000, help="of all searches that run at the same time")
    parser.add_argument("--lanes", type=int, default=min(2, os.cpu_count() or 1), help="searches at the same time")
    arguments = parser.parse_args()
    if not spin.is_there():
        print(spin.HOW_TO_GET, file=sys.stderr)
        return 2
    wanted = [search for search in (FULL if arguments.full else QUICK) if arguments.only in search.label]
    if not wanted:
        parser.error(f"no search has {arguments.only!r} in its label")
    bounds = Bounds(arguments.seconds or (900 if arguments.full else 180), arguments.megabytes // arguments.lanes)
    started = time.monotonic()
    with ThreadPoolExecutor(arguments.lanes) as lanes:
        outcomes = [
            _told(future.result(), arguments.trails)
            for future in as_completed(lanes.submit(spin.run, s, bounds) for s in wanted)
        ]
    return _ended(outcomes, time.monotonic() - started)


def _told(outcome: Outcome, trails: Path | None) -> Outcome:
    """Print the line of one search, and keep its story if that is wanted."""
    search = outcome.search
    found = f"WRONG: {outcome.wrong}" if outcome.wrong else outcome.broken or ""
    part = "" if outcome.whole else "PART"
    must = "holds" if search.holds else "breaks"
    print(
        f"{must:<6}  {search.label:<62} {outcome.states:>12,} states {outcome.seconds:>6.1f} s  {part:<4}  {found}".rstrip(),
        flush=True,
    )
    if trails is not None and outcome.story:
        trails.mkdir(parents=True, exist_ok=True)
        name = search.label.replace("; ", "-").replace(", ", "-").replace(" ", "_")
        switches = " ".join(f"-D{name}={value}" for name, value in search.definitions.items())
        lines = [f"{search.label}: {outcome.broken} is broken", switches, "", *outcome.story, ""]
        (trails / f"{name}.txt").write_text("\n".join(lines))
    return outcome


def _ended(outcomes: list[Outcome], seconds: float) -> int:
    wrong = [outcome for outcome in outcomes if outcome.wrong]
    part = sum(not outcome.whole for outcome in outcomes)
    print(
        f"{len(outcomes)} searches, {sum(outcome.states for outcome in outcomes):,} states, {seconds:.0f} s;"
        f" {part} not whole, {len(wrong)} not as they must be"
    )
    for outcome in wrong:
        print(f"  {outcome.search.label}: {outcome.wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
