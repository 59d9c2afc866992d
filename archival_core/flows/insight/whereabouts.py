"""Where the rows of a range are: one answer for lists, map, page and metrics, from the catalog and the ledger together."""

from __future__ import annotations

from typing import Final

from archival_core.ledger.archives.chunk_records import ChunkRecord
from archival_core.model.chunks.chunk import Chunk
from archival_core.model.insight.chunk_state import ChunkPlace, ChunkState
from archival_core.model.jobs.job import Status
from archival_core.source.catalog.sizes import Size

_OF_STATUS: Final = {
    Status.QUEUED: ChunkPlace.QUEUED,
    Status.RUNNING: ChunkPlace.RUNNING,
    Status.ARCHIVED: ChunkPlace.ARCHIVED,
    Status.FAILED: ChunkPlace.FAILED,
}


def present(chunk: Chunk, record: ChunkRecord | None, size: Size | None = None) -> ChunkState:
    """A chunk that is in the database; `record` is the archive of that very table, if there is one."""
    return ChunkState(
        chunk=str(chunk.relation),
        range_start=chunk.range.start,
        range_end=chunk.range.end,
        state=_OF_STATUS.get(record.status, ChunkPlace.IN_DATABASE) if record else ChunkPlace.IN_DATABASE,
        in_database=True,
        database_bytes=size.bytes if size else None,
        rows_estimated=size.rows if size else None,
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


def in_lake_alone(record: ChunkRecord) -> ChunkState:
    """An archive whose table is not in the database."""
    return _of(record, ChunkPlace.RESTORING if record.restoring else ChunkPlace.REMOVED)


def by_ledger(record: ChunkRecord) -> ChunkState:
    """An archive where the source does not tell, so that the ledger alone speaks."""
    return _of(record, _OF_STATUS.get(record.status, ChunkPlace.REMOVED))


def _of(record: ChunkRecord, state: ChunkPlace) -> ChunkState:
    return ChunkState(
        chunk=record.chunk,
        range_start=record.range_start,
        range_end=record.range_end,
        state=state,
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
    )
