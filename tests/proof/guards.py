"""The guards of the promise, as the three places name them: the model, the table of docs/proof.md, and the code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.proof.spin import MODEL

ROOT: Final = Path(__file__).parents[2]
DOCUMENT: Final = ROOT / "docs/proof.md"
CODE: Final = ROOT / "archival_core"

#: In the first section of the model; below it are switches for what may happen.
_SWITCH: Final = re.compile(r"^#define ([A-Z]+) 1 +/\* (.+) \*/$", re.MULTILINE)
_ROW: Final = re.compile(r"^\| `([A-Z]+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
#: At the beginning of a comment, or of a paragraph of a docstring.
_COMMENT: Final = re.compile(r'^\s*(?:# |-- |""")?Guard ([A-Z]+): ', re.MULTILINE)
#: What the code does not have yet.
_MISSING: Final = "not built yet: "
_IN_CODE: Final = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Row:
    """A guard in the table of the document."""

    sentence: str
    #: files below `archival_core/` with a comment that begins with `Guard NAME:`
    places: frozenset[str]
    #: names of mutants
    mutants: frozenset[str]
    #: whether the code has such a comment: the table says why if it has none
    is_named: bool


def of_model() -> dict[str, str]:
    """Each switch that is a guard, and its sentence."""
    text, _, _ = MODEL.read_text().partition("/* --- What may happen")
    return {found[1]: found[2] for found in _SWITCH.finditer(text)}


def of_document() -> dict[str, Row]:
    """The rows of the table."""
    return {
        name: Row(
            sentence=sentence,
            places=frozenset(_IN_CODE.findall(place)),
            mutants=frozenset(_IN_CODE.findall(mutants)),
            is_named=not place.startswith(_MISSING),
        )
        for name, sentence, place, mutants in _ROW.findall(DOCUMENT.read_text())
    }


def of_code() -> dict[str, frozenset[str]]:
    """Each guard that a comment names, and the files below `archival_core/` that do."""
    found: dict[str, set[str]] = {}
    for path in (*CODE.rglob("*.py"), *CODE.rglob("*.sql")):
        for comment in _COMMENT.finditer(path.read_text()):
            found.setdefault(comment[1], set()).add(path.relative_to(CODE).as_posix())
    return {name: frozenset(places) for name, places in found.items()}
