"""`python -m tests.readers [--only NAME] [--keep]`: make the table, ask every engine, and print the matrix."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from dev.stack.state import ROOT
from tests.readers.asked import ENGINES
from tests.readers.making import make
from tests.readers.matrix import cells

_LOCAL = ROOT / ".local" / "readers"


def main() -> int:
    """Ask; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make readers", description="every engine on one table with every situation")
    parser.add_argument("--only", default="", help="engines with this in their name")
    parser.add_argument("--keep", action="store_true", help="the table of the last run")
    arguments = parser.parse_args()
    table = _table() if arguments.keep else asyncio.run(make(_LOCAL))
    for engine in ENGINES:
        if arguments.only not in engine:
            continue
        for situation, cell in cells(engine, table):
            print(f"{engine:<22} {situation.name:<60} {'WRONG' if cell.wrong else 'refused' if cell.refused else 'equal'}")
            for said in (*cell.wrong, *cell.refused):
                print("    ", said[:300].replace("\n", " "))
    return 0


def _table() -> Path:
    (table,) = (_LOCAL / "lake" / "lake" / "tables").iterdir()
    return table


if __name__ == "__main__":
    sys.exit(main())
