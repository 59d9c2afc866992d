"""SQL by name: the files here hold every statement of the ledger, `migrations/` its schema."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import LiteralString


@cache
def queries() -> dict[str, LiteralString]:
    """Every statement by its name, which no two of them share."""
    found: dict[str, LiteralString] = {}
    for entry in files(__package__).iterdir():
        if entry.name.endswith(".sql"):
            # the files are part of the package, so their text is as trustworthy as a literal
            sections = re.split(r"^-- name: (\w+)\n", entry.read_text(), flags=re.MULTILINE)[1:]
            found |= {name: body.strip() for name, body in zip(sections[::2], sections[1::2], strict=True)}
    return found


def migrations() -> list[tuple[str, LiteralString]]:
    """Name and text of each migration, in order."""
    folder = files(__package__).joinpath("migrations")
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return [(entry.name.removesuffix(".sql"), entry.read_text()) for entry in found]
