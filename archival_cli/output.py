"""Answers for people, as tables, or for scripts, as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.console import Console, JustifyMethod
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_STYLES: Final = {
    "failed": "bold red",
    "archived": "green",
    "removed": "green",
    "restored": "green",
    "running": "cyan",
    "queued": "yellow",
    "cancelled": "magenta",
}


def size(number: int | None) -> str:
    """Bytes in the unit that suits them."""
    if number is None:
        return ""
    value, unit = float(number), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def count(number: int | None) -> str:
    """A number with its thousands apart."""
    return "" if number is None else f"{number:,}"


def moment(text: str | None) -> str:
    """RFC 3339 to the second."""
    return (text or "")[:19].replace("T", " ")


def reason(error: Mapping[str, Any] | None) -> str:
    """Of an `error` field."""
    return "" if error is None else str(error.get("message") or error.get("code") or "")


def plain(text: str) -> str:
    """A name may hold what moves a terminal's cursor: of what cannot be seen, the code is shown."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


_NUMBERS: Final = ("rows", "source", "Parquet", "in database")
#: Titles of columns that may be broken into lines.
_SENTENCES: Final = ("reason", "problem")
_SENTENCE_WIDTH: Final = 40
#: Wider than any table.
_WIDE: Final = 10_000

#: A column: its title, and how it reads a row.
Column = tuple[str, Callable[[Mapping[str, Any]], str]]

JOBS: Final[Sequence[Column]] = (
    ("job", lambda row: row["job_id"]),
    ("kind", lambda row: row["kind"]),
    ("chunk", lambda row: row["chunk"]),
    ("status", lambda row: row["status"]),
    ("requested", lambda row: moment(row["requested_at"])),
    ("rows", lambda row: count(row["rows"])),
    ("source", lambda row: size(row["source_bytes"])),
    ("Parquet", lambda row: size(row["parquet_bytes"])),
    ("reason", lambda row: reason(row["error"])),
)
HISTORY: Final[Sequence[Column]] = (
    ("at", lambda row: moment(row["at"])),
    ("attempt", lambda row: count(row["attempt"])),
    ("began", lambda row: moment(row["began_at"])),
    ("from", lambda row: row["from_status"]),
    ("to", lambda row: row["to_status"]),
    ("by", lambda row: row["written_by"]),
    ("reason", lambda row: reason(row["error"])),
)
CHUNKS: Final[Sequence[Column]] = (
    ("chunk", lambda row: row["chunk"]),
    ("from", lambda row: moment(row["range_start"])),
    ("to", lambda row: moment(row["range_end"])),
    ("state", lambda row: row["state"]),
    ("rows", lambda row: count(row["rows"]) or (f"~{count(row['rows_estimated'])}" if row["rows_estimated"] else "")),
    ("in database", lambda row: size(row["database_bytes"])),
    ("Parquet", lambda row: size(row["parquet_bytes"])),
    ("reason", lambda row: reason(row["error"])),
)
WANTED: Final[Sequence[Column]] = (
    ("chunk", lambda row: row["chunk"]),
    ("from", lambda row: moment(row["range_start"])),
    ("to", lambda row: moment(row["range_end"])),
    ("rows", lambda row: f"~{count(row['rows_estimated'])}" if row.get("rows_estimated") is not None else ""),
    ("in database", lambda row: size(row["bytes"])),
)
POLICIES: Final[Sequence[Column]] = (
    ("hypertable", lambda row: row["hypertable"]),
    ("archive after", lambda row: row["archive_after"]),
    ("remove after", lambda row: row["remove_after"] or "never"),
    ("enabled", lambda row: "yes" if row["enabled"] else "no"),
    ("dropped by others", lambda row: "forget" if row["dropped_by_others"] == "forget" else ""),
    ("problem", lambda row: row["problem"] or ""),
)
DEAD_LETTERS: Final[Sequence[Column]] = (
    ("entry", lambda row: row["entry_id"]),
    ("replayable", lambda row: "yes" if row["replayable"] else "no"),
    ("reason", lambda row: row["reason"]),
)


class Output:
    """Where answers go."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console = Console()
        #: what is not the answer: progress, and errors
        self.aside = Console(stderr=True)

    def show(self, answer: Any, rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], empty: str) -> None:
        """The whole answer as one JSON document, or its rows as a table."""
        if self.as_json:
            self.document(answer)
        elif not rows:
            self.say(empty)
        else:
            self._table(rows, columns)

    def one(self, found: Mapping[str, Any]) -> None:
        """One thing: as JSON, or what is known of it, line by line."""
        if self.as_json:
            self.document(found)
            return
        for name, value in found.items():
            if value not in (None, "", 0, False):
                self.say(f"{name:15} {value}")

    def document(self, answer: Any) -> None:
        """JSON alone."""
        json.dump(answer, sys.stdout, indent=2)
        sys.stdout.write("\n")

    def say(self, text: str) -> None:
        """A sentence; nothing in it is markup."""
        self.console.print(Text(plain(text)))

    def _table(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
        cells = [[plain(read(row)) for _, read in columns] for row in rows]
        shown = [number for number in range(len(columns)) if any(line[number] for line in cells)]
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for number in shown:
            title = columns[number][0]
            justify: JustifyMethod = "right" if title in _NUMBERS else "left"
            if title in _SENTENCES:
                table.add_column(title, overflow="fold", justify=justify, min_width=_SENTENCE_WIDTH)
            else:
                table.add_column(title, overflow="fold", justify=justify, no_wrap=True)
        for line in cells:
            table.add_row(*(Text(line[number], style=_STYLES.get(line[number], "")) for number in shown))
        Console(width=self._width(table)).print(table)

    def _width(self, table: Table) -> int:
        """The terminal's, but names and numbers are never broken, since they are copied; without a terminal nothing is."""
        least, most = Measurement.get(self.console, self.console.options.update(max_width=_WIDE), table)
        return max(self.console.width, least) if self.console.is_terminal else most
