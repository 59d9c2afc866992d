"""What a docstring or a comment calls a module, a folder or a file of this project is there.

A reader who follows such a name has to arrive. Modules move, and nothing but a test notices that a comment still names the old
place.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from dev.stack.state import ROOT
from tests.kit.definitions import defined_in

PACKAGE: Final = ROOT / "archival_core"
_FOLDERS: Final = ("archival_core", "archival_cli", "bench", "dev", "tests")
_ROOMS: Final = "|".join(sorted({path.stem for path in PACKAGE.glob("[a-z]*") if path.is_dir() or path.suffix == ".py"}))
#: What stands before a name that is part of another one: of a path, a URL, a pattern or a placeholder.
_BEGIN: Final = r"(?<![\w/.:<>*{}%-])"
_FILE: Final = r"(?:(?:\w+/)+\w+\.(?:py|sql|js|css|lua|bicep)|\w+\.py)\b"
_FOLDER: Final = rf"(?:archival_core/)?(?:{_ROOMS})/(?:\w+/)*(?![\w.<*{{%])"
_PATH: Final = re.compile(f"{_BEGIN}(?:{_FILE}|{_FOLDER})")
_MODULE: Final = re.compile(
    rf"{_BEGIN}(?:(?:archival_core\.)?(?:{_ROOMS})|archival_cli|bench|dev|tests)(?:\.(?!py\b)[A-Za-z_]\w*)+"
)
_FILES: Final = [
    path
    for folder in _FOLDERS
    for path in sorted((ROOT / folder).rglob("*"))
    # a migration that was released is never edited, whatever it names
    if path.suffix in (".py", ".sql") and "migrations" not in path.parts
]


def said(text: str, suffix: str) -> Iterator[str]:
    """The comments of a file, and its docstrings."""
    if suffix == ".sql":
        yield from re.findall(r"--.*", text)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def missing(text: str, folder: Path) -> list[str]:
    """Names of modules, folders and files in a comment that are not there; `folder` is that of the comment's file."""
    paths = [name for name in _PATH.findall(text) if not any((base / name).exists() for base in (ROOT, PACKAGE, folder))]
    return paths + [name for name in _MODULE.findall(text) if not _is_there(name)]


def _is_there(name: str) -> bool:
    """Whether a dotted name is that of a room or a module, or of what a module defines."""
    words = name.split(".")
    place = ROOT if (ROOT / words[0]).is_dir() else PACKAGE
    while words:
        if (module := place / f"{words[0]}.py").is_file():
            return len(words) == 1 or ".".join(words[1:3]) in defined_in(module)
        if not (place / words[0]).is_dir():
            return words[0] in defined_in(place / "__init__.py")
        place /= words.pop(0)
    return True


@pytest.mark.parametrize("folder", _FOLDERS)
def test_what_comments_and_docstrings_name_is_there(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in _FILES
        if path.is_relative_to(ROOT / folder)
        for comment in said(path.read_text(), path.suffix)
        for name in missing(comment, path.parent)
    ]
    assert not wrong


@pytest.mark.parametrize(
    "text",
    [
        "see `source.gone`",
        "`source.wire.types.GONE`",
        "`source.wire.types.Form.gone`",
        "as `archival_core.flows.gone` does",
        "source/gone/",
        "`flows/gone.py`",
        "`gone.py` of this room",
        "`dev.gone`",
    ],
)
def test_a_name_of_nothing_is_found(text: str) -> None:
    assert missing(text, PACKAGE / "source") == [re.search(r"[\w./]*(?:gone|GONE)[\w./]*", text).group()]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text",
    [
        "`source.wire.types.Form.is_stored`, `telemetry.named`, `codec.digest`; `archival_core.query.process.worker`",
        "`translate.py`, `source/wire/types.py`, wire/ and source/wire/: all there.",
        "https://example.org/source/gone.py and tables/<schema>.<table>/",
    ],
)
def test_a_name_of_something_is_not(text: str) -> None:
    assert missing(text, PACKAGE / "source") == []


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
)
def test_what_documents_call_a_path_is_there(document: str) -> None:
    assert not [name for name in missing((ROOT / document).read_text(), ROOT / "docs") if "/" in name]
