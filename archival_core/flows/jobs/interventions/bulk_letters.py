"""Many dead letters are replayed or discarded, by a filter.

One call acts on a bounded number of letters, and each letter is moved in one step. A call that was killed can be made
again: a letter that was moved is not in the dead stream any more, so nothing is done twice. A letter that is replayed and
buried again lies behind the end that the first call has set, so the same pass does not meet it again.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from archival_core.clients.redis.messaging import DeadLetter, MessagingClient
from archival_core.errors import PermanentError
from archival_core.flows.jobs.interventions.dead_letters import kind_of
from archival_core.ledger.jobs.discards import Discards
from archival_core.model.jobs.bulk import BulkLettersCursor, BulkReport, EntryId, LetterFilter, code_of

_LOG = logging.getLogger(__name__)

#: Letters that are looked at in one step.
_STEP: Final = 100
#: Letters whose reasons are counted in one step.
_COUNTED: Final = 1000
#: Seconds after which a call begins no further step, or stops to count.
_SECONDS: Final = 20.0
_NONE: Final = EntryId(0, 0)

#: Reads a number of letters that lie behind an id.
Read = Callable[[str, int], Awaitable[tuple[list[DeadLetter], bool]]]
#: Moves some letters; returns how many it moved, and how many it left alone, by reason.
Step = Callable[[Sequence[DeadLetter]], Awaitable[tuple[int, Counter[str]]]]


class BulkLetters:
    """Replay and discard, of all dead letters that are meant."""

    def __init__(self, messaging: MessagingClient, discards: Discards) -> None:
        self._messaging, self._discards = messaging, discards

    async def preview(self, meant: LetterFilter) -> BulkReport[BulkLettersCursor]:
        """How many letters are meant, by error code. Nothing is changed."""
        codes = await self._count(meant, await self._whole(meant))
        if codes is None:
            return BulkReport(0, left=None)
        return BulkReport(0, left=codes.total(), left_by_code=dict(codes.most_common()))

    async def replay(self, meant: LetterFilter, place: BulkLettersCursor | None, limit: int) -> BulkReport[BulkLettersCursor]:
        """Put events back into the event stream as they came, from `place` on. Queue messages and events that are too large
        are passed over.
        """

        async def step(letters: Sequence[DeadLetter]) -> tuple[int, Counter[str]]:
            events = [letter.entry_id for letter in letters if letter.is_replayable]
            moved = await self._messaging.replay_many(events)
            # somebody else was at the same letters
            others = {"not-replayable": len(letters) - len(events), "unknown-dead-letter": len(events) - moved}
            return moved, Counter(others)

        report = await self._each(meant, place, limit, partial(self._messaging.dead_letters, reasons_alone=True), step)
        _LOG.info("%d dead events are replayed, passed over: %s", report.done, dict(report.passed))
        return report

    async def discard(
        self, meant: LetterFilter, place: BulkLettersCursor | None, limit: int, reason: str, discarded_by: str
    ) -> BulkReport[BulkLettersCursor]:
        """Give letters up, from `place` on: the ledger keeps what they were, and why. Raises `PermanentError` (`no-reason`)."""
        if not reason.strip():
            raise PermanentError("say why they are discarded", code="no-reason")

        async def step(letters: Sequence[DeadLetter]) -> tuple[int, Counter[str]]:
            # The ledger keeps the letters before they are removed. A crash in between leaves them in both, and the next
            # call removes them.
            await self._discards.keep_all(letters, reason.strip(), discarded_by)
            removed = await self._messaging.remove_dead(*(letter.entry_id for letter in letters))
            return removed, Counter({"unknown-dead-letter": len(letters) - removed})

        report = await self._each(meant, place, limit, self._messaging.dead_letters, step)
        _LOG.warning("%d dead letters are discarded by %r: %r", report.done, discarded_by, reason.strip())
        return report

    async def _each(
        self, meant: LetterFilter, place: BulkLettersCursor | None, limit: int, read: Read, step: Step
    ) -> BulkReport[BulkLettersCursor]:
        """Steps until all are done, or `limit`, or the time is over."""
        passed: Counter[str] = Counter()
        if place is None:
            place = await self._whole(meant)
            codes = await self._count(meant, place)
            place = replace(place, left=None if codes is None else codes.total())
            if codes is not None and meant.entry_ids:
                passed["unknown-dead-letter"] += len(meant.entry_ids) - codes.total()
        deadline = time.monotonic() + _SECONDS
        done = met = 0
        while place.after < place.until and met < limit and time.monotonic() < deadline:
            found, _ = await read(str(place.after), min(_STEP, limit - met))
            letters, place = _meant(found, meant, place)
            if letters:
                did, left_alone = await step(letters)
                done, met, passed = done + did, met + len(letters), passed + left_alone
        is_over = place.after >= place.until
        return BulkReport(done, +passed, 0 if is_over else place.left, next=None if is_over else place)

    async def _whole(self, meant: LetterFilter) -> BulkLettersCursor:
        """From the oldest letter that may be meant to the newest that there is now."""
        found = await self._messaging.newest_dead(1)
        newest = EntryId.parse(found[0].entry_id) if found else _NONE
        if meant.entry_ids:
            return BulkLettersCursor(min(newest, max(meant.entry_ids)), min(meant.entry_ids).before(), None)
        return BulkLettersCursor(newest, _NONE, None)

    async def _count(self, meant: LetterFilter, place: BulkLettersCursor) -> Counter[str] | None:
        """The letters of `place` that are meant, by code; `None` if a request has no time to count them."""
        codes: Counter[str] = Counter()
        deadline = time.monotonic() + _SECONDS
        while place.after < place.until:
            if time.monotonic() > deadline:
                return None
            found, _ = await self._messaging.dead_letters(str(place.after), _COUNTED, reasons_alone=True)
            letters, place = _meant(found, meant, place)
            codes.update(code_of(letter.reason) for letter in letters)
        return codes


def _meant(
    found: Sequence[DeadLetter], meant: LetterFilter, place: BulkLettersCursor
) -> tuple[list[DeadLetter], BulkLettersCursor]:
    """Those of the letters read next that are meant, and the place behind all letters that were read."""
    within = [letter for letter in found if EntryId.parse(letter.entry_id) <= place.until]
    letters = [letter for letter in within if meant.takes(letter.entry_id, letter.reason, kind_of(letter))]
    after = EntryId.parse(within[-1].entry_id) if len(within) == len(found) > 0 else place.until
    left = None if place.left is None else max(place.left - len(letters), 0)
    return letters, BulkLettersCursor(place.until, after, left)
