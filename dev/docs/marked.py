"""Files of which one part is generated, between two lines that say so."""

from __future__ import annotations

from pathlib import Path


def with_part(file: Path, part: str, content: str, comment: tuple[str, str] = ("<!-- ", " -->")) -> str:
    """The file's text with `content` as its part of that name, and the rest as it is.

    The part stands between the comments "<part>: written by `make docs`" and "end of <part>". Raises `AssertionError` for
    a file that has no such part.
    """
    opening, closing = comment
    before, begin, rest = file.read_text().partition(f"{opening}{part}: written by `make docs`{closing}\n")
    _, end, after = rest.partition(f"{opening}end of {part}{closing}\n")
    assert begin, f"{file} has no place for the {part}"
    assert end, f"{file} has no end of the {part}"
    return f"{before}{begin}{content}{end}{after}"
