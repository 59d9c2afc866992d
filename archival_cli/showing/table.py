"""Tables that fit their terminal: columns give way by rank, names are broken into lines, and nothing is cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from rich.cells import cell_len, chop_cells
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
    # of an answer: no value, which is not the same as an empty text
    "NULL": "dim",
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
    #: it stands there where no row has a value, too
    always: bool = False
    #: its values are broken into lines no shorter than this
    least: int = _LEAST


def lines(rows: Sequence[Row], columns: Sequence[Column], width: int | None) -> tuple[list[Text], list[str]]:
    """The table's lines, and the titles of columns that it has no room for. Without a `width` there is room for all."""
    beside = [column for column in columns if not column.beneath]
    titles = [plain(column.title) for column in beside]
    read = [(column.whole or column.show) if width is None else column.show for column in beside]
    cells = [[plain(tell(row)) for row in rows] for tell in read]
    shown = [number for number, column in enumerate(beside) if width is None or column.always or any(cells[number])]
    widths = {number: max(map(_length, (titles[number], *cells[number]))) for number in shown}
    left_out: list[int] = []
    if width is not None:
        widths, left_out = _fitting(widths, beside, width)
    room = list(widths.values())
    found = _row([titles[number] for number in widths], room, [False] * len(room), ["bold"] * len(room))
    right = [beside[number].right for number in widths]
    sentences = [column for column in columns if column.beneath]
    for place, row in enumerate(rows):
        told = [cells[number][place] for number in widths]
        found += _row(told, room, right, [_STYLES.get(cell, "") for cell in told])
        for column in sentences:
            found += _sentence(plain(column.show(row)), width)
    return found, [titles[number] for number in sorted(left_out)]


def _fitting(full: Mapping[int, int], beside: Sequence[Column], width: int) -> tuple[dict[int, int], list[int]]:
    """The columns that fit into `width`, with their widths, and those that do not."""
    widths, left_out = dict(full), list[int]()
    while _total(widths) > width:
        last = max(widths, key=lambda number: beside[number].rank)
        if beside[last].rank == 0:
            break
        left_out.append(last)
        widths.pop(last)
    # what went before a wider column may have room after it
    for number in sorted(left_out, key=lambda number: beside[number].rank):
        if _total(widths | {number: full[number]}) <= width:
            widths[number] = full[number]
            left_out.remove(number)
    # of columns that all may stay, the later ones go where even broken values have no room
    least = {number: min(widths[number], beside[number].least) for number in sorted(widths)}
    while len(least) > 1 and _total(least) > width:
        left_out.append(least.popitem()[0])
    widths = {number: min(widths[number], width) for number in least}
    _narrow(widths, least, width)
    return widths, left_out


def _total(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)


def _narrow(widths: dict[int, int], least: Mapping[int, int], width: int) -> None:
    """Take what is too much from the widest column, again and again."""
    while _total(widths) > width:
        wide = [number for number in widths if widths[number] > least[number]]
        if not wide:
            return
        widths[max(wide, key=lambda number: widths[number])] -= 1


def _row(cells: list[str], widths: list[int], right: list[bool], styles: list[str]) -> list[Text]:
    # where a name is too long, it goes on in the next line: nothing of it is lost
    broken = [_broken(cell, width) for cell, width in zip(cells, widths, strict=True)]
    found = []
    for parts in zip_longest(*broken, fillvalue=""):
        padded = []
        for part, width, is_right in zip(parts, widths, right, strict=True):
            space = " " * (width - _length(part))
            padded.append(space + part if is_right else part + space)
        line = Text((" " * _GAP).join(padded).rstrip())
        begin = 0
        for text, style in zip(padded, styles, strict=True):
            if style:
                line.stylize(style, begin, begin + len(text))
            begin += len(text) + _GAP
        found.append(line)
    return found


def _length(text: str) -> int:
    """Cells of the terminal that `text` takes."""
    return len(text) if text.isascii() else cell_len(text)


def _broken(cell: str, width: int) -> list[str]:
    return [cell] if _length(cell) <= width else chop_cells(cell, width)


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
