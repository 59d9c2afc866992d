"""Chunks as people see them: what is in the database, what is in the lake, and what is on its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import PermanentError
from archival_core.flows.insight import whereabouts
from archival_core.ledger.chunk_records import ChunkRecord, ChunkRecords
from archival_core.ledger.job_list import JobList
from archival_core.model.chunk import Chunk, Relation
from archival_core.model.chunk_state import ChunkCursor, ChunkState, position
from archival_core.source import catalog
from archival_core.source.catalog import sizes
from archival_core.source.catalog.hypertables import SourceTable, source_tables


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
            oids = [chunk.oid for chunk in chunks]
            gone = await self._records.without_chunk(str(hypertable), oids, after, limit + 1)
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
        records = await self._records.of(str(hypertable), chunks)
        found = await sizes.estimates(connection, chunks) if chunks else {}
        return [
            whereabouts.present(place, records.get(str(place.relation)), found.get(place.oid))
            if isinstance(place, Chunk)
            else whereabouts.in_lake_alone(place)
            for place in shown
        ]


def _cursor(chunk: Chunk) -> ChunkCursor:
    return ChunkCursor(position(chunk.range.start), str(chunk.relation))
