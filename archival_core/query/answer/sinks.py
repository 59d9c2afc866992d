"""Where the bytes of a result go."""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """Where a result goes."""

    async def begin(self) -> None:
        """A result begins; one that had begun before counts no more."""

    def write(self, data: bytes) -> None:
        """The next bytes of it; called in a thread."""


class Buffer:
    """Memory, as a sink."""

    def __init__(self) -> None:
        self.content = bytearray()

    async def begin(self) -> None:
        """A result begins; what there is of an earlier one goes."""
        self.content.clear()

    def write(self, data: bytes) -> None:
        """The next bytes of it."""
        self.content += data
