"""Other systems: how long they take, and spans for what is worth seeing in a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Literal

from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from archival_core.telemetry import instruments
from archival_core.telemetry.spans import is_recording, opened, timed


@dataclass(frozen=True, slots=True)
class Dependency:
    """One other system."""

    name: Literal["lake", "queue", "redis", "source", "ledger"]
    #: of every span, such as `db.system.name` and `server.address`
    attributes: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def call(self, operation: str, **attributes: AttributeValue | None) -> Iterator[None]:
        """Time a call, and make it a span if it is part of something; attributes get `archival.` before their names."""
        if not is_recording():
            with self.timed(operation):
                yield
            return
        described: dict[str, AttributeValue | None] = {f"archival.{key}": value for key, value in attributes.items()}
        if "db.system.name" in self.attributes:
            described |= {"db.operation.name": operation, "db.query.summary": operation}
        name = f"{self.name} {operation}"
        with self.timed(operation), opened(name, SpanKind.CLIENT, {**self.attributes, **described}):
            yield

    def timed(self, operation: str) -> AbstractContextManager[None]:
        """Only time a call: those that are many, such as the blocks of a file, say little one by one."""
        described = {"archival.dependency": self.name, "archival.operation": operation}
        return timed(lambda: instruments.get().dependency_duration, described)
