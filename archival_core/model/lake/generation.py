"""Generations of the lake: states that follow each other, each with a marker file of its own.

A lake that is older than the ledger's last generation went back: to a second region that had not everything yet, or to a
copy from before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

#: Stands for a marker that is not there.
NO_MARKER: Final = UUID(int=0)


class Generation(BaseModel):
    """What the lake's file `generation.json` holds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sequence: int
    #: random: two ledgers, or a ledger that was put back, may count alike
    token: UUID
    #: by the ledger's clock
    written_at: datetime

    def to_json(self) -> bytes:
        """The file's content."""
        return self.model_dump_json(indent=2).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class KnownGeneration:
    """What the ledger knows of the lake's generations."""

    #: 0 before the first
    sequence: int
    token: UUID | None
    #: of the older marker that was noticed last and not written over yet
    noticed: UUID | None
    #: the time of the ledger
    now: datetime
    written_at: datetime | None
    #: the lake went back, and what was archived since then is not verified yet
    is_back: bool


def went_back(known: KnownGeneration, found: Generation | None) -> bool:
    """Whether the lake with the marker `found` is behind what is `known`, and nobody has noticed that yet.

    A marker that the ledger does not know, and that counts further, is no step back of the lake: the ledger went back, or
    was made anew.
    """
    sequence, token = (found.sequence, found.token) if found else (0, NO_MARKER)
    return sequence < known.sequence and token != known.noticed
