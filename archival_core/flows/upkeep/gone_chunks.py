"""Archived chunks that somebody else removed: a retention policy, or a person.

As long as such an archive counts as `archived`, a new table of its name would be taken for the one that was archived, and its
rows would be nowhere.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from archival_core.clients.postgres import Connection, Database
from archival_core.errors import PermanentError, TransientError
from archival_core.flows.upkeep.whereabouts import is_from
from archival_core.ledger.removals import Removals
from archival_core.model.chunk import ChunkRange, Relation
from archival_core.model.job import Job
from archival_core.model.manifest import Manifest
from archival_core.model.moment import moment
from archival_core.source import catalog
from archival_core.source.catalog import timescaledb
from archival_core.source.catalog.presence import gone_oids

_LOG = logging.getLogger(__name__)

#: archives whose table is asked for in one run, and of those without one how many are settled
_LOOKED_AT: Final = 10_000
_SETTLED: Final = 200


@dataclass(slots=True)
class GoneReport:
    """What was found, in archives."""

    #: their chunk is gone
    removed: int = 0
    #: their table is gone, and their rows may be in a larger chunk: merging leaves one table of two
    merged: int = 0


class GoneChunks:
    """Compares archives that are not removed with the tables of the database."""

    def __init__(self, source: Database, removals: Removals) -> None:
        self._source, self._removals = source, removals

    async def run(self) -> GoneReport:
        """Mark archives whose chunk is gone; where it begins is left to chance, so that each has its turn."""
        report = GoneReport()
        oids = await self._removals.tables(uuid4(), _LOOKED_AT)
        if not oids:
            return report
        async with self._source.connect() as connection:
            gone = await gone_oids(connection, list(oids.values()))
            missing = [job_id for job_id, oid in oids.items() if oid in gone][:_SETTLED]
            if not missing:
                return report
            here = await catalog.server_identity(connection)
            there: dict[Relation, tuple[list[ChunkRange], bool]] = {}
            for job in await self._removals.archived(missing):
                # another server has other tables, and one that does not tell who it is may be another
                if here.system_identifier and job.manifest and is_from(here, Manifest.model_validate(job.manifest)):
                    if job.hypertable not in there:
                        there[job.hypertable] = await _ranges(connection, job.hypertable)
                    ranges, shared = there[job.hypertable]
                    if any(_holds(other, job.range) or (shared and other == job.range) for other in ranges):
                        report.merged += 1
                    else:
                        report.removed += await self._mark(job)
        return report

    async def _mark(self, job: Job) -> bool:
        note = PermanentError(f"{job.chunk} is gone: somebody else removed it", code="was-gone")
        try:
            await self._removals.finish(job, note=note)
        except TransientError as error:
            if error.code != "not-archived":
                raise
            return False  # somebody is at it
        _LOG.warning("job %s: %s", job.job_id, note)
        return True


async def _ranges(connection: Connection, hypertable: Relation) -> tuple[list[ChunkRange], bool]:
    """Of the chunks that are there, and whether several chunks share one: a hypertable may have a dimension besides time."""
    try:
        chunks = await catalog.chunks(connection, hypertable)
    except PermanentError as error:
        # a hypertable that is gone has no chunks; of any other nobody can tell
        return [] if error.code == "unknown-hypertable" else [ChunkRange(None, None)], True
    dimensions = await timescaledb.dimensions(connection, hypertable) if chunks and chunks[0].kind == "timescaledb" else 1
    return [chunk.range for chunk in chunks], dimensions > 1


def _holds(other: ChunkRange, archived: ChunkRange) -> bool:
    """Whether `other` is `archived` and more; true too for what cannot be compared."""
    if other == archived:
        return False
    start, end = _edge(other.start, -math.inf), _edge(other.end, math.inf)
    inner_start, inner_end = _edge(archived.start, -math.inf), _edge(archived.end, math.inf)
    if start is None or end is None or inner_start is None or inner_end is None:
        return True
    return start <= inner_start and inner_end <= end


def _edge(text: str | None, of_an_open_end: float) -> float | None:
    """A bound as a number; `None` if it is none."""
    found = of_an_open_end if text is None else moment(text)
    return float(found) if found in ("infinity", "-infinity") else None if isinstance(found, str) else found
