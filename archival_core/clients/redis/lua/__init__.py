"""Scripts that Redis runs, each in one step."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def script(*parts: str) -> str:
    """The text of the files of these names, one after the other: a file may use the local functions of the files before it."""
    return "\n".join(files(__package__).joinpath(f"{part}.lua").read_text() for part in parts)
