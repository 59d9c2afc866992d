"""SQL by name: `queries.sql` holds every statement of the ledger, `migrations/` its schema."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import LiteralString


@cache
def queries() -> dict[str, LiteralString]:
    """Every statement of `queries.sql` by its name."""
    text = files(__package__).joinpath("queries.sql").read_text()
    sections = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    # the file is part of the package, so its text is as trustworthy as a literal
    return {name: body.strip() for name, body in zip(sections[::2], sections[1::2], strict=True)}


def migrations() -> list[tuple[str, LiteralString]]:
    """Name and text of each migration, in order."""
    folder = files(__package__).joinpath("migrations")
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return [(entry.name.removesuffix(".sql"), entry.read_text()) for entry in found]
