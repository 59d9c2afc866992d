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
    #: whether it is of an earlier table of the chunk's name and range
    of_earlier_table: bool


class ChunkRecords:
    """Chunks of one hypertable at a time."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def of(
        self, hypertable: str, there: Collection[Chunk], asked: Sequence[Chunk], after: ChunkCursor | None, limit: int
    ) -> tuple[dict[str, ChunkRecord], list[ChunkRecord]]:
        """The record of each of `asked` that has one, by its name, and of archives that are in the lake alone, by their range.

        `there` are all chunks of the hypertable that are in the database; archives come from the place `after` on.
        """
        rows = await self._pool.all(
            "chunk_places",
            hypertable=hypertable,
            oids=[chunk.oid for chunk in there],
            chunks=[str(chunk.relation) for chunk in asked],
            chunk_oids=[chunk.oid for chunk in asked],
            starts=[chunk.range.start for chunk in asked],
            ends=[chunk.range.end for chunk in asked],
            position="-Infinity" if after is None else str(after.position),
            chunk="" if after is None else after.chunk,
            revision=-1 if after is None else after.revision,
            limit=limit,
        )
        records = [(row.pop("in_database"), _record(row)) for row in rows]
        present = {record.chunk: record for is_there, record in records if is_there}
        return present, [record for is_there, record in records if not is_there]

    async def count_in_lake_alone(self, hypertable: str, there: Collection[Chunk]) -> int:
        """Archives that the ledger does not call removed and whose table is not one of `there`: others dropped it."""
        row = await self._pool.one("count_in_lake_alone", hypertable=hypertable, oids=[chunk.oid for chunk in there])
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
