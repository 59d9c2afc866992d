"""What a file of the project defines, so that texts that name it can be held to it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def defined_in(file: Path) -> frozenset[str]:
    """Names that a module defines or imports, `Class.method` among them; of a file of SQL the names of its statements."""
    text = file.read_text()
    if file.suffix == ".py":
        return frozenset(_defined(ast.parse(text).body))
    if file.suffix == ".sql":
        return frozenset(re.findall(r"^-- name: (\w+)", text, re.MULTILINE))
    return frozenset(re.findall(r"(?:function|const|let|class|var|param|resource) (\w+)", text))


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name
            case ast.ClassDef():
                yield node.name
                yield from (f"{node.name}.{name}" for name in _defined(node.body))
            case ast.Assign():
                yield from (target.id for target in node.targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.TypeAlias(name=ast.Name(id=name)):
                yield name
            case ast.Import() | ast.ImportFrom():
                yield from (alias.asname or alias.name for alias in node.names)
            case ast.If():
                yield from _defined([*node.body, *node.orelse])
