"""Whether an archive is in its table, so that who reads the lake alone finds its rows."""

from __future__ import annotations

import time
from typing import Final

from archival_core.errors import PermanentError, TransientError
from archival_core.flows.tables.committing import TableCommits
from archival_core.flows.tables.log_reading import folder_of
from archival_core.lake.tables.log import TableLog
from archival_core.ledger.tables.lake_tables import LakeTables, TableStanding
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import Manifest

#: Seconds for which a log is believed to be where the ledger left it.
_BELIEVED_SECONDS: Final = 30.0


class OutdatedError(TransientError):
    """The archive is from before tables had a schema, and its chunk is still in the database: a new archive of it would
    fit.
    """

    def __init__(self, chunk: Relation, why: str) -> None:
        said = f"{chunk} is archived again: its archive is of before the lake's tables had a schema, and does not fit ({why})"
        super().__init__(said, code="outdated-archive")


class Standing:
    """Asks about archives, and has their tables committed to where that is missing."""

    def __init__(self, tables: LakeTables, log: TableLog, commits: TableCommits) -> None:
        self._tables, self._log, self._commits = tables, log, commits
        #: by hypertable: the log's version, and until when that version is believed
        self._seen: dict[str, tuple[int, float]] = {}

    async def check(self, job: Job) -> None:
        """Raise `TransientError` (`not-in-table`) or `PermanentError` (`left-out-of-table`) unless the archive is in its
        table.

        Raises `OutdatedError` where a new archive of the chunk would be in the table.

        Guard INTABLE: a chunk goes only when its archive is in the lake's table. Otherwise a reader of the lake alone would
        miss its rows until the next commit, or for ever.
        """
        place = await self._tables.place(job.job_id)
        if place.damage is not None:
            raise TransientError(
                f"{job.chunk} is not removed while no engine can read its table: {place.damage}", code="table-log-damaged"
            )
        if not place.in_table or not await self._is_at(str(job.hypertable), place):
            # by its name, since that it has changed may not have been noted
            committed = await self._commits.commit(
                str(job.hypertable), about=[job.lake_path] if job.lake_path else [], wait=True
            )
            place = await self._tables.place(job.job_id)
            if committed is not None and committed == place.version:
                self._believe(str(job.hypertable), committed)
        if place.in_table:
            return
        if place.left_out is not None and _is_of_before(job):
            raise OutdatedError(job.chunk, place.left_out)
        if place.left_out is not None:
            raise PermanentError(
                f"{job.chunk} is not removed, because its archive cannot be in the lake's table: {place.left_out};"
                f" archive the chunk anew with `archival archive {job.hypertable} --chunk {job.chunk} --force`",
                code="left-out-of-table",
            )
        raise TransientError(
            f"{job.chunk} is not removed before its archive is in the lake's table; commit_tables brings it there",
            code="not-in-table",
        )

    async def _is_at(self, hypertable: str, place: TableStanding) -> bool:
        """Whether the log is where the ledger left it. The lake is asked now and then."""
        if place.version is None:
            return False
        version, until = self._seen.get(hypertable, (-1, 0.0))
        if version == place.version and time.monotonic() < until:
            return True
        if not await self._log.is_at(folder_of(hypertable), place.version):
            return False
        self._believe(hypertable, place.version)
        return True

    def _believe(self, hypertable: str, version: int) -> None:
        self._seen[hypertable] = version, time.monotonic() + _BELIEVED_SECONDS


def _is_of_before(job: Job) -> bool:
    manifest = Manifest.of_ledger(job.manifest, job.job_id)
    return "%" in manifest.lake_path or any(column.lake_number == 0 for column in manifest.columns)
