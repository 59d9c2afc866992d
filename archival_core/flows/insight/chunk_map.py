"""Where the rows of each hypertable are: its chunks in the order of their ranges, from the catalog and the ledger together."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import ArchivalError, PermanentError
from archival_core.flows.insight import whereabouts
from archival_core.flows.insight.cached import Answer, Cached
from archival_core.ledger.chunk_records import ChunkRecords
from archival_core.ledger.insights import InsightReader
from archival_core.ledger.policies import Policies
from archival_core.model.chunk import Chunk, ChunkRange, Relation
from archival_core.model.chunk_state import ChunkPlace, ChunkState
from archival_core.model.moment import moment
from archival_core.model.placed_chunk import PlacedChunk, Whereabouts
from archival_core.source import catalog
from archival_core.source.catalog.hypertables import source_tables

_LOG = logging.getLogger(__name__)

#: What is shown at most: hypertables, chunks of all together, and of each its newest.
_HYPERTABLES: Final = 50
_CHUNKS: Final = 1_500
_CHUNKS_OF_ONE: Final = 366
#: in seconds
_GOOD_FOR: Final = 8.0
_DEADLINE: Final = 20.0

_SHOWN: Final = {
    ChunkPlace.IN_DATABASE: Whereabouts.DATABASE,
    ChunkPlace.QUEUED: Whereabouts.ARCHIVING,
    ChunkPlace.RUNNING: Whereabouts.ARCHIVING,
    ChunkPlace.ARCHIVED: Whereabouts.ARCHIVED,
    ChunkPlace.REMOVED: Whereabouts.REMOVED,
    ChunkPlace.RESTORING: Whereabouts.REMOVED,
    ChunkPlace.FAILED: Whereabouts.FAILED,
}


@dataclass(frozen=True, slots=True)
class HypertableMap:
    """A hypertable's newest chunks, by their range."""

    hypertable: str
    chunks: tuple[PlacedChunk, ...]
    #: in the database now; `None` when the source did not tell, and the ledger alone speaks
    in_database: int | None
    #: why the source did not tell
    problem: str | None = None


class ChunkMap:
    """Looks at every hypertable that has jobs, a policy, or is in the source."""

    def __init__(self, reader: InsightReader, records: ChunkRecords, policies: Policies, source: Database) -> None:
        self._reader, self._records, self._policies, self._source = reader, records, policies, source
        self._maps = Cached("the chunks", self._read, good_for=_GOOD_FOR, deadline=_DEADLINE)

    async def all(self) -> Answer[list[HypertableMap]]:
        """Every hypertable, by its name."""
        return await self._maps.get()

    async def _read(self) -> list[HypertableMap]:
        known = {count.hypertable for count in (await self._reader.state()).jobs}
        known |= {str(policy.policy.hypertable) for policy in await self._policies.all()}
        try:
            async with self._source.connect() as connection:
                listed = {str(table.relation): table.relation for table in await source_tables(connection)}
                names = sorted(known.union(listed))[:_HYPERTABLES]
                # one that is gone has left its archives, and no chunk
                places = {name: await _in_database(connection, listed[name]) if name in listed else [] for name in names}
        except ArchivalError as error:
            _LOG.warning("the source does not tell its chunks: %s", error)
            names = sorted(known)[:_HYPERTABLES]
            places = dict.fromkeys(names, "the source database does not answer")
        limit = min(_CHUNKS // max(len(names), 1), _CHUNKS_OF_ONE)
        return [await self._map(name, places[name], limit) for name in names]

    async def _map(self, hypertable: str, chunks: list[Chunk] | str, limit: int) -> HypertableMap:
        """One hypertable; `chunks` are those in the database, or why they cannot be told: then the ledger alone speaks."""
        problem = chunks if isinstance(chunks, str) else None
        there = [] if isinstance(chunks, str) else chunks
        newest = there[-limit:]
        records = await self._records.of(hypertable, newest)
        gone = await self._records.without_chunk(hypertable, [chunk.oid for chunk in there], None, 2**31)
        states = [whereabouts.present(chunk, records.get(str(chunk.relation))) for chunk in newest]
        states += [whereabouts.in_lake_alone(record) if problem is None else whereabouts.by_ledger(record) for record in gone]
        placed = sorted(map(_placed, states), key=lambda place: (_order(place.range), place.chunk))
        return HypertableMap(hypertable, tuple(placed[-limit:]), None if problem else len(there), problem)


async def _in_database(connection: Connection, hypertable: Relation) -> list[Chunk] | str:
    """The chunks of a hypertable, those that end last at the end; or why they cannot be told."""
    try:
        return sorted(await catalog.chunks(connection, hypertable), key=lambda chunk: _order(chunk.range))
    except PermanentError as error:
        return str(error)


def _placed(state: ChunkState) -> PlacedChunk:
    """A state on the time axis."""
    return PlacedChunk(
        state.chunk,
        ChunkRange(state.range_start, state.range_end),
        _SHOWN[state.state],
        state.job_id,
        state.rows,
        state.source_bytes,
        state.parquet_bytes,
    )


def _order(bounds: ChunkRange) -> float:
    end = moment(bounds.end)
    return end if isinstance(end, int) else float("inf") if end is None else float("-inf")
