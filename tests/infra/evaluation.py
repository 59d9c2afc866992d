"""Bicep files worked out for given parameters: variables, and which resources are made.

A call of `fail` raises `Refused`. What a deployment alone knows (an id, an address) is a `Later`. What this does not know
raises an error, so that nothing is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tree_sitter import Node

from tests.infra.bicep import Bicep, load

Scope = Mapping[str, Any]


class Refused(Exception):
    """What `fail` was called with."""


class Later(str):
    """A value that is known when its resource is there: the name of what tells it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, order=True)
class Made:
    """A resource of a deployment: its type, its name, and what decides about price and reach."""

    type: str
    name: str
    is_like: tuple[str, ...]


def _fail(sentence: str) -> None:
    raise Refused(sentence)


def _union(*given: Any) -> Any:
    if isinstance(given[0], dict):
        return {key: value for part in given for key, value in part.items()}
    return list(dict.fromkeys(item for items in given for item in items))


#: As Azure Resource Manager has them: comparisons of beginnings and ends take no notice of case.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "concat": lambda *given: [item for items in given for item in items],
    "contains": lambda whole, part: part in whole,
    "empty": lambda value: not value,
    "environment": lambda: {"suffixes": {"storage": "core.windows.net"}},
    "endsWith": lambda text, end: text.lower().endswith(end.lower()),
    "fail": _fail,
    "filter": lambda items, keep: [item for item in items if keep(item)],
    "guid": lambda *_: Later("a hash"),
    "intersection": lambda first, second: [item for item in first if item in second],
    "items": lambda whole: [{"key": key, "value": value} for key, value in whole.items()],
    "join": lambda items, between: between.join(items),
    "last": lambda items: items[-1],
    "length": len,
    "map": lambda items, change: [change(item) for item in items],
    "max": max,
    "min": min,
    "objectKeys": sorted,
    "range": lambda start, count: list(range(start, start + count)),
    "resourceId": lambda *parts: Later("/".join(parts)),
    "skip": lambda items, count: items[count:],
    "split": lambda text, between: text.split(between),
    "startsWith": lambda text, beginning: text.lower().startswith(beginning.lower()),
    "string": str,
    "subscription": lambda: {"id": "/subscriptions/s", "subscriptionId": "s"},
    "substring": lambda text, start, length: text[start : start + length],
    "take": lambda items, count: items[:count],
    "toLower": str.lower,
    "toUpper": str.upper,
    "union": _union,
    "uniqueString": lambda *_: "abcdefghijklm",
}
_LAZY = {"&&", "||", "??"}
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a // b,
}


def variable(template: Bicep, name: str, parameters: Scope) -> Any:
    """The value of one `var`; parameters that are not given have their defaults. Raises `Refused`."""
    return _Evaluator(template, parameters).name(name, {})


def made(template: Bicep, parameters: Scope) -> Iterator[Made]:
    """Every resource of a file and its modules; parameters that are not given have their defaults. Raises `Refused`."""
    evaluator = _Evaluator(template, parameters)
    for resource in template.of("resource").values():
        if not resource.is_existing:
            for body, local in evaluator.instances(resource.node.named_children[-1], {}):
                yield Made(resource.target.partition("@")[0], *evaluator.described(body, local))
    for module in template.of("module").values():
        file = load((template.path.parent / module.target).resolve())
        for body, local in evaluator.instances(module.node.named_children[-1], {}):
            yield from made(file, evaluator.value(evaluator.within(body, "params"), local))


