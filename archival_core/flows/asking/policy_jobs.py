"""Policies become jobs: every chunk that is due and has none gets one, the oldest first.

This is also what makes up for events that never arrived, a Redis failover that lost the last writes among them: whatever is
due is found in the catalog, and nothing else needs to be known about the lost event. Without a policy for its hypertable a lost
event stays lost, and its chunk stays in the database.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

from archival_core.clients.queue import QueueClient
from archival_core.errors import ArchivalError, AwayError
from archival_core.flows.asking.due_chunks import DueChunks
from archival_core.flows.jobs.dependencies import OF_JOBS, Dependencies
from archival_core.flows.jobs.queues.messages import submit
from archival_core.ledger.asking.intake import Intake
from archival_core.ledger.asking.policies import DuePolicy, Policies
from archival_core.ledger.jobs.adding import NewJob
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.ledger.upkeep.rounds import Rounds
from archival_core.model.chunks.chunk import Chunk
from archival_core.model.chunks.moment import moment
from archival_core.model.jobs.job import Status

_LOG = logging.getLogger(__name__)


_DUTY: Final = "policies"


@dataclass(slots=True)
class PolicyReport:
    """What policies asked for."""

    queued: int = 0
    #: why a policy makes no jobs, by its hypertable
    problems: dict[str, str] = field(default_factory=dict)


class PolicyJobs:
    """Makes jobs, `backlog` of them alive at a time: a queue and a database are not flooded by years of chunks."""

    def __init__(
        self,
        policies: Policies,
        due: DueChunks,
        ledger: Ledger,
        queue: QueueClient,
        intake: Intake,
        dependencies: Dependencies,
        rounds: Rounds,
        backlog: int,
    ) -> None:
        self._policies, self._due, self._ledger, self._queue = policies, due, ledger, queue
        self._intake, self._dependencies, self._rounds, self._backlog = intake, dependencies, rounds, backlog

    async def fill_backlog(self) -> PolicyReport:
        """Fill the backlog up, from all policies together; one that cannot be followed keeps no other from it.

        While the intake is paused nothing is asked for, nor while something is away that jobs need. Raises `AwayError`.
        """
        report = PolicyReport()
        await self._dependencies.look_at(OF_JOBS)
        if (await self._intake.state()).paused or await self._room() == 0:
            return report
        due: list[Chunk] = []
        for policy in await self._policies.all():
            if policy.policy.enabled:
                due += await self._due_of(policy, report)
        # The room is asked for again after the search: another run may have filled the backlog meanwhile. If the other run does
        # so only now, both runs ask for the same jobs, and the same request finds its own row.
        room = await self._room()
        jobs = [_new_job(chunk) for chunk in sorted(due, key=_end)[:room]]
        added = await submit(self._queue, self._ledger, jobs)
        report.queued = sum(job.status is Status.QUEUED for job in added)
        await self._rounds.current(_DUTY)
        await self._rounds.go_on(_DUTY, {"left": len(due) - len(jobs)} if len(due) > len(jobs) else None)
        return report

    async def refill(self) -> PolicyReport:
        """Fill the backlog up once half of it is done, if the last run has left chunks that are due.

        It costs two small questions to the ledger, so that it may be called every few seconds.
        """
        if await self._rounds.place(_DUTY) is None or self._room_at(await self._policies.live_jobs()) < self._backlog / 2:
            return PolicyReport()
        try:
            return await self.fill_backlog()
        except ArchivalError as error:
            # the next run of `reconcile` says so, or finds all well again
            _LOG.warning("policies wait: %s", error)
            return PolicyReport()

    async def _room(self) -> int:
        return self._room_at(await self._policies.live_jobs())

    def _room_at(self, live_jobs: int) -> int:
        return max(0, self._backlog - live_jobs)

    async def _due_of(self, policy: DuePolicy, report: PolicyReport) -> list[Chunk]:
        hypertable, problem, found = policy.policy.hypertable, None, list[Chunk]()
        try:
            # one more than there can be room for tells whether some are left
            found = await self._due.of(hypertable, policy.cutoff, self._backlog + 1)
        except AwayError:
            raise  # says nothing about the policy
        except ArchivalError as error:
            problem = str(error)
            report.problems[str(hypertable)] = problem
            _LOG.warning("the policy of %s makes no jobs: %s", hypertable, problem)
        await self._policies.note(hypertable, problem)
        return found


def _end(chunk: Chunk) -> float:
    end = moment(chunk.range.end)
    return end if isinstance(end, int) else float("-inf")


def _new_job(chunk: Chunk) -> NewJob:
    return NewJob(
        hypertable=chunk.hypertable,
        chunk=chunk.relation,
        remove=None,
        request_key=f"policy/{chunk.hypertable}/{chunk.relation}/{chunk.oid}",
        requested_by="policy",
        traceparent=None,
        # the ledger was asked: an archive that has this name is of another range
        force=True,
    )
