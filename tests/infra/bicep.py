"""Bicep files as trees, and what the checks ask of them. There is no compiler without a download; this is its symbol table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"

_PARSER = Parser(Language(tree_sitter_bicep.language()))

#: Of Bicep's own functions, those that the templates use.
FUNCTIONS = frozenset(
    {
        "concat",
        "contains",
        "empty",
        "endsWith",
        "environment",
        "fail",
        "filter",
        "guid",
        "intersection",
        "items",
        "join",
        "json",
        "last",
        "length",
        "loadTextContent",
        "map",
        "max",
        "min",
        "objectKeys",
        "range",
        "replace",
    }
    | {"resourceGroup", "resourceId", "skip", "split", "startsWith", "string", "subscription", "subscriptionResourceId"}
    | {"substring", "take", "tenant", "toLower", "toUpper", "union", "uniqueString"}
)
_DECLARATIONS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "resource_declaration": "resource",
    "module_declaration": "module",
    "output_declaration": "output",
    "type_declaration": "type",
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A value that only a deployment knows; its source."""

    text: str

    def __contains__(self, part: str) -> bool:
        return part in self.text


@dataclass(frozen=True, slots=True)
class Declaration:
    """One `param`, `var`, `resource`, `module`, `output` or `type`."""

    kind: str
    name: str
    node: Node

    @property
    def target(self) -> str:
        """Of a resource its type and version, of a module its file."""
        return _text(next(child for child in self.node.named_children if child.type == "string"))[1:-1]

    @property
    def is_existing(self) -> bool:
        """Whether the resource is only referred to."""
        return any(child.type == "existing" or child.text == b"existing" for child in self.node.children)

    @property
    def has_default(self) -> bool:
        """Of a parameter."""
        return any(child.type == "=" for child in self.node.children)

    @property
    def type(self) -> str:
        """Of a parameter or an output."""
        return _text(next(child for child in self.node.named_children if child.type == "type"))

    @property
    def allowed(self) -> list[Any]:
        """Of a parameter, what its decorator allows; nothing means everything."""
        before = self.node.prev_named_sibling
        while before is not None and before.type in ("decorators", "decorator", "comment"):
            if found := re.search(r"@allowed\((\[.*?\])\)", _text(before), re.DOTALL):
                return re.findall(r"[\w]+", found[1])
            before = before.prev_named_sibling
        return []

    @property
    def body(self) -> dict[str, Any]:
        """The object, of a loop's or a condition's too, as plain values."""
        found = next(node for node in _walk(self.node) if node.type == "object")
        value = plain(found)
        assert isinstance(value, dict)
        return value

    @property
    def value(self) -> Any:
        """Of a variable, or a parameter's default."""
        return plain(self.node.named_children[-1])


def parsed(text: bytes) -> Node:
    """The tree of a text."""
    return _PARSER.parse(text).root_node


class Bicep:
    """One file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = parsed(path.read_bytes())

    @property
    def errors(self) -> list[str]:
        """What does not parse."""
        return [
            f"{self.path.name}:{node.start_point[0] + 1}: {_text(node)[:60]!r}"
            for node in _walk(self.root)
            if node.type == "ERROR" or node.is_missing
        ]

    @cached_property
    def declarations(self) -> dict[tuple[str, str], Declaration]:
        """By kind and name; outputs have names of their own."""
        found = {}
        for node in self.root.named_children:
            if kind := _DECLARATIONS.get(node.type):
                name = next(_text(child) for child in node.named_children if child.type == "identifier")
                assert (kind, name) not in found, f"{name} is declared twice in {self.path.name}"
                found[kind, name] = Declaration(kind, name, node)
        return found

    def of(self, kind: str) -> dict[str, Declaration]:
        """Every declaration of a kind."""
        return {name: declaration for (of, name), declaration in self.declarations.items() if of == kind}

    @property
    def imports(self) -> dict[str, Path]:
        """Names that come from other files, each with its file."""
        found: dict[str, Path] = {}
        for node in self.root.named_children:
            if node.type == "import_functionality":
                *names, file = (_text(child) for child in node.named_children)
                found |= dict.fromkeys(names, (self.path.parent / file[1:-1]).resolve())
        return found

    @property
    def symbols(self) -> set[str]:
        """Names that expressions and types may use."""
        return {name for kind, name in self.declarations if kind != "output"} | self.imports.keys()

    def references(self) -> Iterator[str]:
        """Every name that an expression uses, functions and decorators included, loop variables not."""
        yield from _references(self.root, frozenset())


@cache
def load(path: Path) -> Bicep:
    """A file, parsed once."""
    return Bicep(path)


def templates() -> list[Bicep]:
    """Every Bicep file of the project."""
    return [load(path) for path in sorted(INFRA.rglob("*.bicep"))]


def plain(node: Node) -> Any:
    """Literals as Python values, the rest as `Expression`."""
    match node.type:
        case "object":
            return {_key(child.named_children[0]): plain(child.named_children[-1]) for child in _properties(node)}
        case "array":
            return [plain(child) for child in node.named_children if child.type != "comment"]
        case "boolean":
            return _text(node) == "true"
        case "number":
            return int(_text(node))
        case "string" if not any(child.type == "interpolation" for child in node.named_children):
            return re.sub(r"\\(.)", r"\1", _text(node)[1:-1])
    return Expression(_text(node))


def _properties(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type == "object_property"]


def _key(node: Node) -> str:
    return _text(node).strip("'")


def _references(node: Node, local: frozenset[str]) -> Iterator[str]:
    if node.type == "import_functionality":
        return
    if node.type == "identifier":
        if (name := _text(node)) not in local:
            yield name
        return
    children = [child for child in node.named_children if child.type != "comment"]
    if node.type in _DECLARATIONS or node.type == "object_property":
        children = [child for i, child in enumerate(children) if not (i == 0 and child.type == "identifier")]
    elif node.type == "lambda_expression":
        local |= {_text(children[0])}
        children = children[1:]
    elif node.type == "for_statement":
        if children[0].type == "for_loop_parameters":
            local |= {_text(child) for child in children[0].named_children}
        else:
            local |= {_text(children[0])}
        children = children[1:]
    for child in children:
        yield from _references(child, local)


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _text(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()
