"""Chunks as people see them: what is in the database, what is in the lake, what is on its way, and what happens next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from archival_core.clients.postgres.database import Connection, Database
from archival_core.flows.insight import outlook
from archival_core.flows.insight.outlook import ChunkFilter, ExpectedChunk, Outlook
from archival_core.flows.jobs.chunk_places import ALL, ChunkPlaces, hypertable_chunks
from archival_core.ledger.jobs.job_list import JobList
from archival_core.model.asking.policy import Policy
from archival_core.model.chunks.chunk import Chunk, ChunkRange, Relation
from archival_core.model.insight.chunk_state import ChunkCursor, position
from archival_core.model.insight.next_step import Because, Rules, Step, next_step
from archival_core.model.jobs.job_record import JobRecord
from archival_core.source import catalog
from archival_core.source.catalog import sizes
from archival_core.source.catalog.hypertables import SourceTable, source_tables


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

    def __init__(self, source: Database, places: ChunkPlaces, jobs: JobList, outlook_of: Outlook) -> None:
        self._source, self._places, self._jobs, self._outlook = source, places, jobs, outlook_of

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

    async def matching(
        self, hypertable: Relation, wanted: ChunkFilter, after: ChunkCursor | None, limit: int
    ) -> tuple[list[ExpectedChunk], ChunkCursor | None, int]:
        """Chunks and archives that are `wanted`, by their range; where the next page begins; and how many there are in all.

        What happens next to a chunk is no column of any table, so all chunks of the hypertable are looked at. Raises as `page`.
        """
        rules = await self._outlook.rules(hypertable)
        async with self._source.connect() as connection:
            expected, of_name = await self._expected(connection, hypertable, None, ALL, rules)
            found = [one for one in expected if wanted.takes(one)]
            following = [one for one in found if after is None or one.state.cursor > after]
            shown = await _sized(connection, following[:limit], of_name)
        return shown, shown[-1].state.cursor if len(following) > limit else None, len(found)

    async def explain(self, hypertable: Relation, chunk: Relation | None = None, at: str | int | None = None) -> Explanation:
        """What happens next: to one chunk, to those that cover the value `at` of the time column, or to all of them.

        Raises `PermanentError`: `unknown-hypertable`, `unknown-chunk`, `wrong-bound`.
        """
        rules = await self._outlook.rules(hypertable)
        chunks, _ = await self._page(hypertable, None, ALL, rules)
        if chunk is not None:
            chunks = outlook.named(chunks, chunk)
        elif at is not None:
            chunks = outlook.covering(chunks, at)
        return Explanation(rules, chunks)

    async def meant_by(self, policy: Policy) -> dict[Step, Meant]:
        """What a policy, set or not, would have done at once with the chunks of its hypertable; nothing is recorded."""
        rules = replace(await self._outlook.rules(policy.hypertable), policy=policy, paused=None)
        chunks, _ = await self._page(policy.hypertable, None, ALL, rules)
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
            expected, of_name = await self._expected(connection, hypertable, after, limit, rules)
            shown = await _sized(connection, expected[:limit], of_name)
        return shown, shown[-1].state.cursor if len(expected) > limit else None

    async def _expected(
        self, connection: Connection, hypertable: Relation, after: ChunkCursor | None, limit: int, rules: Rules
    ) -> tuple[list[ExpectedChunk], dict[str, Chunk]]:
        """One chunk or archive more than `limit`, if there are so many, without sizes; and chunks of the database by name."""
        there = await self._chunks(connection, hypertable)
        siblings = _siblings(there)
        # those of earlier pages are in the catalog too
        following = [chunk for chunk in there if after is None or _cursor(chunk) > after]
        following = sorted(following, key=_cursor)[: limit + 1]
        asked = {*following, *(sibling for chunk in following for sibling in siblings.get(chunk, ()))}
        places = await self._places.of(str(hypertable), there, list(asked), after=after, limit=min(limit + 1, ALL))
        of_name = {str(chunk.relation): chunk for chunk in following}
        states = sorted([*map(places.of, following), *places.alone], key=lambda state: state.cursor)
        expected = []
        for state in states[: limit + 1]:
            beside = siblings.get(of_name[state.chunk], ()) if state.in_database else ()
            waits_for = [places.of(sibling) for sibling in beside if places.archive(sibling) is None]
            expected.append(ExpectedChunk(state, next_step(state, rules, waits_for)))
        return expected, of_name

    async def _chunks(self, connection: Connection, hypertable: Relation) -> list[Chunk]:
        chunks = await hypertable_chunks(connection, hypertable)
        if not chunks and str(hypertable) not in await self._jobs.hypertables():
            # raises if the source does not know it either
            return await catalog.chunks(connection, hypertable)
        return chunks


async def _sized(
    connection: Connection, expected: Sequence[ExpectedChunk], of_name: Mapping[str, Chunk]
) -> list[ExpectedChunk]:
    """The same, with what the database tells of the size of those that are in it; each takes a look at the disk."""
    there = [of_name[one.state.chunk] for one in expected if one.state.in_database]
    found = await sizes.estimates(connection, there) if there else {}
    told = []
    for one in expected:
        size = found.get(of_name[one.state.chunk].oid) if one.state.in_database else None
        told.append(
            replace(one, state=replace(one.state, database_bytes=size.bytes, rows_estimated=size.rows)) if size else one
        )
    return told


def _siblings(chunks: Sequence[Chunk]) -> dict[Chunk, list[Chunk]]:
    """The other chunks of the same range, of those that have any."""
    by_range: defaultdict[ChunkRange, list[Chunk]] = defaultdict(list)
    for chunk in chunks:
        by_range[chunk.range].append(chunk)
    return {chunk: [other for other in same if other != chunk] for same in by_range.values() if len(same) > 1 for chunk in same}


def _cursor(chunk: Chunk) -> ChunkCursor:
    return ChunkCursor(position(chunk.range.start), str(chunk.relation), -1)
