"""Chunks as people see them: what is in the database, what is in the lake, what is on its way, and what happens next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import PermanentError
from archival_core.flows.insight import outlook, whereabouts
from archival_core.flows.insight.outlook import ExpectedChunk, Outlook
from archival_core.ledger.archives.chunk_records import ChunkRecord, ChunkRecords
from archival_core.ledger.jobs.job_list import JobList
from archival_core.model.asking.policy import Policy
from archival_core.model.chunks.chunk import Chunk, ChunkRange, Relation
from archival_core.model.insight.chunk_state import ChunkCursor, ChunkPlace, position
from archival_core.model.insight.next_step import Because, Rules, Step, next_step
from archival_core.model.jobs.job_record import JobRecord
from archival_core.source import catalog
from archival_core.source.catalog import sizes
from archival_core.source.catalog.hypertables import SourceTable, source_tables

_ALL = 2**31
_ARCHIVED = frozenset({ChunkPlace.ARCHIVED, ChunkPlace.REMOVED})


@dataclass(frozen=True, slots=True)
class KnownTable:
    """A hypertable of the source, or one that only the ledger still knows."""

    name: str
    source: SourceTable | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Chunks of one hypertable, and the rules that decide about them."""

    rules: Rules
    chunks: list[ExpectedChunk]


@dataclass(frozen=True, slots=True)
class Meant:
    """Chunks that one step means, and their bytes in the database."""

    chunks: int
    bytes: int


class ChunkList:
    """Compares the source's catalog with the ledger, to show it."""

    def __init__(self, source: Database, records: ChunkRecords, jobs: JobList, outlook_of: Outlook) -> None:
        self._source, self._records, self._jobs, self._outlook = source, records, jobs, outlook_of

    async def hypertables(self) -> list[KnownTable]:
        """Every one, by name."""
        async with self._source.connect() as connection:
            found = {str(table.relation): KnownTable(str(table.relation), table) for table in await source_tables(connection)}
        for name in await self._jobs.hypertables():
            found.setdefault(name, KnownTable(name, None))
        return [found[name] for name in sorted(found)]

    async def page(
        self, hypertable: Relation, after: ChunkCursor | None, limit: int
    ) -> tuple[list[ExpectedChunk], ChunkCursor | None]:
        """Chunks and archives by their range, and where the next page begins.

        Raises `PermanentError` (`unknown-hypertable`) if neither the source nor the ledger knows it.
        """
        rules = await self._outlook.rules(hypertable)
        return await self._page(hypertable, after, limit, rules)

    async def explain(self, hypertable: Relation, chunk: Relation | None = None, at: str | int | None = None) -> Explanation:
        """What happens next: to one chunk, to those that cover the value `at` of the time column, or to all of them.

        Raises `PermanentError`: `unknown-hypertable`, `unknown-chunk`, `wrong-bound`.
        """
        rules = await self._outlook.rules(hypertable)
        chunks, _ = await self._page(hypertable, None, _ALL, rules)
        if chunk is not None:
            chunks = outlook.named(chunks, chunk)
        elif at is not None:
            chunks = outlook.covering(chunks, at)
        return Explanation(rules, chunks)

    async def meant_by(self, policy: Policy) -> dict[Step, Meant]:
        """What a policy, set or not, would have done at once with the chunks of its hypertable; nothing is recorded."""
        rules = replace(await self._outlook.rules(policy.hypertable), policy=policy, paused=None)
        chunks, _ = await self._page(policy.hypertable, None, _ALL, rules)
        meant: dict[Step, list[ExpectedChunk]] = {step: [] for step in Step}
        for found in chunks:
            if found.next.at is None and found.next.because is Because.DUE:
                meant[found.next.step].append(found)
        return {step: Meant(len(found), sum(one.state.database_bytes or 0 for one in found)) for step, found in meant.items()}

    async def jobs_of(self, hypertable: Relation, chunk: str, limit: int) -> list[JobRecord]:
        """The newest jobs of a chunk, restores of its archives among them."""
        return await self._jobs.of_chunk(str(hypertable), chunk, limit)

    async def _page(
        self, hypertable: Relation, after: ChunkCursor | None, limit: int, rules: Rules
    ) -> tuple[list[ExpectedChunk], ChunkCursor | None]:
        async with self._source.connect() as connection:
            chunks = await self._chunks(connection, hypertable)
            oids = [chunk.oid for chunk in chunks]
            gone = await self._records.without_chunk(str(hypertable), oids, after, min(limit + 1, _ALL))
            places: list[tuple[ChunkCursor, Chunk | ChunkRecord]] = [
                *((_cursor(chunk), chunk) for chunk in chunks),
                *((ChunkCursor(position(found.range_start), found.chunk, found.revision), found) for found in gone),
            ]
            # those of earlier pages are in the catalog too
            places = [place for place in places if after is None or place[0] > after]
            places.sort(key=lambda place: place[0])
            shown = places[:limit]
            expected = await self._expected(connection, hypertable, [place for _, place in shown], chunks, rules)
        return expected, shown[-1][0] if len(places) > limit else None

    async def _chunks(self, connection: Connection, hypertable: Relation) -> list[Chunk]:
        try:
            return await catalog.chunks(connection, hypertable)
        except PermanentError as error:
            # its archives outlive it
            if error.code != "unknown-hypertable" or str(hypertable) not in await self._jobs.hypertables():
                raise
            return []

    async def _expected(
        self,
        connection: Connection,
        hypertable: Relation,
        shown: Sequence[Chunk | ChunkRecord],
        every: list[Chunk],
        rules: Rules,
    ) -> list[ExpectedChunk]:
        chunks = [place for place in shown if isinstance(place, Chunk)]
        siblings = _siblings(chunks, every)
        others = {sibling for found in siblings.values() for sibling in found}.difference(chunks)
        records = await self._records.of(str(hypertable), [*chunks, *others])
        found = await sizes.estimates(connection, chunks) if chunks else {}
        expected = []
        for place in shown:
            if isinstance(place, Chunk):
                state = whereabouts.present(place, records.get(str(place.relation)), found.get(place.oid))
                waits_for = tuple(
                    str(sibling.relation)
                    for sibling in siblings.get(place, ())
                    if whereabouts.present(sibling, records.get(str(sibling.relation))).state not in _ARCHIVED
                )
            else:
                state, waits_for = whereabouts.in_lake_alone(place), ()
            expected.append(ExpectedChunk(state, next_step(state, rules, waits_for)))
        return expected


def _siblings(chunks: Sequence[Chunk], every: Sequence[Chunk]) -> dict[Chunk, list[Chunk]]:
    """The other chunks of the same range, of those of `chunks` that have any."""
    by_range: defaultdict[ChunkRange, list[Chunk]] = defaultdict(list)
    for chunk in every:
        by_range[chunk.range].append(chunk)
    return {
        chunk: [other for other in by_range[chunk.range] if other != chunk]
        for chunk in chunks
        if len(by_range[chunk.range]) > 1
    }


def _cursor(chunk: Chunk) -> ChunkCursor:
    return ChunkCursor(position(chunk.range.start), str(chunk.relation))
