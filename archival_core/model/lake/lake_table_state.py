"""A table in the lake, as people and metrics see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class LakeTableState:
    """What the ledger knows of a table as of its last commit."""

    hypertable: str
    #: of the log; `None` while there is none
    version: int | None
    archives: int
    files: int
    rows: int
    #: archives that count and cannot be in it as they are
    left_out: int
    committed_at: datetime | None
    #: when log and ledger were compared file by file
    compared_at: datetime | None
    #: since when something has changed that is in no commit yet; `None` if there is nothing
    due_since: datetime | None
    #: what somebody should look at: `code` and `message`
    finding: dict[str, Any] | None
