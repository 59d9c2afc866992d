"""The ledger's part in showing chunks: which archive each has, and which archives have no chunk any more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from archival_core.ledger.pool import LedgerPool
from archival_core.model.chunks.chunk import Chunk
from archival_core.model.insight.chunk_state import ChunkCursor
from archival_core.model.jobs.job import Status


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """What the ledger says about a chunk."""

    chunk: str
    range_start: str | None
    range_end: str | None
    status: Status
    job_id: UUID
    rows: int | None
    source_bytes: int | None
    parquet_bytes: int | None
    lake_path: str | None
    error: dict[str, Any] | None
    finished_at: datetime | None
    revision: int
    #: its rows are on their way back
    restoring: bool
    #: what its request said of removal; `None` leaves it to the policy
    remove: bool | None
    restored_at: datetime | None
    removal_error: dict[str, Any] | None
    removal_tried_at: datetime | None
    #: of a failure that somebody dismissed: why
    dismissed: str | None


class ChunkRecords:
    """Chunks of one hypertable at a time."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def of(self, hypertable: str, chunks: Sequence[Chunk]) -> dict[str, ChunkRecord]:
        """The record of each of `chunks`, which are in the database, that has one."""
        if not chunks:
            return {}
        rows = await self._pool.all(
            "chunk_records",
            hypertable=hypertable,
            chunks=[str(chunk.relation) for chunk in chunks],
            oids=[chunk.oid for chunk in chunks],
            starts=[chunk.range.start for chunk in chunks],
            ends=[chunk.range.end for chunk in chunks],
        )
        return {row["chunk"]: _record(row) for row in rows}

    async def without_chunk(
        self, hypertable: str, oids: Collection[int], after: ChunkCursor | None, limit: int
    ) -> list[ChunkRecord]:
        """Published archives whose table is not one of `oids`, by their range, from the place `after` on."""
        rows = await self._pool.all(
            "archives_without_chunk",
            hypertable=hypertable,
            oids=list(oids),
            position="-Infinity" if after is None else str(after.position),
            chunk="" if after is None else after.chunk,
            revision=-1 if after is None else after.revision,
            limit=limit,
        )
        return [_record(row) for row in rows]

    async def count_dropped(self, hypertable: str, oids: Collection[int]) -> int:
        """Archives that were not removed and whose table is not one of `oids`: others dropped it."""
        row = await self._pool.one("count_dropped", hypertable=hypertable, oids=list(oids))
        return int(row["archives"]) if row else 0

    async def first_start(self, hypertable: str) -> str | None:
        """Where the first published archive begins; `None` for an open end, and without an archive."""
        row = await self._pool.one("first_start", hypertable=hypertable)
        return row["range_start"] if row else None

    async def now(self) -> datetime:
        """By the ledger's clock, which everything goes by."""
        row = await self._pool.one("ledger_clock")
        assert row is not None
        found: datetime = row["now"]
        return found


def _record(row: dict[str, Any]) -> ChunkRecord:
    return ChunkRecord(**{**row, "status": Status(row["status"])})
