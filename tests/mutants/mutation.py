"""One mutation, and how it is applied to the text of a file."""

from __future__ import annotations

import ast
import itertools
import re
from dataclasses import dataclass


class MutationError(AssertionError):
    """A mutation that does not fit the code any more: it has to be anchored anew, or its guard is gone."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """A change of one place that breaks the promise, if no test stands in its way."""

    #: what the code does not do any more, or does wrongly
    name: str
    #: below `archival_core/`
    file: str
    #: the exact text, found once in the file, or once `inside`
    old: str
    new: str
    #: node ids of tests, below `tests/`; at least one must fail
    tests: tuple[str, ...]
    #: a function or method (`Class.method`) of the file, or the name of an SQL statement: the only place that is looked at
    inside: str = ""
    #: the guard of the proof that the line is: its name in the model, and in the comment `Guard NAME:` at the line
    guard: str = ""

    def apply(self, text: str) -> str:
        """The mutated text of the file; raises `MutationError` unless `old` is there exactly once."""
        position = self._position(text)
        mutated = text[:position] + self.new + text[position + len(self.old) :]
        if self.file.endswith(".py"):
            _parse(self, mutated)
        return mutated

    def line(self, text: str) -> int:
        """Where `old` begins, counted from 1."""
        return text.count("\n", 0, self._position(text)) + 1

    def _position(self, text: str) -> int:
        start, end = _place(text, self.file, self.inside) if self.inside else (0, len(text))
        found = text.count(self.old, start, end)
        if found != 1:
            where = f"{self.inside} of {self.file}" if self.inside else self.file
            raise MutationError(f"{self.name}: its text is found {found} times in {where}, and must be there once:\n{self.old}")
        return text.index(self.old, start, end)


def _parse(mutation: Mutation, text: str) -> None:
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise MutationError(f"{mutation.name}: the mutated file is no Python: {error}") from None


def _place(text: str, file: str, name: str) -> tuple[int, int]:
    """Where a function or a statement begins and ends in the text."""
    found = _functions(text, name) if file.endswith(".py") else _statements(text, name)
    if len(found) != 1:
        raise MutationError(f"{file} has {len(found)} places of the name {name}")
    return found[0]


def _statements(text: str, name: str) -> list[tuple[int, int]]:
    beginnings = [match.start() for match in re.finditer(r"^-- name: ", text, re.MULTILINE)] + [len(text)]
    places = itertools.pairwise(beginnings)
    return [(start, end) for start, end in places if text.startswith(f"-- name: {name}\n", start)]


def _functions(text: str, name: str) -> list[tuple[int, int]]:
    lines = [0]
    for line in text.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    return [(lines[node.lineno - 1], lines[node.end_lineno or 0]) for path, node in _defined(ast.parse(text)) if path == name]


def _defined(node: ast.AST, path: str = "") -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    found: list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{path}.{child.name}" if path else child.name
            if not isinstance(child, ast.ClassDef):
                found.append((inner, child))
            found += _defined(child, inner)
    return found
