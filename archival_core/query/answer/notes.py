"""What is said beside an answer, so that nobody takes it for something else than it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to know of an answer that is right as it is."""

    code: Literal["former-table", "copy-in-doubt"]
    message: str
    hypertable: str
    #: that are meant
    archives: int
