"""Where the rows of a hypertable are, from the catalog and the ledger together.

The lists of chunks, the pages, the metrics, restores and removals all ask here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from archival_core.clients.postgres.database import Connection
from archival_core.errors import PermanentError
from archival_core.ledger.archives.chunk_records import ChunkRecord, ChunkRecords
from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.model.insight.chunk_state import ChunkCursor, ChunkPlace, ChunkState
from archival_core.model.jobs.job import Status
from archival_core.source import catalog

_OF_STATUS: Final = {
    Status.QUEUED: ChunkPlace.QUEUED,
    Status.RUNNING: ChunkPlace.RUNNING,
    Status.ARCHIVED: ChunkPlace.ARCHIVED,
    Status.FAILED: ChunkPlace.FAILED,
}
#: Every archive.
ALL: Final = 2**31


@dataclass(frozen=True, slots=True)
class Places:
    """What `ChunkPlaces.of` has found."""

    #: by the name of a chunk that is in the database: the job that says most about it
    records: dict[str, ChunkRecord]
    #: archives whose rows are in the lake alone, by their range
    alone: tuple[ChunkState, ...]

    def of(self, chunk: Chunk) -> ChunkState:
        """Of a chunk that is in the database, without its size there."""
        found = self.records.get(str(chunk.relation))
        # the archive of an earlier table of the name says nothing about this one's rows
        record = None if found is None or found.of_earlier_table else found
        return ChunkState(
            chunk=str(chunk.relation),
            range_start=chunk.range.start,
            range_end=chunk.range.end,
            state=_OF_STATUS.get(record.status, ChunkPlace.IN_DATABASE) if record else ChunkPlace.IN_DATABASE,
            in_database=True,
            database_bytes=None,
            rows_estimated=None,
            rows=record.rows if record else None,
            source_bytes=record.source_bytes if record else None,
            parquet_bytes=record.parquet_bytes if record else None,
            lake_path=record.lake_path if record else None,
            job_id=record.job_id if record else None,
            finished_at=record.finished_at if record else None,
            error=record.error if record else None,
            job_status=record.status if record else None,
            remove=record.remove if record else None,
            restored_at=record.restored_at if record else None,
            removal_error=record.removal_error if record else None,
            removal_tried_at=record.removal_tried_at if record else None,
            dismissed=record.dismissed if record else None,
        )

    def archive(self, chunk: Chunk | Relation) -> UUID | None:
        """The archive on whose grounds the chunk could go: its own, and none that was restored into it.

        After a dump and restore this is the archive of the earlier table: a removal compares all of its rows with the chunk's.
        """
        found = self.records.get(str(chunk.relation if isinstance(chunk, Chunk) else chunk))
        return found.job_id if found and found.status is Status.ARCHIVED and found.restored_at is None else None


async def hypertable_chunks(connection: Connection, hypertable: Relation) -> list[Chunk]:
    """All chunks of the hypertable that are in the database; none if the hypertable is gone, since its archives outlive it."""
    try:
        return await catalog.chunks(connection, hypertable)
    except PermanentError as error:
        if error.code != "unknown-hypertable":
            raise
        return []


class ChunkPlaces:
    """Asks the ledger about chunks that the catalog has told of."""

    def __init__(self, records: ChunkRecords) -> None:
        self._records = records

    async def of(
        self,
        hypertable: str,
        there: Collection[Chunk],
        asked: Sequence[Chunk] | None = None,
        *,
        after: ChunkCursor | None = None,
        limit: int = ALL,
        by_ledger: bool = False,
    ) -> Places:
        """Of the chunks `asked`, by default all that are `there`, and of at most `limit` archives from the place `after` on.

        `there` are all chunks of the hypertable that are in the database. With `by_ledger` the source did not tell them, and
        the ledger alone speaks.
        """
        records, alone = await self._records.of(hypertable, there, list(there) if asked is None else asked, after, limit)
        return Places(records, tuple(_alone(record, by_ledger) for record in alone))


def _alone(record: ChunkRecord, by_ledger: bool) -> ChunkState:
    removed = ChunkPlace.RESTORING if record.restoring else ChunkPlace.REMOVED
    return ChunkState(
        chunk=record.chunk,
        range_start=record.range_start,
        range_end=record.range_end,
        state=_OF_STATUS.get(record.status, removed) if by_ledger else removed,
        in_database=False,
        database_bytes=None,
        rows_estimated=None,
        rows=record.rows,
        source_bytes=record.source_bytes,
        parquet_bytes=record.parquet_bytes,
        lake_path=record.lake_path,
        job_id=record.job_id,
        finished_at=record.finished_at,
        error=record.error,
        job_status=record.status,
        remove=record.remove,
        restored_at=record.restored_at,
        removal_error=record.removal_error,
        removal_tried_at=record.removal_tried_at,
        revision=record.revision,
    )
