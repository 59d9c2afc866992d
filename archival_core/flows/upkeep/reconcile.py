"""Source, ledger, lake and queue are compared, and what a crash, a lost message or a lost event left undone is done.

Every duty is bounded, and has a time of its own, so that none keeps another from its turn. A duty may run twice, also at
the same time.

- Policies become jobs.
- Lost messages are sent again, and messages in the poison queues are settled.
- Ends of jobs that were not told are told.
- Published archives that the ledger does not know are adopted.
- The ledger follows the marks of the source, and chunks that somebody else dropped count as removed.
- The log of each table in the lake is compared with the ledger.
- What crashes left in staging, and what nobody needs in streams and ledger any more, is removed.
- After the lake went back to an earlier state, the archives that it may have lost are verified.

An event that a Redis failover lost is made up for by the policies, and by nothing else: see `policy_jobs`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from archival_core.errors import ArchivalError, AwayError
from archival_core.flows.asking.policy_jobs import PolicyJobs, PolicyReport
from archival_core.flows.jobs.announcer import Announcer
from archival_core.flows.jobs.ownership import Ownership
from archival_core.flows.jobs.queues.poisoned import PoisonedMessages
from archival_core.flows.tables.table_upkeep import TableUpkeep
from archival_core.flows.upkeep.lake.adoption import Adoption, AdoptionReport
from archival_core.flows.upkeep.lake.lake_back import LakeBack
from archival_core.flows.upkeep.lost_messages import LostMessages
from archival_core.flows.upkeep.marks.follow_marks import FollowMarks, MarksReport
from archival_core.flows.upkeep.missing_tables.report import MissingTablesReport
from archival_core.flows.upkeep.missing_tables.search import MissingTables
from archival_core.flows.upkeep.sweeps.job_folding import FoldingReport, JobFolding
from archival_core.flows.upkeep.sweeps.restore_sweep import RestoreSweep
from archival_core.flows.upkeep.sweeps.results_sweep import ResultsSweep
from archival_core.flows.upkeep.sweeps.staging_sweep import StagingSweep
from archival_core.flows.upkeep.sweeps.stream_retention import StreamRetention
from archival_core.ledger.upkeep.left_undone import Upkeep

_LOG = logging.getLogger(__name__)

#: Whoever ends a job announces the end in the next moment. Only an older end was forgotten.
_UNANNOUNCED_FOR: Final = timedelta(minutes=3)
_ANNOUNCED_A_RUN: Final = 500
_SWEPT_A_RUN: Final = 500
#: a duty is cut off after so many times its seconds
_CUT_OFF_AFTER: Final = 2.0


@dataclass(slots=True)
class ReconcileReport:
    """What one run put right."""

    #: jobs whose message was sent again
    messages: int = 0
    #: messages of the poison queues that no function had settled
    poisoned: int = 0
    #: folders and files of staging, results that have expired, and staging tables of restores, that were removed
    swept: int = 0
    adoption: AdoptionReport = field(default_factory=AdoptionReport)
    marks: MarksReport = field(default_factory=MarksReport)
    missing_tables: MissingTablesReport = field(default_factory=MissingTablesReport)
    #: jobs whose end was told late
    announced: int = 0
    policies: PolicyReport = field(default_factory=PolicyReport)
    folding: FoldingReport = field(default_factory=FoldingReport)
    #: entries of the streams of events and results
    trimmed: int = 0
    #: archives that a lake which went back has lost, in whole or in part
    lost_by_lake: int = 0
    #: duties that could not be finished, and why
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def numbers(self) -> dict[str, int]:
        """How often each thing was done, or was found amiss, by its name for people."""
        return {
            "messages sent again": self.messages,
            "poisoned messages settled": self.poisoned,
            "archives adopted": len(self.adoption.adopted),
            "retired": len(self.adoption.retired),
            "strays": len(self.adoption.strays),
            "postponed": self.adoption.postponed,
            "removals learnt from marks": self.marks.removed,
            "restores learnt from marks": self.marks.restored,
            "removals taken back": self.marks.back,
            "archives of lost histories": self.marks.lost,
            "superseded no more": self.marks.revived,
            "marks written": self.marks.written,
            "manifests of marks missing": self.marks.missing,
            "removals without a mark": self.marks.unproven,
            "marks not followed": self.marks.undecided,
            "chunks dropped by others": self.missing_tables.removed,
            "tables reshaped": self.missing_tables.reshaped,
            "tables missing, rows undecided": self.missing_tables.undecided,
            "ends told": self.announced,
            "jobs of policies": self.policies.queued,
            "policies with a problem": len(self.policies.problems),
            "leftovers removed": self.swept,
            "ended jobs folded away": self.folding.jobs,
            "parts of ended jobs forgotten": self.folding.parts,
            "changes of jobs forgotten": self.folding.events,
            "entries trimmed": self.trimmed,
            "archives lost by the lake": self.lost_by_lake,
            "duties not finished": len(self.failed),
        }

    def __str__(self) -> str:
        return ", ".join(f"{name}: {number}" for name, number in self.numbers.items() if number) or "nothing"

    @property
    def is_empty(self) -> bool:
        """Nothing had to be done, and nothing is amiss."""
        return self == ReconcileReport()


#: Does some of its work and notes it in the report, until a time (`time.monotonic`).
Duty = Callable[[ReconcileReport, float], Awaitable[None]]


class Reconciler:
    """The duties, one after the other."""

    def __init__(
        self,
        ownership: Ownership,
        lake_back: LakeBack,
        messages: LostMessages,
        poisoned: Sequence[PoisonedMessages],
        staging: StagingSweep,
        results: ResultsSweep,
        restores: RestoreSweep,
        adoption: Adoption,
        follow_marks: FollowMarks,
        missing_tables: MissingTables,
        upkeep: Upkeep,
        announcer: Announcer,
        policies: PolicyJobs,
        streams: StreamRetention,
        tables: TableUpkeep,
        folding: JobFolding,
    ) -> None:
        self._ownership, self._lake_back = ownership, lake_back
        self._poisoned = poisoned
        self._messages, self._staging, self._restores, self._adoption = messages, staging, restores, adoption
        self._results = results
        self._follow_marks = follow_marks
        self._missing_tables, self._upkeep, self._announcer, self._policies = missing_tables, upkeep, announcer, policies
        self._streams, self._tables, self._folding = streams, tables, folding
        #: Each duty with its seconds. People wait for the first ones, and the last ones look at everything.
        self._duties: tuple[tuple[str, float, Duty], ...] = (
            ("policies", 60.0, self._follow_policies),
            ("poisoned messages", 30.0, self._settle_poisoned),
            ("messages", 30.0, self._send_lost_messages),
            ("announcements", 60.0, self._announce),
            ("adoption", 60.0, self._adopt),
            ("marks", 60.0, self._follow),
            ("missing tables", 60.0, self._look_for_missing_tables),
            ("tables", 60.0, self._compare_tables),
            ("staging", 30.0, self._sweep_staging),
            ("streams", 30.0, self._trim_streams),
            ("ended jobs", 30.0, self._fold_jobs),
        )

    async def reconcile(self, time_budget: timedelta) -> ReconcileReport:
        """Do every duty once, each for its own time at most. What is left of `time_budget` is for a lake that went back.

        Raises `PermanentError` (`other-owner`) where the lake belongs to another source.
        """
        report, deadline = ReconcileReport(), time.monotonic() + time_budget.total_seconds()
        try:
            await self._ownership.check()
        except AwayError as error:
            report.failed["ownership"] = str(error)
            _LOG.warning("reconcile waits: %s", error)
            return report
        for name, seconds, duty in self._duties:
            await self._duty(name, duty, report, seconds)
        # last, since it may take all the time that is left
        await self._duty("the lake's marker", self._look_back, report, max(deadline - time.monotonic(), 1.0))
        return report

    async def _duty(self, name: str, duty: Duty, report: ReconcileReport, seconds: float) -> None:
        """Let a duty do some of its work. A duty ends by itself when its time is over; a duty that hangs is cut off later."""
        try:
            async with asyncio.timeout(_CUT_OFF_AFTER * seconds):
                await duty(report, time.monotonic() + seconds)
        except TimeoutError:
            report.failed[name] = f"cut off after {_CUT_OFF_AFTER * seconds:.0f} s"
            _LOG.warning("reconcile: %s is cut off after %.0f s", name, _CUT_OFF_AFTER * seconds)
        except ArchivalError as error:
            report.failed[name] = str(error)
            _LOG.warning("reconcile: %s not finished: %s", name, error)
        except Exception as error:
            # a defect: what it says may hold anything, so only its kind is reported
            report.failed[name] = f"unexpected {type(error).__name__}; the service's log has the details"
            _LOG.exception("reconcile: %s not finished", name)

    async def _adopt(self, report: ReconcileReport, deadline: float) -> None:
        report.adoption = await self._adoption.adopt(deadline)

    async def _follow(self, report: ReconcileReport, deadline: float) -> None:
        report.marks = await self._follow_marks.follow(deadline)

    async def _look_for_missing_tables(self, report: ReconcileReport, deadline: float) -> None:
        report.missing_tables = await self._missing_tables.decide(deadline)

    async def _compare_tables(self, report: ReconcileReport, deadline: float) -> None:
        for hypertable, why in (await self._tables.compare(deadline)).items():
            report.failed[f"the table of {hypertable}"] = why

    async def _settle_poisoned(self, report: ReconcileReport, deadline: float) -> None:
        for queue in self._poisoned:
            report.poisoned += await queue.sweep(deadline)

    async def _send_lost_messages(self, report: ReconcileReport, deadline: float) -> None:
        report.messages = await self._messages.send_again()

    async def _announce(self, report: ReconcileReport, deadline: float) -> None:
        for job_id in await self._upkeep.unannounced(_UNANNOUNCED_FOR, _ANNOUNCED_A_RUN):
            if time.monotonic() > deadline:
                return
            try:
                await self._announcer.announce(job_id)
            except AwayError:
                raise
            except Exception as error:
                # one end that cannot be told keeps no other from being told
                report.failed["announcements"] = f"job {job_id}: {type(error).__name__}"
                _LOG.exception("reconcile: the end of job %s is not told", job_id)
            else:
                report.announced += 1

    async def _follow_policies(self, report: ReconcileReport, deadline: float) -> None:
        report.policies = await self._policies.fill_backlog()

    async def _look_back(self, report: ReconcileReport, deadline: float) -> None:
        report.lost_by_lake = await self._lake_back.verify_if_back(deadline)

    async def _sweep_staging(self, report: ReconcileReport, deadline: float) -> None:
        report.swept = await self._staging.sweep(_SWEPT_A_RUN)
        report.swept += await self._results.sweep(_SWEPT_A_RUN)
        report.swept += await self._restores.sweep()

    async def _trim_streams(self, report: ReconcileReport, deadline: float) -> None:
        report.trimmed = await self._streams.trim()

    async def _fold_jobs(self, report: ReconcileReport, deadline: float) -> None:
        report.folding = await self._folding.fold(deadline)
