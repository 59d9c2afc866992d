"""The matrix as docs/reading.md shows it, and the page's snippets as the engines run them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dev.stack.state import ROOT
from tests.readers.matrix import PYTHON, Cell
from tests.readers.situations import SITUATIONS
from tests.readers.story import in_lake

PAGE: Final = ROOT / "docs" / "reading.md"
_BEGIN: Final = "<!-- the matrix: written by `make readers` -->"
_END: Final = "<!-- its end -->"
_ADDRESS: Final = "abfss://<filesystem>@<account>.dfs.core.windows.net/tables/public.readings"
_RUNS: Final = "(runs in `make readers`)"
_PATIENCE_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Snippet:
    """A block of code of the page that runs here."""

    language: str
    code: str

    @property
    def title(self) -> str:
        """Its first line, which says what it is."""
        return self.code.splitlines()[0].lstrip("#- ").removesuffix(_RUNS).strip()


def written(page: str, matrix: str) -> str:
    """The page with this matrix in it."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{matrix}\n{_END}{after}"


def matrix(cells: Mapping[str, Sequence[Cell]]) -> str:
    """A table of Markdown: a line for each situation, a column for each engine."""
    lines = ["| | " + " | ".join(cells) + " |", "| --- |" + " --- |" * len(cells)]
    for number, situation in enumerate(SITUATIONS):
        lines.append(f"| {situation.name} | " + " | ".join(_said(found[number]) for found in cells.values()) + " |")
    return "\n".join(lines)


def snippets(page: str) -> Iterator[Snippet]:
    """The blocks that say so; each prints how many rows January has."""
    for language, code in re.findall(r"```(\w+)\n(.*?)```", page, re.DOTALL):
        if _RUNS in code.splitlines()[0]:
            yield Snippet(language, code)


def run(snippet: Snippet, table: Path) -> str | None:
    """What is wrong with a snippet, run over this table."""
    code = snippet.code.replace(_ADDRESS, str(table))
    if snippet.language == "sql":
        code = _in_duckdb(code)
    done = subprocess.run([str(PYTHON), "-c", code], capture_output=True, text=True, timeout=_PATIENCE_SECONDS, cwd=ROOT)
    wanted = sum(_is_of_january(row["time"]) for row in in_lake())
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["it failed"])[-1]
    found = done.stdout.split()
    return None if found and found[-1] == str(wanted) else f"it prints {done.stdout.strip()[-80:]!r} for {wanted} rows"


def _in_duckdb(code: str) -> str:
    statements = re.sub(r"^\s*(?:--|INSTALL|CREATE SECRET).*$", "", code, flags=re.MULTILINE)
    return f"""
import duckdb
from importlib.resources import files
from pathlib import Path
connection = duckdb.connect(config={{"allow_unsigned_extensions": "true"}})
[extension] = Path(str(files("duckdb_extension_delta"))).rglob("delta.duckdb_extension")
connection.execute(f"load '{{extension}}'; set TimeZone = 'UTC'")
print(connection.execute('''{statements}''').fetchall()[0][0])
"""


def _is_of_january(moment: int) -> bool:
    return 1_767_225_600_000_000 <= moment < 1_769_904_000_000_000


def _said(cell: Cell) -> str:
    return "**wrong**" if cell.wrong else "refuses" if cell.refused else f"equal {cell.note}".strip()
