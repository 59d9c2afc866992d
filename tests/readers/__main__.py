"""`python -m tests.readers [--only NAME] [--keep]`: make the table, ask every engine, run the page's snippets.

The matrix is written into the page. Exits 1 if an answer is wrong, or an engine refuses what docs/reading.md does not say.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from pathlib import Path

from dev.stack.state import ROOT
from tests.readers import page
from tests.readers.asked import ENGINES
from tests.readers.making import make
from tests.readers.matrix import Cell, cells

_LOCAL = ROOT / ".local" / "readers"


def main() -> int:
    """Ask; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make readers", description="every engine on one table with every situation")
    parser.add_argument("--only", default="", help="engines and snippets with this in their name; nothing is written then")
    parser.add_argument("--keep", action="store_true", help="the table of the last run")
    arguments = parser.parse_args()
    table = _table() if arguments.keep else asyncio.run(make(_LOCAL))
    wanted = [name for name in ENGINES if arguments.only in name]
    if not shutil.which("java"):
        print("Spark is not run: it needs Java (Debian: apt-get install default-jre-headless)")
        wanted = [name for name in wanted if not name.startswith("Spark")]
    found = {engine: _ask(engine, table) for engine in wanted}
    said = page.PAGE.read_text()
    wrong = [problem for snippet in page.snippets(said) if arguments.only in snippet.title for problem in _run(snippet, table)]
    is_wrong = bool(wrong) or any(cell.wrong or cell.refused for answers in found.values() for cell in answers)
    if len(found) == len(ENGINES):
        page.PAGE.write_text(page.written(said, page.matrix(found)))
    print("WRONG" if is_wrong else f"{len(found)} engines, none wrong")
    return int(is_wrong)


def _ask(engine: str, table: Path) -> list[Cell]:
    found = list(cells(engine, table))
    print(f"{engine:<22} {sum(cell.is_equal for _, cell in found)} of {len(found)} situations are equal", flush=True)
    for situation, cell in found:
        for said in (*(f"WRONG {text}" for text in cell.wrong), *(f"refused {text}" for text in cell.refused)):
            print(f"    {situation.name}: {said[:300]}".replace("\n", " "), flush=True)
    return [cell for _, cell in found]


def _run(snippet: page.Snippet, table: Path) -> list[str]:
    problem = page.run(snippet, table)
    print(f"snippet: {snippet.title}: {problem or 'right'}", flush=True)
    return [problem] if problem else []


def _table() -> Path:
    (table,) = (_LOCAL / "lake" / "lake" / "tables").iterdir()
    return table


if __name__ == "__main__":
    sys.exit(main())
