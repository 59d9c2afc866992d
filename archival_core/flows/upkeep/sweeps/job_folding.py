"""Rows of jobs that ended without an archive, and that no question needs any more, become counts.

An archive is never folded, whatever became of it, because a mark in the source may name the archive. The last job of a
chunk that is still in the database is not folded either: a policy would ask for the chunk again, and a person may retry the
job.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import batched
from typing import Final
from uuid import UUID, uuid4

from archival_core.clients.postgres.database import Database
from archival_core.ledger.upkeep.folding import FoldableJob, Folding
from archival_core.source.catalog.presence import table_oids

#: the jobs that one run looks at, and the jobs that are folded or asked about at a time
_LOOKED_AT: Final = 10_000
_BATCH: Final = 500
_EVENTS_LOOKED_AT: Final = 20_000
#: After this time the files of an ended job's parts go from staging, too.
_PARTS_KEPT_FOR: Final = timedelta(hours=1)
_FIRST: Final = UUID(int=0)
_LAST: Final = UUID(int=2**128 - 1)


@dataclass(slots=True)
class FoldingReport:
    """What became of the rows of ended jobs."""

    #: counted and deleted
    jobs: int = 0
    #: deleted: parts of ended jobs, and changes of jobs that are as old as folded jobs
    parts: int = 0
    events: int = 0


class JobFolding:
    """Folds ended jobs away, bit by bit."""

    def __init__(self, source: Database, folding: Folding, keep_for: timedelta, events: str) -> None:
        self._source, self._folding = source, folding
        #: the stream whose events find their job again
        self._keep_for, self._events = keep_for, events

    async def fold(self, deadline: float) -> FoldingReport:
        """Fold the jobs that may be folded.

        Each run begins at a place drawn by chance, so that each job has its turn.
        """
        report = FoldingReport(
            parts=await self._folding.forget_parts(_PARTS_KEPT_FOR),
            events=await self._folding.forget_events(self._keep_for, uuid4(), _EVENTS_LOOKED_AT),
        )
        found = await self._foldable()
        # The source is asked afterwards, so that a source that is away keeps only these jobs.
        await self._fold([job for job in found if not job.is_last], report, deadline)
        last_words = [job for job in found if job.is_last]
        for batch in batched(last_words, _BATCH, strict=False):
            await self._fold(await self._without_chunk(batch), report, deadline)
        return report

    async def _foldable(self) -> list[FoldableJob]:
        begin = uuid4()
        found = await self._folding.foldable(self._keep_for, self._events, begin, _LAST, _LOOKED_AT)
        left = _LOOKED_AT - len(found)
        return [*found, *(await self._folding.foldable(self._keep_for, self._events, _FIRST, begin, left) if left else [])]

    async def _fold(self, jobs: Sequence[FoldableJob], report: FoldingReport, deadline: float) -> None:
        for batch in batched(jobs, _BATCH, strict=False):
            if time.monotonic() < deadline:
                report.jobs += await self._folding.fold([job.job_id for job in batch], self._keep_for)

    async def _without_chunk(self, jobs: Sequence[FoldableJob]) -> list[FoldableJob]:
        """Those of `jobs` whose chunk is not in the database; raises `TransientError` on a standby."""
        async with self._source.connect() as connection:
            there = await table_oids(connection, [job.chunk for job in jobs])
        return [job for job in jobs if job.chunk not in there]
