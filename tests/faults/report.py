"""Results as a table for people, and as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.faults.runner import Result


def table(results: Sequence[Result], seconds: float) -> Table:
    """What became of the runs of each fault; `waiting` fail for something that the service is known to lack."""
    shown = Table(title=f"{len(results)} runs in {seconds:.0f} s")
    for column in ("fault", "runs", "fault was met", "recovered", "waiting", "rows checked", "lost", "doubled"):
        shown.add_column(column, justify="left" if column == "fault" else "right")
    for name in [*dict.fromkeys(sorted(result.family for result in results)), ""]:
        found = [result for result in results if result.family == name or not name]
        numbers = (
            len(found),
            sum(result.struck for result in found),
            sum(result.recovered for result in found),
            sum(_is_waiting(result) for result in found),
            sum(result.rows for result in found),
            sum(result.lost for result in found),
            sum(result.doubled for result in found),
        )
        if not name:
            shown.add_section()
        shown.add_row(name or "all", *(f"{number:,}" for number in numbers))
    return shown


def failure(console: Console, result: Result) -> None:
    """One run that went wrong, and how to have it again."""
    console.rule(f"{result.family}, run {result.number}: {result.scenario} of story {result.story}")
    if result.waits_for:
        console.print(f"This scenario waits for something: {result.waits_for}.", markup=False, highlight=False)
    console.print(result.report, markup=False, highlight=False)
    repeat = f"--seed {result.seed} --only {result.family!r} --run {result.number}".replace("'", '"')
    console.print(f"again: python -m tests.faults {repeat}", markup=False, highlight=False)


def as_json(results: Sequence[Result]) -> str:
    """One line."""
    families = {
        name: {
            "runs": len(found := [result for result in results if result.family == name]),
            "recovered": sum(result.recovered for result in found),
            "waiting": sum(_is_waiting(result) for result in found),
            "lost": sum(result.lost for result in found),
            "doubled": sum(result.doubled for result in found),
        }
        for name in dict.fromkeys(sorted(result.family for result in results))
    }
    return json.dumps(
        {
            "runs": len(results),
            "waiting": sum(_is_waiting(result) for result in results),
            "lost": sum(result.lost for result in results),
            "doubled": sum(result.doubled for result in results),
            "faults": families,
        }
    )


def _is_waiting(result: Result) -> bool:
    return not result.good and bool(result.waits_for)
