"""Where the rows of each hypertable are: its chunks in the order of their ranges, from the catalog and the ledger together."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from archival_core.clients.postgres import Connection, Database
from archival_core.errors import ArchivalError, PermanentError
from archival_core.flows.insight.cached import Answer, Cached
from archival_core.ledger.insights import InsightReader
from archival_core.ledger.policies import Policies
from archival_core.model.chunk import Chunk, ChunkRange, Relation
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

_STATE_IN_DATABASE: Final = {
    "queued": Whereabouts.ARCHIVING,
    "running": Whereabouts.ARCHIVING,
    "archived": Whereabouts.ARCHIVED,
    "failed": Whereabouts.FAILED,
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

    def __init__(self, reader: InsightReader, policies: Policies, source: Database) -> None:
        self._reader, self._policies, self._source = reader, policies, source
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
        archives: dict[str, list[Mapping[str, Any]]] = {name: [] for name in names}
        for row in await self._reader.archives(names, limit):
            archives[row["hypertable"]].append(row)
        newest = {name: found[-limit:] for name, found in places.items() if not isinstance(found, str)}
        latest = await self._reader.latest([(name, str(chunk.relation)) for name in newest for chunk in newest[name]])
        return [
            _unknown(name, found, archives[name])
            if isinstance(found := places[name], str)
            else HypertableMap(name, _merged(name, newest[name], latest, archives[name])[-limit:], len(found))
            for name in names
        ]


async def _in_database(connection: Connection, hypertable: Relation) -> list[Chunk] | str:
    """The chunks of a hypertable, those that end last at the end; or why they cannot be told."""
    try:
        return sorted(await catalog.chunks(connection, hypertable), key=lambda chunk: _order(chunk.range))
    except PermanentError as error:
        return str(error)


def _unknown(hypertable: str, problem: str, archives: Sequence[Mapping[str, Any]]) -> HypertableMap:
    """What the ledger alone knows."""
    return HypertableMap(hypertable, _sorted([_place(row, Whereabouts(row["status"])) for row in archives]), None, problem)


def _merged(
    hypertable: str,
    chunks: Sequence[Chunk],
    latest: Mapping[tuple[str, str], Mapping[str, Any]],
    archives: Sequence[Mapping[str, Any]],
) -> tuple[PlacedChunk, ...]:
    places = [_place_in_database(chunk, latest.get((hypertable, str(chunk.relation)))) for chunk in chunks]
    shown = {(place.chunk, place.range) for place in places if place.state is not Whereabouts.DATABASE}
    # an archive whose chunk is gone is the only copy, unless it was restored into another chunk
    places += [
        _place(row, Whereabouts.ARCHIVED if row["restored_at"] else Whereabouts.REMOVED)
        for row in archives
        if (row["chunk"], ChunkRange(row["range_start"], row["range_end"])) not in shown
    ]
    return _sorted(places)


def _place_in_database(chunk: Chunk, job: Mapping[str, Any] | None) -> PlacedChunk:
    # an archive that was removed is of an earlier table of this name: other rows are in this one
    if job is None or job["status"] == "removed":
        return PlacedChunk(str(chunk.relation), chunk.range, Whereabouts.DATABASE)
    # a job knows its range from the first attempt on, the catalog always
    return PlacedChunk(str(chunk.relation), chunk.range, _STATE_IN_DATABASE[job["status"]], *_numbers(job))


def _place(job: Mapping[str, Any], state: Whereabouts) -> PlacedChunk:
    return PlacedChunk(job["chunk"], ChunkRange(job["range_start"], job["range_end"]), state, *_numbers(job))


def _numbers(job: Mapping[str, Any]) -> tuple[Any, ...]:
    return job["job_id"], job["rows"], job["source_bytes"], job["parquet_bytes"]


def _sorted(places: Sequence[PlacedChunk]) -> tuple[PlacedChunk, ...]:
    return tuple(sorted(places, key=lambda place: (_order(place.range), place.chunk)))


def _order(bounds: ChunkRange) -> float:
    end = moment(bounds.end)
    return end if isinstance(end, int) else float("inf") if end is None else float("-inf")
