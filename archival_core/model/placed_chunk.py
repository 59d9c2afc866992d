"""A chunk on the time axis of its hypertable, and where its rows are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from archival_core.model.chunk import ChunkRange


class Whereabouts(StrEnum):
    """Where the rows of a chunk are."""

    #: in the database alone
    DATABASE = "database"
    #: a job is queued or running
    ARCHIVING = "archiving"
    #: in the lake and in the database
    ARCHIVED = "archived"
    #: in the lake alone
    REMOVED = "removed"
    #: in the database, and its last job failed
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PlacedChunk:
    """A chunk on the time axis."""

    chunk: str
    range: ChunkRange
    state: Whereabouts
    job_id: UUID | None = None
    rows: int | None = None
    source_bytes: int | None = None
    parquet_bytes: int | None = None