class _Evaluator:
    def __init__(self, template: Bicep, parameters: Scope) -> None:
        self._template, self._parameters = template, parameters

    def name(self, name: str, local: Scope) -> Any:
        if name in local:
            return local[name]
        if name in self._parameters:
            return self._parameters[name]
        if ("resource", name) in self._template.declarations or ("module", name) in self._template.declarations:
            return Later(name)
        declaration = self._template.declarations.get(("var", name)) or self._template.declarations[("param", name)]
        return self.value(declaration.node.named_children[-1], {})

    def instances(self, node: Node, local: Scope) -> Iterator[tuple[Node, Scope]]:
        """The bodies of a declaration, with what their loops give: none where its condition does not hold."""
        if node.type == "if_statement":
            condition, body = node.named_children
            if self.value(condition, local):
                yield from self.instances(body, local)
        elif node.type == "for_statement":
            for given in self._given(node, local):
                yield from self.instances(node.named_children[-1], {**local, **given})
        else:
            yield node, local

    def described(self, body: Node, local: Scope) -> tuple[str, tuple[str, ...]]:
        """The name of a resource, and what else is said of it."""
        properties = self.within(body, "properties")
        reach = (self.within(of, "publicNetworkAccess") for of in (properties, self.within(properties, "network")))
        found = (self.within(self.within(body, "sku"), "name"), *reach)
        is_like = tuple(self.value(node, local) for node in found if node is not None)
        return self.value(self.within(body, "name"), local), is_like

    def within(self, node: Node | None, key: str) -> Any:
        """The value of a property of an object, as a node."""
        for child in node.named_children if node is not None else []:
            if child.type == "object_property" and _text(child.named_children[0]).strip("'") == key:
                return child.named_children[-1]
        return None

    def value(self, node: Node, local: Scope) -> Any:
        swallowed = _lambda_at_the_left(node)
        if swallowed is not None and swallowed != node and f"body of {swallowed.id}" not in local:
            return lambda given: self.value(node, {**local, f"body of {swallowed.id}": True, _argument(swallowed): given})
        return getattr(self, f"_{node.type}")(node, local)

    def _identifier(self, node: Node, local: Scope) -> Any:
        return self.name(_text(node), local)

    def _boolean(self, node: Node, _: Scope) -> bool:
        return _text(node) == "true"

    def _number(self, node: Node, _: Scope) -> int:
        return int(_text(node))

    def _string(self, node: Node, local: Scope) -> str:
        if not node.named_children:
            return _text(node)[1:-1]
        parts = []
        for child in node.named_children:
            if child.type == "interpolation":
                parts.append(str(self.value(child.named_children[0], local)))
            else:
                parts.append(re.sub(r"\\(.)", r"\1", _text(child)))
        return "".join(parts)

    def _array(self, node: Node, local: Scope) -> list[Any]:
        return [self.value(child, local) for child in node.named_children if child.type != "comment"]

    def _object(self, node: Node, local: Scope) -> dict[str, Any]:
        properties = [child for child in node.named_children if child.type == "object_property"]
        return {_text(p.named_children[0]).strip("'"): self.value(p.named_children[-1], local) for p in properties}

    def _parenthesized_expression(self, node: Node, local: Scope) -> Any:
        return self.value(node.named_children[0], local)

    def _unary_expression(self, node: Node, local: Scope) -> Any:
        assert _text(node.children[0]) == "!"
        return not self.value(node.named_children[0], local)

    def _binary_expression(self, node: Node, local: Scope) -> Any:
        left, operator, right = node.children
        sign, first = _text(operator), self.value(left, local)
        if sign in _LAZY:
            decided = {"&&": not first, "||": bool(first), "??": first is not None}[sign]
            return first if decided else self.value(right, local)
        return _OPERATORS[sign](first, self.value(right, local))

    def _ternary_expression(self, node: Node, local: Scope) -> Any:
        condition, yes, no = node.named_children
        return self.value(yes if self.value(condition, local) else no, local)

    def _member_expression(self, node: Node, local: Scope) -> Any:
        whole, key = self.value(node.named_children[0], local), _text(node.named_children[-1])
        if isinstance(whole, Later):
            return Later(f"{whole}.{key}")
        return whole.get(key) if node.children[1].type == ".?" else whole[key]

    def _subscript_expression(self, node: Node, local: Scope) -> Any:
        whole, index = (self.value(child, local) for child in node.named_children)
        if isinstance(whole, Later):
            return Later(f"{whole}[{index}]")
        return whole.get(index) if any(child.type == "?" for child in node.children) else whole[index]

    def _call_expression(self, node: Node, local: Scope) -> Any:
        function, arguments = node.named_children
        return _FUNCTIONS[_text(function)](*(self.value(child, local) for child in arguments.named_children))

    def _lambda_expression(self, node: Node, local: Scope) -> Any:
        body = node.named_children[1]
        if f"body of {node.id}" in local:
            return self.value(body, local)
        return lambda given: self.value(body, {**local, _argument(node): given})

    def _for_statement(self, node: Node, local: Scope) -> list[Any]:
        return [self.value(node.named_children[-1], {**local, **given}) for given in self._given(node, local)]

    def _given(self, node: Node, local: Scope) -> Iterator[dict[str, Any]]:
        loop, items, _ = node.named_children
        names = [_text(child) for child in loop.named_children] if loop.type == "for_loop_parameters" else [_text(loop)]
        for index, item in enumerate(self.value(items, local)):
            yield dict(zip(names, (item, index), strict=False))


def _lambda_at_the_left(node: Node) -> Node | None:
    """The grammar takes `x => x.a && b` for `(x => x).a && b`; of such an expression, its lambda."""
    while node.type in ("member_expression", "binary_expression", "ternary_expression", "subscript_expression"):
        node = node.named_children[0]
    return node if node.type == "lambda_expression" else None


def _argument(node: Node) -> str:
    return _text(node.named_children[0])


def _text(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()
