"""SQL by name: a room here holds the statements of the room of `ledger/` with the same name, `migrations/` the schema."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import LiteralString


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    name: str
    statements: LiteralString

    @property
    def sha256(self) -> str:
        """Digest of the statements, in hexadecimal digits."""
        return hashlib.sha256(self.statements.encode()).hexdigest()


@cache
def queries() -> dict[str, LiteralString]:
    """Every statement by its name; raises `ValueError` if two have the same name."""
    found: dict[str, LiteralString] = {}
    here = list(files(__package__).iterdir())
    rooms = [entry for entry in here if entry.is_dir() and entry.name != "migrations"]
    for entry in (file for file in (*here, *(file for room in rooms for file in room.iterdir())) if file.name.endswith(".sql")):
        # the files are part of the package, so their text is as trustworthy as a literal
        sections = re.split(r"^-- name: (\w+)\n", entry.read_text(), flags=re.MULTILINE)[1:]
        for name, body in zip(sections[::2], sections[1::2], strict=True):
            if name in found:
                raise ValueError(f"two statements of the ledger are called {name}; the second is in {entry.name}")
            found[name] = body.strip()
    return found


@cache
def migrations() -> list[Migration]:
    """Each migration, in order."""
    folder = files(__package__).joinpath("migrations")
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return [Migration(entry.name.removesuffix(".sql"), entry.read_text()) for entry in found]
