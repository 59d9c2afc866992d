"""Which values of a deployment are known before anything is made, as the compiler's rule `what-if-short-circuiting` asks.

What-if foresees a resource only if it can work out its name, its scope, its condition and the items of its loop. A module is
foreseen with the parameters that it is given. So a parameter that decides one of these must not come from the output of another
module, nor from a property that a resource has only when it is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from tree_sitter import Node

from tests.infra.bicep import Bicep, Declaration, load

#: Of a resource, what is known before it is there.
_KNOWN = frozenset({"id", "name", "type", "apiVersion"})


def unforeseen(template: Bicep) -> Iterator[str]:
    """Each parameter of a module that is known too late: `module.parameter`."""
    for name, module in template.of("module").items():
        deciding = _deciding(load((template.path.parent / module.target).resolve()))
        for parameter, value in _parameters(module):
            if parameter in deciding and _is_late(template, value):
                yield f"{name}.{parameter}"


@cache
def _deciding(template: Bicep) -> frozenset[str]:
    """The parameters that decide a name, a scope, a condition or a loop, in the file or in a module that it gives them to."""
    found: set[str] = set()
    for declaration in (*template.of("resource").values(), *template.of("module").values()):
        for node in _decisions(declaration):
            found |= _reached(template, node)
    for module in template.of("module").values():
        within = _deciding(load((template.path.parent / module.target).resolve()))
        for parameter, value in _parameters(module):
            if parameter in within:
                found |= _reached(template, value)
    return frozenset(found & template.of("param").keys())


def _decisions(declaration: Declaration) -> Iterator[Node]:
    """Conditions, the items of loops, names and scopes. A module's name is that of its deployment alone."""
    node = declaration.node.named_children[-1]
    while node.type in ("if_statement", "for_statement"):
        # the last child is the body, the first of a loop are the names of its items
        yield node.named_children[-2]
        node = node.named_children[-1]
    for key, value in _properties(node):
        if key == "scope" or (key == "name" and declaration.kind == "resource"):
            yield value


def _parameters(module: Declaration) -> Iterator[tuple[str, Node]]:
    node = module.node.named_children[-1]
    while node.type in ("if_statement", "for_statement"):
        node = node.named_children[-1]
    for key, value in _properties(node):
        if key == "params":
            yield from _properties(value)


def _properties(node: Node) -> Iterator[tuple[str, Node]]:
    for child in node.named_children:
        if child.type == "object_property":
            yield _text(child.named_children[0]).strip("'"), child.named_children[-1]


def _reached(template: Bicep, node: Node) -> set[str]:
    """Parameters that an expression uses, by way of variables too."""
    variables, found = template.of("var"), set()
    for name in _names(node):
        found |= _reached(template, variables[name].node.named_children[-1]) if name in variables else {name}
    return found


def _is_late(template: Bicep, node: Node) -> bool:
    variables = template.of("var")
    for identifier in _identifiers(node):
        name = _text(identifier)
        if name in template.of("module") or (name in template.of("resource") and not _is_known(identifier)):
            return True
        if name in variables and _is_late(template, variables[name].node.named_children[-1]):
            return True
    return False


def _is_known(resource: Node) -> bool:
    """Whether an expression asks a resource for what is known before it is there."""
    access = resource.parent
    return access is not None and access.type == "member_expression" and _text(access.named_children[-1]) in _KNOWN


def _names(node: Node) -> Iterator[str]:
    yield from map(_text, _identifiers(node))


def _identifiers(node: Node) -> Iterator[Node]:
    if node.type == "identifier":
        yield node
    for child in node.named_children:
        yield from _identifiers(child)


def _text(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()
