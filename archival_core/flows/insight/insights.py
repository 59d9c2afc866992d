"""One place from which metrics, pages and the management API read, so that they never show different numbers.

Everything comes from the ledger, the queues and the stream, and nothing from the memory of one instance, because function
instances are many and short-lived. Answers are kept for some seconds, so that many readers cost as much as one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from archival_core.clients.queue import QueueClient
from archival_core.clients.redis.messaging import DeadLetter, MessagingClient
from archival_core.flows.insight.cached import Answer, Cached
from archival_core.flows.insight.overdue import OverdueChunks
from archival_core.flows.insight.readiness import Away, ReadinessCheck
from archival_core.flows.insight.snapshots import Snapshots, SnapshotState
from archival_core.ledger.asking.intake import Intake
from archival_core.ledger.insight.insights import InsightReader
from archival_core.model.asking.intake import IntakeState
from archival_core.model.insight.insight import (
    Day,
    Failure,
    FailureGroup,
    LedgerState,
    OpenFailures,
    Overdue,
    Pace,
    QueueState,
    RefusalGroup,
    RunningJob,
    StreamState,
)

#: Rows of a list that a person still reads.
_LISTED: Final = 50
#: In seconds: how long an answer is good for, and how long it may take.
_GOOD_FOR: Final = 4.0
_DEADLINE: Final = 2.0
#: The catalog of the source is asked once for each policy, and so less often.
_OVERDUE_GOOD_FOR: Final = 60.0
_OVERDUE_LIMIT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue, and the one that takes its poisoned messages."""

    messages: QueueClient
    poisoned: QueueClient

    async def state(self) -> QueueState:
        """Depths and the age of the head; raises `TransientError`."""
        messages, poisoned, oldest = await asyncio.gather(self.messages.count(), self.poisoned.count(), self.messages.oldest())
        return QueueState(messages, poisoned, oldest)


@dataclass(frozen=True, slots=True)
class Measurements:
    """The numbers of each source now. A source that is away takes no other source's numbers with it."""

    ledger: Answer[LedgerState]
    #: by the kind of job they are for
    queues: Answer[dict[str, QueueState]]
    stream: Answer[StreamState]
    #: why each dependency does not answer; `None` for one that does
    dependencies: Answer[dict[str, Away | None]]
    #: by hypertable that has a policy
    overdue: Answer[dict[str, Overdue | None]]
    snapshots: Answer[SnapshotState]
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class Lists:
    """What there is to look at, the first of each."""

    running: tuple[RunningJob, ...]
    failures: tuple[Failure, ...]
    #: every failure and every refusal, however many
    failure_groups: tuple[FailureGroup, ...]
    refusal_groups: tuple[RefusalGroup, ...]
    pace: Pace


class Insights:
    """Questions and their answers of the last seconds."""

    def __init__(
        self,
        reader: InsightReader,
        intake: Intake,
        messaging: MessagingClient,
        queues: Mapping[str, Queue],
        overdue: OverdueChunks,
        snapshots: Snapshots,
        readiness: ReadinessCheck,
    ) -> None:
        self._reader, self._messaging, self._queues = reader, messaging, queues
        self._ledger = _quick("the ledger", reader.state)
        self._queue_states = _quick("the queues", self._read_queues)
        self._stream = _quick("the event stream", messaging.state)
        self._dependencies = Cached("readiness", readiness.states, good_for=0.0, deadline=_DEADLINE, limit=10.0)
        self._overdue = Cached("overdue", overdue.oldest, good_for=_OVERDUE_GOOD_FOR, deadline=_DEADLINE, limit=_OVERDUE_LIMIT)
        self._snapshots = _quick("the source's activity", snapshots.state)
        self._intake = _quick("the intake", intake.state)
        self._month = _quick("this month", self._read_month)
        self._failed = _quick("failures", self._read_open_failures)
        self._lists = _quick("the ledger's lists", self._read_lists)
        self._dead = _quick("the dead stream", lambda: messaging.newest_dead(_LISTED))

    async def measure(self, within: float | None = None) -> Measurements:
        """Every number, all sources asked at once; `within` is the caller's patience with the catalog, in seconds."""
        ledger, queues, stream, dependencies, overdue, snapshots = await asyncio.gather(
            self._ledger.get(),
            self._queue_states.get(),
            self._stream.get(),
            self._dependencies.get(),
            self._overdue.get(within),
            self._snapshots.get(),
        )
        return Measurements(ledger, queues, stream, dependencies, overdue, snapshots, datetime.now(UTC))

    async def lists(self) -> Answer[Lists]:
        """Jobs at work, and failures that nobody has made up for."""
        return await self._lists.get()

    async def dead_letters(self) -> Answer[list[DeadLetter]]:
        """The newest entries of the dead stream, newest first."""
        return await self._dead.get()

    async def intake(self) -> Answer[IntakeState]:
        """Whether events and policies become jobs, and who decided that."""
        return await self._intake.get()

    async def freed_this_month(self) -> Answer[dict[str, int]]:
        """By hypertable: bytes that left the database since the first of the month in UTC and were not brought back.

        Hypertables that are left out have none.
        """
        return await self._month.get()

    async def open_failures(self) -> Answer[dict[str, OpenFailures]]:
        """By hypertable: its failures that wait for somebody. Those left out have none."""
        return await self._failed.get()

    async def timeline(self, days: int, hypertable: str | None = None) -> list[Day]:
        """The last `days` days in UTC, today included, oldest first and without gaps. Raises as the ledger does."""
        today = datetime.now(UTC).date()
        first = today - timedelta(days=days - 1)
        found = {day.day: day for day in await self._reader.timeline(first, hypertable)}
        every = (first + timedelta(days=number) for number in range(days))
        return [found.get(day, Day(day)) for day in every]

    async def _read_month(self) -> dict[str, int]:
        return await self._reader.freed_since(datetime.now(UTC).date().replace(day=1))

    async def _read_open_failures(self) -> dict[str, OpenFailures]:
        return {found.newest.hypertable: found for found in await self._reader.open_failures()}

    async def _read_queues(self) -> dict[str, QueueState]:
        states = await asyncio.gather(*(queue.state() for queue in self._queues.values()))
        return dict(zip(self._queues, states, strict=True))

    async def _read_lists(self) -> Lists:
        running, failures, failed, refused, pace = await asyncio.gather(
            self._reader.running(_LISTED),
            self._reader.failures(_LISTED),
            self._reader.failure_groups(),
            self._reader.refusal_groups(),
            self._reader.pace(),
        )
        return Lists(tuple(running), tuple(failures), tuple(failed), tuple(refused), pace)


def _quick[T](name: str, ask: Callable[[], Awaitable[T]]) -> Cached[T]:
    return Cached(name, ask, good_for=_GOOD_FOR, deadline=_DEADLINE)
