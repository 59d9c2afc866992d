"""Each table's log is compared with the ledger, file by file, now and then; people may have a log made anew."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Final
from uuid import uuid4

from archival_core.errors import ArchivalError, AwayError, PermanentError
from archival_core.flows.jobs.ownership import Ownership
from archival_core.flows.tables.committing import AWAY_FOR_ALL, CommitsReport, TableCommits
from archival_core.flows.tables.log_reading import folder_of
from archival_core.lake import paths
from archival_core.lake.tables.log import TableLog
from archival_core.ledger.tables.lake_tables import LakeTables
from archival_core.model.lake.lake_table_state import LakeTableState

_LOG = logging.getLogger(__name__)

_EVERY: Final = timedelta(hours=1)


class TableUpkeep:
    """Looks after the tables of one lake."""

    def __init__(self, ownership: Ownership, tables: LakeTables, commits: TableCommits, log: TableLog) -> None:
        self._ownership, self._tables, self._commits, self._log = ownership, tables, commits, log

    async def states(self) -> list[LakeTableState]:
        """Every table, as of its last commit."""
        return await self._tables.states()

    @staticmethod
    def place_of(hypertable: str) -> str:
        """Where the table of a hypertable lies in the lake."""
        return folder_of(hypertable)

    async def compare(self, deadline: float) -> dict[str, str]:
        """Compare logs that were not compared for an hour, until `deadline` (`time.monotonic`), and mend them.

        Returns what could not be compared and why, by hypertable.
        """
        failed: dict[str, str] = {}
        away = 0
        for hypertable in await self._tables.to_compare(_EVERY):
            if time.monotonic() > deadline:
                break
            try:
                async with self._tables.held(hypertable, wait=False) as held:
                    if held is not None:
                        await self._commits.commit_held(held, CommitsReport(), compare=True)
            except ArchivalError as error:
                # a table that cannot be compared keeps no other table from its turn
                failed[hypertable] = str(error)
                _LOG.error("the table of %s cannot be compared with its archives: %s", hypertable, error)
                if error.code == "table-log-damaged":
                    await self._tables.record_damage(hypertable, str(error))
                away += isinstance(error, AwayError)
                if away == AWAY_FOR_ALL:
                    break
        return failed

    async def rebuild(self, hypertable: str) -> LakeTableState:
        """Make the table's log anew from ledger and marks. The former log is kept below `superseded/`.

        The former log stays in its place unless source, marks and ledger together can tell what the new log says. Raises
        `PermanentError`: `no-archive` if the hypertable has no table, `table-ledger-behind` while the ledger does not know
        all archives that count, and `other-owner`.
        """
        await self._ownership.check()
        if not await self._tables.has_table(hypertable):
            raise PermanentError(f"{hypertable} has no table in the lake", code="no-archive")
        # the next commit makes up for a rebuild that is cut off
        await self._tables.note_due(hypertable)
        async with self._tables.held(hypertable, wait=True) as held:
            assert held is not None, "it was waited for"
            if unknown := await self._commits.unknown(held):
                raise PermanentError(
                    f"the ledger does not know {len(unknown)} archives that count, {unknown[0]} among them; `reconcile` tells"
                    f" the ledger of them within minutes, and the log of {hypertable} can be made anew after that",
                    code="table-ledger-behind",
                )
            folder = folder_of(hypertable)
            aside = f"{paths.superseded_folder(folder)}/{paths.LOG}_{uuid4().hex[:12]}"
            if await self._log.set_aside(folder, aside):
                _LOG.warning("the log of %s is made anew; that of before is at %s", hypertable, aside)
            await self._commits.commit_held(held, CommitsReport(), compare=True, anew=True)
        return next(state for state in await self._tables.states() if state.hypertable == hypertable)
