"""How a host ends: told to stop, or by itself, and is then started again, as the platform does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Life:
    """One start of the host, seen by all of its triggers; times in seconds."""

    #: set once the host ends, for whatever reason
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    #: why the host ends by itself; empty while it runs, and where somebody has stopped it
    reason: str = ""
    #: storage may refuse connections for so long; then the real host gives up
    patience: float = 25.0

    def end(self, reason: str) -> None:
        """The host ends, with everything that runs in it, and begins anew."""
        if not self.stopping.is_set():
            self.reason = reason
            self.stopping.set()
