"""One commit brings a table of the lake to what marks and ledger say is in it.

the table's row, locked → the log is where the ledger left it → candidates → the commit → the ledger's record

Candidates are the archives that have changed and those that they bear on, so that a commit costs the same whatever the table's
size. Where anything is in doubt, and every hour (`table_upkeep.py`), they are all archives of the table.

The record comes last, and is part of the transaction that holds the lock. A crash before the record leaves a log that is
further than the ledger knows. The next run then reads the log whole, and goes on from what is really there. A commit is
therefore made once, whatever answer is lost. A second committer does no harm, because a version of the log is one file and
has one author.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final
from uuid import uuid4

from archival_core import telemetry
from archival_core.errors import ArchivalError, AwayError
from archival_core.flows.jobs.ownership import Ownership
from archival_core.flows.tables.fitting import Fitting, fit, given_columns, has_others
from archival_core.flows.tables.gathering import Gathered, Gathering
from archival_core.flows.tables.log_reading import LogReading, Reality, folder_of
from archival_core.lake.tables.log import TableLog
from archival_core.lake.tables.snapshot import TableReader
from archival_core.ledger.tables.lake_tables import HeldTable, LakeTables
from archival_core.model.lake.delta_log import Commit
from archival_core.model.lake.lake_table import plan

_LOG = logging.getLogger(__name__)

#: Commits between two checkpoints. A checkpoint names every file of the table, and readers read the commits since the last
#: checkpoint one by one.
_CHECKPOINT_EVERY: Final = 20
#: If a dependency is away for so many tables, it is away for the others, too.
AWAY_FOR_ALL: Final = 3


@dataclass(slots=True)
class CommitsReport:
    """What one run did, in tables."""

    committed: int = 0
    #: archives that entered and left
    entered: int = 0
    left: int = 0
    #: archives that count and cannot be in their table as they are
    left_out: int = 0
    #: what could not be done now, by table
    failed: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.committed} tables: {self.entered} archives entered, {self.left} left, {self.left_out} left out"


class TableCommits:
    """Commits to the tables of one lake."""

    def __init__(
        self,
        ownership: Ownership,
        tables: LakeTables,
        gathering: Gathering,
        log: TableLog,
        reader: TableReader,
        log_reading: LogReading,
    ) -> None:
        self._ownership, self._tables, self._gathering = ownership, tables, gathering
        self._log, self._reader, self._log_reading = log, reader, log_reading

    async def commit_due(self, time_budget: timedelta) -> CommitsReport:
        """Commit to each table of whose archives something has changed, until the time is over.

        Raises `PermanentError` (`other-owner`) where the lake belongs to another source.
        """
        report, deadline, away = CommitsReport(), time.monotonic() + time_budget.total_seconds(), 0
        try:
            await self._ownership.check()
            for hypertable in await self._tables.due():
                if time.monotonic() > deadline:
                    break
                try:
                    await self.commit(hypertable, report)
                except ArchivalError as error:
                    # a table that cannot be committed to keeps no other table from its turn
                    report.failed[hypertable] = str(error)
                    _LOG.warning("the table of %s is not committed to now: %s", hypertable, error)
                    away += isinstance(error, AwayError)
                    if away == AWAY_FOR_ALL:
                        break
        except AwayError as error:
            report.failed[error.dependency] = str(error)
            _LOG.warning("commits wait: %s", error)
        return report

    async def commit(
        self,
        hypertable: str,
        report: CommitsReport | None = None,
        *,
        about: Collection[str] = (),
        wait: bool = False,
    ) -> int | None:
        """Bring one table to what marks and ledger say of the archives that have changed, and of those in the folders `about`.
        Returns the version of the commit; `None` if there was nothing to commit.

        If somebody else is committing to the table, nothing is done, or with `wait` the other's end is waited for. Raises
        `OvertakenCommitError`, `PermanentError` (`table-log-damaged`), and as source and lake do.
        """
        report = CommitsReport() if report is None else report
        with telemetry.step("table.commit", hypertable=hypertable):
            async with self._tables.held(hypertable, wait=wait) as held:
                if held is None:
                    return None
                version = await self.commit_held(held, report, about=about)
            if version is not None:
                await self._checkpoint(hypertable, version, held.known.checkpoint)
            return version

    async def unknown(self, held: HeldTable) -> list[str]:
        """Folders of archives that count and that the ledger does not know, because it was put back or is behind the marks."""
        wanted = plan((await self._gathering.whole(held)).candidates)
        counting = {*wanted.adds, *wanted.stays}
        return sorted(counting - {addition.folder for addition in await held.additions(counting)})

    async def commit_held(
        self,
        held: HeldTable,
        report: CommitsReport,
        *,
        about: Collection[str] = (),
        compare: bool = False,
        anew: bool = False,
    ) -> int | None:
        """Commit to a table whose row is locked; returns the version that was made, `None` if there was nothing to say.

        `about` is as in `commit`. With `compare` all archives are looked at, and the log is read whole, wherever the ledger
        left it. `anew` says that the log was set aside on purpose.
        """
        # Taken before the changes are read: a change that comes later is noted again, and has a commit of its own.
        changed = await held.take_due()
        reality = Reality(held.known)
        whole = compare or not await self._log.is_at(folder_of(held.known.hypertable), held.known.version)
        if whole:
            reality = await self._log_reading.catch_up(held, anew=anew)
        given = await given_columns(held)
        few: Gathered | None = None
        is_new = held.known.version is None
        if changed is not None and not (whole or is_new or has_others(given, held.known.columns)):
            changed |= frozenset(about)
            few = await self._gathering.about(held, changed)
        gathered = few or await self._gathering.whole(held)
        await held.judged(gathered.judged_on)
        wanted = plan(gathered.candidates)
        fitting = await fit(held, reality.known.columns, given, wanted, is_new=reality.known.version is None)
        gone = await held.files(fitting.removes)
        among = None if few is None or changed is None else changed | {candidate.folder for candidate in few.candidates}
        await held.leave_out(fitting.left_out, among)
        report.left_out += len(fitting.left_out)
        if fitting.entries or fitting.removes or reality.foreign or (reality.is_restated and fitting.columns):
            return await self._write(held, reality, fitting, gone, report)
        if reality.known != held.known:
            await held.record(reality.known, reality.known.columns)
        return None

    async def _write(
        self,
        held: HeldTable,
        reality: Reality,
        fitting: Fitting,
        gone: Mapping[str, tuple[str, ...]],
        report: CommitsReport,
    ) -> int:
        known, folder = reality.known, folder_of(reality.known.hypertable)
        version = 0 if known.version is None else known.version + 1
        adds = tuple(file for entry in fitting.entries for file in entry.files)
        leaving = {f"{name.removeprefix(folder)}/{file}".strip("/") for name, files in gone.items() for file in files}
        says_columns = version == 0 or reality.is_restated or fitting.columns != known.columns
        commit = Commit(
            log_id=known.log_id,
            sequence=known.sequence + 1,
            token=uuid4(),
            at=known.now,
            adds=adds,
            # the protocol allows a path once in a commit
            removes=tuple(sorted((leaving | reality.foreign) - {file.path for file in adds})),
            columns=fitting.columns if says_columns else (),
            name=known.hypertable,
        )
        await self._log.write(folder, version, commit)
        await held.enter([entry.entered for entry in fitting.entries])
        await held.leave(fitting.removes)
        await held.record(replace(known, sequence=commit.sequence, version=version), fitting.columns)
        report.committed += 1
        report.entered += len(fitting.entries)
        report.left += len(fitting.removes)
        telemetry.event("archival.table.committed", hypertable=known.hypertable, version=version)
        return version

    async def _checkpoint(self, hypertable: str, version: int, last: int | None) -> None:
        """Write a checkpoint. A log without one is slow to read and nothing else, so an error is only logged."""
        if version - (last or 0) < _CHECKPOINT_EVERY:
            return
        try:
            made = await self._reader.checkpoint(folder_of(hypertable))
        except ArchivalError as error:
            _LOG.warning("the log of %s gets its checkpoint later: %s", hypertable, error)
            return
        if made is not None:
            await self._tables.record_checkpoint(hypertable, made)
