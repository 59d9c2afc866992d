"""What was given up: events that could not be used, messages that name no job, and jobs that failed. People can try most of
these again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from archival_core.clients.queue import QueueClient
from archival_core.clients.redis.messaging import DeadLetter, MessagingClient
from archival_core.errors import PermanentError
from archival_core.flows.jobs.queues.messages import send_messages
from archival_core.ledger.jobs.discards import Discards
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.jobs.bulk import MOST, LetterFilter, LetterKind
from archival_core.model.jobs.job import RETRYABLE, Job, Kind
from archival_core.model.jobs.message import JobMessage

_LOG = logging.getLogger(__name__)

_ENTRY_ID: Final = re.compile(r"([0-9]{1,20})-([0-9]{1,20})")


class DeadLetters:
    """The dead stream, and failed jobs."""

    def __init__(
        self, messaging: MessagingClient, discards: Discards, ledger: Ledger, queues: Mapping[Kind, QueueClient]
    ) -> None:
        self._messaging, self._discards, self._ledger, self._queues = messaging, discards, ledger, queues

    async def page(
        self, limit: int, after: str = "", wanted: LetterFilter | None = None
    ) -> tuple[list[DeadLetter], str | None]:
        """The oldest entries with ids after `after`, and the id behind which the next page begins; `None` at the end.

        A page ends after `limit` entries or after a number of bytes, and shows only those of its entries that are `wanted`.
        Of an entry that is too large for an event, a page has the beginning.
        """
        found, more = await self._messaging.dead_letters(_checked(after) if after else "", limit + 1)
        letters = found[:limit]
        following = letters[-1].entry_id if letters and (more or len(found) > limit) else None
        if wanted is not None:
            letters = [letter for letter in letters if wanted.takes(letter.entry_id, letter.reason, kind_of(letter))]
        return letters, following

    async def replay(self, entry_id: str) -> None:
        """Put an event back into the event stream, as it came.

        The event counts as another event then, and may be buried again. A crash half-way leaves the event in both streams,
        which does no harm. Raises `PermanentError`: `unknown-dead-letter`; `not-replayable` for a queue message.
        """
        letter = await self._find(entry_id)
        if not letter.is_replayable:
            raise PermanentError(f"{entry_id} {_hopeless(letter)}: it can only be discarded", code="not-replayable")
        await self._messaging.replay(letter)
        _LOG.info("dead event %s is replayed", entry_id)

    async def discard(self, entry_id: str, reason: str, discarded_by: str) -> None:
        """Give an entry up. The ledger keeps the entry and the reason; of a large entry it keeps the beginning and the
        size.

        Raises `PermanentError`: `unknown-dead-letter`, `no-reason`.
        """
        if not reason.strip():
            raise PermanentError("say why it is discarded", code="no-reason")
        letter = await self._find(entry_id)
        await self._discards.keep_all([letter], reason.strip(), discarded_by)
        await self._messaging.remove_dead(entry_id)
        _LOG.warning("dead letter %s is discarded by %r: %r", entry_id, discarded_by, reason.strip())

    async def discarded(self) -> int:
        """How many entries were given up, ever."""
        return await self._discards.count()

    async def retry(self, job_id: UUID) -> Job:
        """Queue a failed or cancelled job again, and send its message.

        Raises `PermanentError`: `unknown-job`; `not-retryable`; `chunk-has-a-live-job`, because that job does what a retry
        would do.
        """
        job = await self._discards.retry(job_id)
        if job is None:
            raise await self._refusal(job_id)
        await send_messages(self._queues[job.kind], self._ledger, [JobMessage(job.job_id, job.traceparent)])
        return job

    async def _refusal(self, job_id: UUID) -> PermanentError:
        found = await self._ledger.find(job_id)
        if found is None:
            return PermanentError(f"there is no job {job_id}", code="unknown-job")
        job = found[0]
        if job.status not in RETRYABLE:
            return PermanentError(f"job {job_id} is {job.status}; failed and cancelled ones are retried", code="not-retryable")
        return PermanentError(
            f"{job.chunk} has a live job already, so job {job_id} is not queued beside it", code="chunk-has-a-live-job"
        )

    async def _find(self, entry_id: str) -> DeadLetter:
        letter = await self._messaging.dead_letter(_checked(entry_id))
        if letter is None:
            raise PermanentError(f"there is no dead letter {entry_id}", code="unknown-dead-letter")
        return letter


def kind_of(letter: DeadLetter) -> LetterKind:
    """Whether a dead letter was an event or a queue message."""
    return LetterKind.EVENT if letter.is_event else LetterKind.MESSAGE


def _hopeless(letter: DeadLetter) -> str:
    if letter.is_event:
        return f"has {letter.size} bytes, is larger than an event may be and would be refused again"
    return "is no event but a message that names no job, or nothing is left of it"


def _checked(entry_id: str) -> str:
    match = _ENTRY_ID.fullmatch(entry_id)
    if match is None or not all(int(part) < MOST for part in match.groups()):
        raise PermanentError(
            f"{entry_id[:60]!r} is not the id of a dead letter, such as 1700000000000-0", code="unknown-dead-letter"
        )
    return entry_id
