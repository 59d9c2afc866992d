"""Published archives are read again and compared with their manifests, those verified longest ago first.

What is found is recorded, and told as `archival.archive.damaged` on the result stream. Damage to the archive of a chunk that is
still in the database keeps that from being removed; of a removed one it is the worst that can happen, and logged as an error.
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

from pydantic import ValidationError

from archival_core import telemetry
from archival_core.errors import ArchivalError, AwayError, PermanentError, TransientError
from archival_core.flows.archive.archive_check import check_archive
from archival_core.flows.jobs.announcer import Announcer
from archival_core.flows.jobs.dependencies import Dependencies
from archival_core.flows.jobs.sharing import Sharing
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
#: Of a batch, what the timer does by itself before it looks again; the rest is shared.
_OWN: Final = 5


#: What a verification works with.
_NEEDED: Final = ("ledger", "lake")


@dataclass(frozen=True, slots=True)
class VerificationRules:
    """How often, and how much."""

    #: an archive that was verified is left alone for so long
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
        """Verify what is due until nothing is left, the time is over or something is away. Much is shared with other instances.

        With a sample, `seed` decides which files are read, and is the present time if not given: each run reads others.
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
        """Verify one archive that a run has shared, if it is still due; what cannot be read is left to a later run."""
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
        """Whoever was at the archive was killed each time: it is as due as it was, and a run comes to it."""
        _LOG.error("job %s: whoever verified its archive was killed each time", message.job_id)

    async def _verify_due(self, content: Callable[[str], bool], deadline: float, report: VerificationReport) -> None:
        # what others have is done at the end all the same, if nobody was there to help
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
        """Verify one archive; one that cannot be read keeps no other from its turn. Raises `AwayError` of what all need."""
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
            # an archive that takes a whole run is verified as far as that goes, or none after it would ever be
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
        """`None` if a later archive is just taking its place."""
        folder = job.lake_path or paths.archive_folder(job.hypertable, job.chunk, job.revision)
        try:
            findings = await check_archive(self._lake, Manifest.model_validate(job.manifest), content=content)
        except (ValidationError, PermanentError) as error:
            what = "the ledger's copy is no manifest" if isinstance(error, ValidationError) else str(error)
            findings = [Finding(f"{folder}/{paths.INNER_MANIFEST}", Problem.ALTERED, what)]
        if findings and await self._lake.stat(paths.superseded_folder(folder)) is not None:
            return None
        return [_advised(finding, job.status) for finding in findings]


def _advised(finding: Finding, status: Status) -> Finding:
    """The finding of a file that is missing, with what to do about that."""
    if finding.problem is not Problem.MISSING:
        return finding
    advice = (
        "this was the only copy: bring it back (undelete it, or copy it from the other region or a backup), then verify it"
        if status is Status.REMOVED
        else "the chunk is still in the database: archive it again with force"
    )
    return replace(finding, detail=f"{finding.detail}; {advice}")


def sampled(share: float, seed: str) -> Callable[[str], bool]:
    """Whether a path is among the `share` (0 to 1) that `seed` chooses; the same for the same seed, everywhere."""

    def chosen(path: str) -> bool:
        digest = hashlib.sha256(f"{seed}/{path}".encode()).digest()
        return int.from_bytes(digest[:8]) < share * 2**64

    return chosen
