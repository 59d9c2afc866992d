"""The matrix: each engine's answers beside what is true."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from dev.stack.state import ROOT
from tests.readers.filters import is_kept
from tests.readers.situations import SITUATIONS, Situation
from tests.readers.story import LISTS, in_lake
from tests.readers.values import Value

PYTHON: Final = ROOT / ".local" / "readers-venv" / "bin" / "python"
#: Spark takes minutes
_PATIENCE_SECONDS: Final = 1200

Truth = Mapping[int, Mapping[str, Value]]


@dataclass(frozen=True, slots=True)
class Cell:
    """What became of one situation in one engine."""

    #: answers that are other than the truth
    wrong: tuple[str, ...] = ()
    #: what the engine said in place of an answer
    refused: tuple[str, ...] = ()
    #: which of the page's notes tells how the engine sees such values
    note: str = ""

    @property
    def is_equal(self) -> bool:
        """Whether all answers are true."""
        return not self.wrong and not self.refused


def truth(*, nullable_lists: bool) -> Truth:
    """Every row of the table by its `id`; an engine without `nullable_lists` has an empty one for each that is NULL."""
    true = {row["id"]: row for row in in_lake()}
    if not nullable_lists:
        true = {number: row | {name: row[name] or [] for name in LISTS} for number, row in true.items()}
    return true


def cells(engine: str, table: Path) -> Iterator[tuple[Situation, Cell]]:
    """Ask one engine about every situation."""
    asked = "".join(json.dumps({"columns": s.columns, "filters": [asdict(f) for f in s.filters]}) + "\n" for s in SITUATIONS)
    command = [str(PYTHON), "-m", "tests.readers.asked", engine, str(table)]
    done = subprocess.run(command, cwd=ROOT, input=asked, capture_output=True, text=True, timeout=_PATIENCE_SECONDS)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    true = truth(nullable_lists=bool(lines and lines[0]["nullable_lists"]))
    for number, situation in enumerate(SITUATIONS):
        if number + 1 < len(lines):
            yield situation, _judged(situation, lines[number + 1], true, lines[0])
        else:
            last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
            yield situation, Cell(refused=(f"it ended: {last}",))


def _judged(situation: Situation, said: dict[str, Any], true: Truth, engine: Mapping[str, Any]) -> Cell:
    wrong: list[str] = []
    refused: list[str] = []
    if "refused" in said["rows"]:
        refused.append(f"rows: {said['rows']['refused']}")
    else:
        wrong += _differences(situation.columns, said["rows"]["answer"], true)
    for filter, answer in zip(situation.filters, said["filters"], strict=True):
        if "refused" in answer:
            refused.append(f"{filter}: {answer['refused']}")
            continue
        wanted = sorted(number for number, row in true.items() if is_kept(filter, row.get(filter.column), engine["floats"]))
        if answer["answer"] != wanted:
            lacking, added = set(wanted) - set(answer["answer"]), set(answer["answer"]) - set(wanted)
            wrong.append(f"{filter}: {len(answer['answer'])} rows for {len(wanted)}; lacks {_few(lacking)}, has {_few(added)}")
    return Cell(tuple(wrong), tuple(refused), _note(situation, engine))


def _note(situation: Situation, engine: Mapping[str, Any]) -> str:
    """What the page has to say beside `equal`: how the engine compares floats, or that it has no NULL there."""
    if any(filter.kind == "float" for filter in situation.filters):
        return {"ieee": "(1)", "total": "(2)"}.get(engine["floats"], "")
    return "" if engine["nullable_lists"] or not set(situation.columns) & set(LISTS) else "but for NULL (3)"


def _differences(columns: tuple[str, ...], rows: list[list[Value]], true: Truth) -> Iterator[str]:
    found = [row[0] for row in rows]
    if found != sorted(true):
        yield f"rows: {len(found)} for {len(true)}"
    for at, column in enumerate(columns, 1):
        others = [(row[0], row[at]) for row in rows if row[0] in true and row[at] != true[row[0]].get(column)]
        if others:
            number, value = others[0]
            yield f"{column}: {len(others)} others, row {number} is {value!r} for {true[number].get(column)!r}"


def _few(numbers: set[int]) -> str:
    return f"{sorted(numbers)[:3]}" if numbers else "none"
