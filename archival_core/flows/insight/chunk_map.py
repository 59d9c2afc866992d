"""Where the rows of each hypertable are: every chunk in the order of its range, from the catalog and the ledger together."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Literal

from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import ArchivalError, PermanentError
from archival_core.flows.insight.cached import Answer, Cached
from archival_core.flows.jobs.chunk_places import ChunkPlaces, hypertable_chunks
from archival_core.ledger.archives.chunk_records import ChunkRecords
from archival_core.ledger.asking.policies import Policies
from archival_core.ledger.insight.insights import InsightReader
from archival_core.model.asking.policy import Policy
from archival_core.model.chunks.chunk import Chunk, ChunkRange, Relation
from archival_core.model.insight.chunk_state import ChunkPlace, ChunkState
from archival_core.model.insight.map_chunk import MapChunk, MapState
from archival_core.model.jobs.job import Kind, Status
from archival_core.source import catalog
from archival_core.source.catalog import sizes
from archival_core.source.catalog.hypertables import SourceTable, source_tables

_LOG = logging.getLogger(__name__)

#: in seconds
_GOOD_FOR: Final = 8.0
_DEADLINE: Final = 2.0
_LIMIT: Final = 60.0
#: Sizes change slowly, and each takes a look at the disk.
_SIZES_GOOD_FOR: Final = 120.0
#: Hypertables whose maps are kept.
_MAPS: Final = 16

#: Bytes on disk, by hypertable and chunk.
Sizes = Mapping[tuple[str, str], int]

_SHOWN: Final = {
    ChunkPlace.IN_DATABASE: MapState.DATABASE,
    ChunkPlace.QUEUED: MapState.ARCHIVING,
    ChunkPlace.RUNNING: MapState.ARCHIVING,
    ChunkPlace.ARCHIVED: MapState.ARCHIVED,
    ChunkPlace.REMOVED: MapState.REMOVED,
    ChunkPlace.RESTORING: MapState.REMOVED,
    ChunkPlace.FAILED: MapState.FAILED,
}


@dataclass(frozen=True, slots=True)
class HypertableChunks:
    """A hypertable with its chunks that are in the database, by their range."""

    hypertable: str
    chunks: tuple[MapChunk, ...]
    #: archives whose rows are in the lake alone
    in_lake: int
    #: where the first of these begins
    first: str | None
    #: in the database now; `None` when the source did not tell, and the ledger alone speaks
    in_database: int | None
    kind: Literal["timescaledb", "native"] | None = None
    time_column: str | None = None
    policy: Policy | None = None
    #: why the source did not tell
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class HypertableMap:
    """A hypertable with all of its chunks and of its archives that stand in for rows, by their range."""

    hypertable: str
    chunks: tuple[MapChunk, ...]
    #: why the source did not tell
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _There:
    """What the source says of one hypertable."""

    table: SourceTable | None = None
    chunks: list[Chunk] = field(default_factory=list)
    problem: str | None = None


class ChunkMap:
    """Looks at every hypertable that has jobs, a policy, or is in the source."""

    def __init__(
        self, reader: InsightReader, places: ChunkPlaces, records: ChunkRecords, policies: Policies, source: Database
    ) -> None:
        self._reader, self._places, self._records, self._policies, self._source = reader, places, records, policies, source
        self._all = Cached("the chunks", self._read, good_for=_GOOD_FOR, deadline=_DEADLINE, limit=_LIMIT)
        self._sizes = Cached("sizes", self._read_sizes, good_for=_SIZES_GOOD_FOR, deadline=0.1, limit=_LIMIT)
        #: what was told last, with the sizes that were known then
        self._told: tuple[list[HypertableChunks], Sizes, list[HypertableChunks]] | None = None
        #: those that were looked at last, the newest at the end
        self._maps: dict[str, Cached[HypertableMap]] = {}

    async def all(self, within: float | None = None) -> Answer[list[HypertableChunks]]:
        """Every hypertable, by its name, with the sizes that are known by now; `within` is the caller's patience in seconds."""
        found = await self._all.get(within)
        known = (await self._sizes.get()).last or {}
        last = None if found.last is None else self._with_sizes(found.last, known)
        return replace(found, value=None if found.value is None else last, last=last)

    def _with_sizes(self, found: list[HypertableChunks], known: Sizes) -> list[HypertableChunks]:
        """The same again for the same: thousands of chunks take longer than everything else that a page shows."""
        if self._told is None or self._told[0] is not found or self._told[1] is not known:
            self._told = found, known, [_sized(one, known) for one in found]
        return self._told[2]

    async def one(self, hypertable: str) -> Answer[HypertableMap]:
        """All chunks of one hypertable. Raises `PermanentError` (`unknown-hypertable`) where its name is known to nobody."""
        known = await self._all.get()
        if known.last is not None and all(found.hypertable != hypertable for found in known.last):
            raise PermanentError(f"neither the source nor the ledger knows {hypertable}", code="unknown-hypertable")
        cached = self._maps.pop(hypertable, None) or Cached(
            f"the chunks of {hypertable}",
            partial(self._read_one, hypertable),
            good_for=_GOOD_FOR,
            deadline=_DEADLINE,
            limit=_LIMIT,
        )
        self._maps[hypertable] = cached
        while len(self._maps) > _MAPS:
            del self._maps[next(iter(self._maps))]
        return await cached.get()

    async def _read(self) -> list[HypertableChunks]:
        removed = Counter[str]()
        names: set[str] = set()
        for count in (await self._reader.state()).jobs:
            names.add(count.hypertable)
            if count.kind is Kind.ARCHIVE and count.status is Status.REMOVED:
                removed[count.hypertable] += count.jobs
        policies = {str(due.policy.hypertable): due.policy for due in await self._policies.all()}
        names |= policies.keys()
        there = await self._in_source(names)
        # one that is gone has left its archives, and no chunk
        return [
            await self._chunks(name, there.get(name, _There()), policies.get(name), removed[name])
            for name in sorted(names.union(there))
        ]

    async def _in_source(self, names: Collection[str]) -> dict[str, _There]:
        try:
            async with self._source.connect() as connection:
                tables = await source_tables(connection)
                return {str(table.relation): await _in_database(connection, table) for table in tables}
        except ArchivalError as error:
            _LOG.warning("the source does not tell its chunks: %s", error)
            return {name: _There(problem="the source database does not answer") for name in names}

    async def _one_in_source(self, hypertable: str) -> _There:
        try:
            async with self._source.connect() as connection:
                return _There(chunks=await hypertable_chunks(connection, Relation.parse(hypertable)))
        except PermanentError as error:
            return _There(problem=str(error))
        except ArchivalError as error:
            _LOG.warning("the source does not tell the chunks of %s: %s", hypertable, error)
            return _There(problem="the source database does not answer")

    async def _chunks(self, name: str, there: _There, policy: Policy | None, removed: int) -> HypertableChunks:
        places = await self._places.of(name, there.chunks, limit=0)
        dropped = 0 if there.problem else await self._records.count_in_lake_alone(name, there.chunks)
        return HypertableChunks(
            name,
            tuple(sorted((_map_chunk(places.of(chunk)) for chunk in there.chunks), key=_order)),
            removed + dropped,
            await self._records.first_start(name),
            None if there.problem else len(there.chunks),
            there.table.kind if there.table else None,
            there.table.time_column if there.table else None,
            policy,
            there.problem,
        )

    async def _read_one(self, hypertable: str) -> HypertableMap:
        """Where the source does not tell its chunks, the ledger alone speaks."""
        there = await self._one_in_source(hypertable)
        places = await self._places.of(hypertable, there.chunks, by_ledger=there.problem is not None)
        states = [*map(places.of, there.chunks), *places.alone]
        known = (await self._sizes.get()).last or {}
        placed = [_with_size(hypertable, place, known) for place in sorted(map(_map_chunk, states), key=_order)]
        return HypertableMap(hypertable, tuple(placed), there.problem)

    async def _read_sizes(self) -> dict[tuple[str, str], int]:
        """Bytes on disk, by hypertable and chunk."""
        found: dict[tuple[str, str], int] = {}
        async with self._source.connect() as connection:
            for table in await source_tables(connection):
                chunks = (await _in_database(connection, table)).chunks
                of_oid = await sizes.estimates(connection, chunks) if chunks else {}
                for chunk in chunks:
                    if chunk.oid in of_oid:
                        found[str(table.relation), str(chunk.relation)] = of_oid[chunk.oid].bytes
        return found


async def _in_database(connection: Connection, table: SourceTable) -> _There:
    try:
        return _There(table, await catalog.chunks(connection, table.relation))
    except PermanentError as error:
        return _There(table, problem=str(error))


def _map_chunk(state: ChunkState) -> MapChunk:
    """A state on the time axis."""
    return MapChunk(
        state.chunk,
        ChunkRange(state.range_start, state.range_end),
        _SHOWN[state.state],
        state.job_id,
        state.rows,
        state.source_bytes,
        state.parquet_bytes,
        is_cancelled=state.job_status is Status.CANCELLED,
    )


def _sized(found: HypertableChunks, known: Sizes) -> HypertableChunks:
    return replace(found, chunks=tuple(_with_size(found.hypertable, chunk, known) for chunk in found.chunks))


def _with_size(hypertable: str, chunk: MapChunk, known: Sizes) -> MapChunk:
    if chunk.state is MapState.REMOVED:
        return chunk
    return replace(chunk, database_bytes=known.get((hypertable, chunk.chunk)))


def _order(chunk: MapChunk) -> tuple[float, str]:
    start = chunk.start
    return float("-inf") if start is None else start, chunk.chunk
