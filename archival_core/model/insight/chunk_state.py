"""Where the rows of a chunk are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from archival_core.model.chunks.moment import moment
from archival_core.model.jobs.job import Status


class ChunkPlace(StrEnum):
    """What became of a chunk so far."""

    #: nobody asked for an archive, or a new table has the name of a removed chunk
    IN_DATABASE = "in-database"
    QUEUED = "queued"
    RUNNING = "running"
    #: in the lake and in the database
    ARCHIVED = "archived"
    #: in the lake alone
    REMOVED = "removed"
    #: in the lake alone, and on its way back
    RESTORING = "restoring"
    #: in the database alone, because archiving it failed
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ChunkState:
    """One chunk of the database, or one archive whose chunk is gone. Sizes are in bytes."""

    chunk: str
    range_start: str | None
    range_end: str | None
    state: ChunkPlace
    in_database: bool
    #: on disk, indexes included; `None` if it is not in the database, or just being dropped
    database_bytes: int | None
    #: by the database's statistics
    rows_estimated: int | None
    #: what the archive has
    rows: int | None
    source_bytes: int | None
    parquet_bytes: int | None
    lake_path: str | None
    job_id: UUID | None
    finished_at: datetime | None
    #: why it failed, or why it is not removed
    error: dict[str, Any] | None
    #: of the job that says most about the chunk; `None` where there is none
    job_status: Status | None = None
    #: what its request said of removal; `None` leaves it to the policy
    remove: bool | None = None
    #: when its rows came back
    restored_at: datetime | None = None
    #: why it was not removed, and when that was tried last
    removal_error: dict[str, Any] | None = None
    removal_tried_at: datetime | None = None
    #: of a failure that somebody dismissed: why
    dismissed: str | None = None
    #: of an archive whose chunk is gone
    revision: int = 0

    @property
    def cursor(self) -> ChunkCursor:
        """Its place in the list of the hypertable's chunks: one that is in the database stands before archives of its name."""
        return ChunkCursor(position(self.range_start), self.chunk, -1 if self.in_database else self.revision)


@dataclass(frozen=True, slots=True, order=True)
class ChunkCursor:
    """A place in the list of a hypertable's chunks, by range."""

    position: Decimal
    chunk: str
    revision: int = 0


def position(range_start: str | None) -> Decimal:
    """The start of a range as the ledger orders it: seconds since 1970, or the integer of integer time; open ends first."""
    found = moment(range_start)
    if isinstance(found, int):
        is_integer = range_start is not None and "T" not in range_start
        return Decimal(found) if is_integer else Decimal(found) / 1_000_000
    return Decimal("Infinity") if found == "infinity" else Decimal("-Infinity")
