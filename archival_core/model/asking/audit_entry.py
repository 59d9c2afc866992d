"""A line of the audit: who asked for which change, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change that somebody asked for."""

    entry: int
    at: datetime
    who: str
    action: str
    asked: dict[str, Any]
    #: `done`, or the code of the error; `None` while it is under way, and after a crash
    outcome: str | None
    #: how many jobs it made or changed
    jobs: int
