"""Chunks as people see them: what is in the database, what is in the lake, and what is on its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archival_core.clients.postgres import Connection, Database
from archival_core.errors import PermanentError
from archival_core.ledger.chunk_records import ChunkRecord, ChunkRecords
from archival_core.ledger.job_list import JobList
from archival_core.model.chunk import Chunk, Relation
from archival_core.model.chunk_state import ChunkCursor, ChunkPlace, ChunkState, position
from archival_core.model.job import Status
from archival_core.source import catalog
from archival_core.source.catalog import sizes
from archival_core.source.catalog.hypertables import SourceTable, source_tables
from archival_core.source.catalog.sizes import Size


@dataclass(frozen=True, slots=True)
class KnownTable:
    """A hypertable of the source, or one that only the ledger still knows."""

    name: str
    source: SourceTable | None


class ChunkList:
    """Compares the source's catalog with the ledger, to show it."""

    def __init__(self, source: Database, records: ChunkRecords, jobs: JobList) -> None:
        self._source, self._records, self._jobs = source, records, jobs

    async def hypertables(self) -> list[KnownTable]:
        """Every one, by name."""
        async with self._source.connect() as connection:
            found = {str(table.relation): KnownTable(str(table.relation), table) for table in await source_tables(connection)}
        for name in await self._jobs.hypertables():
            found.setdefault(name, KnownTable(name, None))
        return [found[name] for name in sorted(found)]

    async def page(
        self, hypertable: Relation, after: ChunkCursor | None, limit: int
    ) -> tuple[list[ChunkState], ChunkCursor | None]:
        """Chunks and archives by their range, and where the next page begins.

        Raises `PermanentError` (`unknown-hypertable`) if neither the source nor the ledger knows it.
        """
        async with self._source.connect() as connection:
            chunks = await self._chunks(connection, hypertable)
            present = [str(chunk.relation) for chunk in chunks]
            gone = await self._records.without_chunk(str(hypertable), present, after, limit + 1)
            places: list[tuple[ChunkCursor, Chunk | ChunkRecord]] = [
                *((_cursor(chunk), chunk) for chunk in chunks),
                *((ChunkCursor(position(found.range_start), found.chunk, found.revision), found) for found in gone),
            ]
            # those of earlier pages are in the catalog too
            places = [place for place in places if after is None or place[0] > after]
            places.sort(key=lambda place: place[0])
            shown = places[:limit]
            states = await self._states(connection, hypertable, [place for _, place in shown])
        return states, shown[-1][0] if len(places) > limit else None

    async def _chunks(self, connection: Connection, hypertable: Relation) -> list[Chunk]:
        try:
            return await catalog.chunks(connection, hypertable)
        except PermanentError as error:
            # its archives outlive it
            if error.code != "unknown-hypertable" or str(hypertable) not in await self._jobs.hypertables():
                raise
            return []

    async def _states(
        self, connection: Connection, hypertable: Relation, shown: Sequence[Chunk | ChunkRecord]
    ) -> list[ChunkState]:
        chunks = [place for place in shown if isinstance(place, Chunk)]
        records = await self._records.of(str(hypertable), [str(chunk.relation) for chunk in chunks])
        found = await sizes.estimates(connection, chunks) if chunks else {}
        return [
            _present(place, records.get(str(place.relation)), found.get(place.oid))
            if isinstance(place, Chunk)
            else _gone(place)
            for place in shown
        ]


def _cursor(chunk: Chunk) -> ChunkCursor:
    return ChunkCursor(position(chunk.range.start), str(chunk.relation))


_OF_STATUS = {
    Status.QUEUED: ChunkPlace.QUEUED,
    Status.RUNNING: ChunkPlace.RUNNING,
    Status.ARCHIVED: ChunkPlace.ARCHIVED,
    Status.FAILED: ChunkPlace.FAILED,
}


def _present(chunk: Chunk, record: ChunkRecord | None, size: Size | None) -> ChunkState:
    # a removed archive is of a table that is gone: what has its name now holds other rows
    state = _OF_STATUS.get(record.status) if record else None
    if record is None or state is None or not (record.restored or record.relation_oid in (None, chunk.oid)):
        state = state if state in (ChunkPlace.QUEUED, ChunkPlace.RUNNING) else ChunkPlace.IN_DATABASE
    told = record if record is not None and state is not ChunkPlace.IN_DATABASE else None
    return ChunkState(
        chunk=str(chunk.relation),
        range_start=chunk.range.start,
        range_end=chunk.range.end,
        state=state,
        in_database=True,
        database_bytes=size.bytes if size else None,
        rows_estimated=size.rows if size else None,
        rows=told.rows if told else None,
        source_bytes=told.source_bytes if told else None,
        parquet_bytes=told.parquet_bytes if told else None,
        lake_path=told.lake_path if told else None,
        job_id=told.job_id if told else None,
        finished_at=told.finished_at if told else None,
        error=told.error if told else None,
    )


def _gone(record: ChunkRecord) -> ChunkState:
    return ChunkState(
        chunk=record.chunk,
        range_start=record.range_start,
        range_end=record.range_end,
        state=ChunkPlace.RESTORING if record.restoring else ChunkPlace.REMOVED,
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
    )
