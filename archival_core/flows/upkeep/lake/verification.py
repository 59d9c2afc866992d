"""Published archives are read again and compared with their manifests, those verified longest ago first.

Damage is recorded, and told as `archival.archive.damaged` on the result stream. A chunk that is still in the database is
not removed while its archive is damaged. Damage to the archive of a removed chunk is the worst that can happen, and is
logged as an error.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from archival_core import telemetry
from archival_core.errors import ArchivalError, AwayError, PermanentError, TransientError
from archival_core.flows.archive.archive_check import check_archive
from archival_core.flows.jobs.announcer import Announcer
from archival_core.flows.jobs.dependencies import Dependencies
from archival_core.flows.jobs.queues.sharing import Sharing
from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.archives.findings import Findings, RecordedFinding
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.job import Job, Status
from archival_core.model.jobs.message import JobMessage
from archival_core.model.lake.finding import Finding, Problem
from archival_core.model.lake.manifest import Manifest

_LOG = logging.getLogger(__name__)

_BATCH: Final = 50
#: The archives of a batch that the timer verifies by itself before it looks again. The others are shared.
_OWN: Final = 5


#: The dependencies of a verification.
_NEEDED: Final = ("ledger", "lake")


@dataclass(frozen=True, slots=True)
class VerificationRules:
    """How often archives are verified, and how much of them is read."""

    #: a verified archive is left alone for this time
    every: timedelta
    #: share of the files whose content is read, 0 to 1; the length of each is always compared
    sample: float = 1.0


@dataclass(slots=True)
class VerificationReport:
    """What one run read, in archives."""

    verified: int = 0
    #: what is wrong, by the archive's folder
    damaged: dict[str, list[Finding]] = field(default_factory=dict)
    #: archives that could not be read now: the lake did not answer
    unread: int = 0
    #: the dependency that was away: the others wait for the next run
    away: str | None = None


class Verification:
    """Verifies the archives of one ledger in one lake."""

    def __init__(
        self,
        lake: LakehouseClient,
        findings: Findings,
        announcer: Announcer,
        dependencies: Dependencies,
        sharing: Sharing,
        rules: VerificationRules,
    ) -> None:
        self._lake, self._findings, self._announcer, self._rules = lake, findings, announcer, rules
        self._dependencies, self._sharing = dependencies, sharing

    async def verify_due(self, time_budget: timedelta, seed: str | None = None) -> VerificationReport:
        """Verify what is due, until nothing is left, the time is over or a dependency is away.

        Much of the work is shared with other instances. With a sample, `seed` decides which files are read. Without a seed
        the present time is taken, so that each run reads other files.
        """
        report, deadline = VerificationReport(), time.monotonic() + time_budget.total_seconds()
        content = sampled(self._rules.sample, seed or str(time.time_ns()))
        try:
            await self._verify_due(content, deadline, report)
        except AwayError as error:
            await self._dependencies.met(error)
            _LOG.warning("verification waits: %s", error)
            report.away = error.dependency
        return report

    async def help(self, message: JobMessage, time_budget: timedelta) -> None:
        """Verify one archive that a run has shared, if it is still due. An archive that cannot be read now is left to a
        later run.
        """
        deadline, report = time.monotonic() + time_budget.total_seconds(), VerificationReport()
        content = sampled(self._rules.sample, str(time.time_ns()))
        try:
            await self._dependencies.wait_for(_NEEDED)
            for job in await self._findings.due_one(self._rules.every, message.job_id):
                await self._try(job, content, deadline, report)
            self._dependencies.worked(_NEEDED)
        except AwayError as error:
            await self._dependencies.met(error)
            _LOG.warning("job %s: its verification waits: %s", message.job_id, error)

    async def give_up(self, message: JobMessage) -> None:
        """Each worker that read the archive was killed. The archive is as due as before, and a run comes to it."""
        _LOG.error("job %s: whoever verified its archive was killed each time", message.job_id)

    async def _verify_due(self, content: Callable[[str], bool], deadline: float, report: VerificationReport) -> None:
        # archives that others have are verified at the end all the same, in case nobody was there to help
        for is_shared in (True, False):
            tried: set[UUID] = set()
            while time.monotonic() < deadline and (jobs := await self._findings.due(self._rules.every, tried, _BATCH)):
                own = jobs[:_OWN] if is_shared else jobs
                tried |= await self._sharing.share(jobs[len(own) :])
                for job in own:
                    if time.monotonic() > deadline:
                        break
                    tried.add(job.job_id)
                    await self._try(job, content, deadline, report)
            if not is_shared or report.unread:
                return

    async def _try(self, job: Job, content: Callable[[str], bool], deadline: float, report: VerificationReport) -> None:
        """Verify one archive. An archive that cannot be read keeps no other from its turn.

        Raises `AwayError` of a dependency that all archives need.
        """
        try:
            await self._verify(job, content, deadline, report)
        except ArchivalError as error:
            if isinstance(error, AwayError) and not await self._dependencies.met(error):
                raise
            report.unread += 1
            _LOG.warning("%s is not verified now: %s", job.lake_path, error)
        except Exception:
            # a defect: the others have their turn all the same
            report.unread += 1
            _LOG.exception("%s is not verified now", job.lake_path)

    async def request(self, *, hypertable: Relation | None = None, job_id: UUID | None = None) -> int:
        """Make archives due at once: those of a hypertable, or that of one job. Returns how many they are."""
        return await self._findings.request(hypertable=hypertable, job_id=job_id)

    async def findings(self, limit: int) -> list[RecordedFinding]:
        """What is wrong now, the worst first: archives that were the only copy."""
        return await self._findings.worst(limit)

    async def _verify(self, job: Job, content: Callable[[str], bool], deadline: float, report: VerificationReport) -> None:
        alone = not report.verified

        def in_time(path: str) -> bool:
            # An archive that takes more than a run is verified as far as the run goes, or none behind it would ever be
            # verified.
            return content(path) and (time.monotonic() < deadline or not alone)

        findings = await self._check(job, in_time)
        if findings is None or not await self._findings.record(job, findings):
            return  # superseded, or removed from there, meanwhile
        report.verified += 1
        if findings:
            assert job.lake_path is not None
            report.damaged[job.lake_path] = findings
            level = logging.ERROR if job.status is Status.REMOVED else logging.WARNING
            _LOG.log(
                level,
                "the archive of %s, which is %s, is damaged: %s",
                job.chunk,
                job.status,
                findings[0],
                extra=telemetry.named("archival.archive.damaged", chunk=str(job.chunk)),
            )
            await self._tell(job, findings)

    async def _tell(self, job: Job, findings: Sequence[Finding]) -> None:
        try:
            await self._announcer.tell_damaged(job, findings)
        except TransientError as error:
            _LOG.warning("nobody is told of it now, so it is verified again: %s", error)
            await self._findings.request(job_id=job.job_id)

    async def _check(self, job: Job, content: Callable[[str], bool]) -> list[Finding] | None:
        """What is wrong with the archive; `None` if a later archive is just superseding it."""
        folder = job.lake_path or paths.archive_folder(job.hypertable, job.chunk, job.revision)
        try:
            findings = await check_archive(self._lake, Manifest.of_ledger(job.manifest, job.job_id), content=content)
        except PermanentError as error:
            findings = [Finding(f"{folder}/{paths.INNER_MANIFEST}", Problem.ALTERED, str(error))]
        if findings and await self._lake.stat(paths.superseded_folder(folder)) is not None:
            return None
        return [_advised(finding, job.status) for finding in findings]


def _advised(finding: Finding, status: Status) -> Finding:
    """The finding of a missing file, with what to do about it."""
    if finding.problem is not Problem.MISSING:
        return finding
    advice = (
        "this was the only copy: bring it back (undelete it, or copy it from the other region or a backup), then verify it"
        if status is Status.REMOVED
        else "the chunk is still in the database: archive it again with force"
    )
    return replace(finding, detail=f"{finding.detail}; {advice}")


def sampled(share: float, seed: str) -> Callable[[str], bool]:
    """Whether a path is among the `share` (0 to 1) that `seed` chooses. The same seed chooses the same paths everywhere."""

    def chosen(path: str) -> bool:
        digest = hashlib.sha256(f"{seed}/{path}".encode()).digest()
        return int.from_bytes(digest[:8]) < share * 2**64

    return chosen
