"""Spans as they were received, and the tree that they make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

_KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
_ERROR = 2


@dataclass(frozen=True, slots=True)
class Span:
    """One span; ids are hexadecimal, times in nanoseconds since 1970."""

    trace_id: str
    span_id: str
    #: empty for the first of a trace
    parent_id: str
    name: str
    kind: str
    start: int
    end: int
    attributes: dict[str, Any]
    #: name and attributes
    events: list[tuple[str, dict[str, Any]]]
    #: trace and span id of others that it has to do with
    links: list[tuple[str, str]]
    #: what went wrong
    error: str | None

    @classmethod
    def read(cls, message: Message) -> Span:
        """Of the protocol's message."""
        failed = message.status.code == _ERROR
        return cls(
            trace_id=message.trace_id.hex(),
            span_id=message.span_id.hex(),
            parent_id=message.parent_span_id.hex(),
            name=message.name,
            kind=_KINDS.get(message.kind, "unspecified"),
            start=message.start_time_unix_nano,
            end=message.end_time_unix_nano,
            attributes=read_attributes(message.attributes),
            events=[(event.name, read_attributes(event.attributes)) for event in message.events],
            links=[(link.trace_id.hex(), link.span_id.hex()) for link in message.links],
            error=(message.status.message or "failed") if failed else None,
        )

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.end - self.start) / 1e9


@dataclass(slots=True)
class Node:
    """A span and those below it, in the order of their beginnings."""

    span: Span
    children: list[Node] = field(default_factory=list)

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Span]]:
        """Every span with its depth, parents first."""
        yield depth, self.span
        for child in self.children:
            yield from child.walk(depth + 1)


def trees(spans: Iterable[Span]) -> list[Node]:
    """The spans of one trace as trees: each span whose parent was not received is a root, and a whole trace has one."""
    nodes = {span.span_id: Node(span) for span in sorted(spans, key=lambda span: (span.start, span.end))}
    roots = list[Node]()
    for node in nodes.values():
        parent = nodes.get(node.span.parent_id)
        (parent.children if parent else roots).append(node)
    return roots


def read_attributes(attributes: Iterable[Any]) -> dict[str, Any]:
    """Of the protocol's list of keys and values."""
    return {attribute.key: _value(attribute.value) for attribute in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None
