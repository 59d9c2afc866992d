"""Tables that fit their terminal: columns give way by rank, names are broken into lines, and nothing is cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.text import Text

from archival_cli.showing.text import plain

type Row = Mapping[str, Any]

_GAP: Final = 2
#: A name is broken into lines no shorter than this.
_LEAST: Final = 10
_STYLES: Final = {
    "failed": "bold red",
    "archived": "green",
    "removed": "green",
    "restored": "green",
    "running": "cyan",
    "queued": "yellow",
    "cancelled": "magenta",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list."""

    title: str
    #: of the row; CSV has them as they are, one column each
    fields: tuple[str, ...]
    show: Callable[[Row], str]
    #: where there is no room, the column with the highest rank goes first; 0 stays
    rank: int = 0
    right: bool = False
    #: how the value is shown where there is room for all of it
    whole: Callable[[Row], str] | None = None
    #: a sentence: it stands below its row, as wide as the terminal
    beneath: bool = False


def lines(rows: Sequence[Row], columns: Sequence[Column], width: int | None) -> tuple[list[Text], list[str]]:
    """The table's lines, and the titles of columns that it has no room for. Without a `width` there is room for all."""
    beside = [column for column in columns if not column.beneath]
    read = [(column.whole or column.show) if width is None else column.show for column in beside]
    cells = [[plain(tell(row)) for row in rows] for tell in read]
    shown = [number for number in range(len(beside)) if any(cells[number])]
    widths = {number: max(map(cell_len, (beside[number].title, *cells[number]))) for number in shown}
    full = dict(widths)
    left_out: list[int] = []
    while width is not None and _total(widths) > width:
        last = max(widths, key=lambda number: beside[number].rank)
        if beside[last].rank == 0:
            break
        left_out.append(last)
        widths.pop(last)
    if width is not None:
        # what went before a wider column may have room after it
        for number in sorted(left_out, key=lambda number: beside[number].rank):
            if _total(widths | {number: full[number]}) <= width:
                widths[number] = full[number]
                left_out.remove(number)
        widths = dict(sorted(widths.items()))
        _narrow(widths, width)
    found = [_line([beside[number].title for number in widths], list(widths.values()), "bold")]
    sentences = [column for column in columns if column.beneath]
    for place, row in enumerate(rows):
        styled = [_STYLES.get(cells[number][place], "") for number in widths]
        found += _row([cells[number][place] for number in widths], list(widths.values()), beside, list(widths), styled)
        for column in sentences:
            found += _sentence(plain(column.show(row)), width)
    return found, [beside[number].title for number in sorted(left_out)]


def _total(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)


def _narrow(widths: dict[int, int], width: int) -> None:
    """Take what is too much from the widest column, again and again."""
    while _total(widths) > width:
        widest = max(widths, key=lambda number: widths[number])
        if widths[widest] <= _LEAST:
            return
        widths[widest] -= 1


def _row(cells: list[str], widths: list[int], columns: Sequence[Column], numbers: list[int], styles: list[str]) -> list[Text]:
    broken = [_broken(cell, width) for cell, width in zip(cells, widths, strict=True)]
    found = []
    for parts in zip_longest(*broken, fillvalue=""):
        line = Text()
        for place, part in enumerate(parts):
            room = set_cell_size(part, widths[place])
            if columns[numbers[place]].right:
                room = " " * (widths[place] - cell_len(part)) + part
            line.append(room, styles[place])
            line.append(" " * _GAP)
        line.rstrip()
        found.append(line)
    return found


def _line(cells: list[str], widths: list[int], style: str) -> Text:
    line = Text((" " * _GAP).join(set_cell_size(cell, width) for cell, width in zip(cells, widths, strict=True)), style)
    line.rstrip()
    return line


def _broken(cell: str, width: int) -> list[str]:
    """Where a name is too long, it goes on in the next line: nothing of it is lost."""
    return chop_cells(cell, width) or [""]


def _sentence(text: str, width: int | None) -> list[Text]:
    if not text:
        return []
    found, line = [], ""
    for word in text.split():
        for part in _broken(word, width - 2) if width else [word]:
            if width and line and cell_len(line) + 1 + cell_len(part) > width - 2:
                found.append(line)
                line = part
            else:
                line = f"{line} {part}" if line else part
    return [Text(f"  {told}", "dim") for told in [*found, line]]
