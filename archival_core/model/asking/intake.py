"""Whether events and policies become jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class IntakeState:
    """Paused or not, and who decided. What people ask for by name is done either way."""

    paused: bool
    reason: str | None
    changed_by: str | None
    changed_at: datetime
