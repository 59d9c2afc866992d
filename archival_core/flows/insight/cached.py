"""An answer that is good for some seconds. However many callers want it, the question is asked once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_LOG = logging.getLogger(__name__)

#: seconds that a question has to end after it was given up
_ENDING: Final = 0.05
#: seconds after which an old answer helps nobody, however little time they have
_OLDEST: Final = 60.0


@dataclass(frozen=True, slots=True)
class Answer[T]:
    """What a source said, or that it said nothing."""

    #: `None` if the source did not answer
    value: T | None
    #: how long the question took
    seconds: float
    #: why there is no value, for callers with a key; `None` if there is a value
    cause: str | None = None
    #: since when there has been no value
    since: datetime | None = None
    #: the last value there was, and its time; both `None` if there never was one
    last: T | None = None
    as_of: datetime | None = None


class Cached[T]:
    """One question to one source. It never raises, and never takes longer than its deadline."""

    def __init__(
        self, name: str, ask: Callable[[], Awaitable[T]], *, good_for: float, deadline: float, limit: float | None = None
    ) -> None:
        """Who asks waits for `deadline` at most; the question itself may go on until `limit`. All are in seconds."""
        self._name, self._ask = name, ask
        self._good_for, self._deadline, self._limit = good_for, deadline, limit or deadline
        self._asking: asyncio.Task[Answer[T]] | None = None
        self._answer: Answer[T] | None = None
        self._until = 0.0
        self._last: tuple[T, datetime] | None = None
        self._since: datetime | None = None

    async def get(self, within: float | None = None) -> Answer[T]:
        """The last answer while it is good, or a new one. Why there is no answer goes to the log, too.

        A caller who has less patience than the deadline says so by `within`, in seconds. If the last answer is younger than a
        minute, such a caller gets it at once, while a new one is asked for. A question that takes longer goes on, and the next
        caller finds its answer.
        """
        if self._answer is not None and time.monotonic() < self._until:
            return self._answer
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._new())
        # this one: the next who asks may put a new question before this caller goes on
        asking = self._asking
        if within is not None and (recent := self._recent()) is not None:
            return recent
        started = time.monotonic()
        done, _ = await asyncio.wait({asking}, timeout=self._deadline + _ENDING if within is None else within)
        if done:
            return asking.result()
        return self._none(f"no answer within {within or self._deadline:g} s", time.monotonic() - started)

    def _recent(self) -> Answer[T] | None:
        known = self._answer is not None and self._answer.value is not None
        return self._answer if known and time.monotonic() < self._until + _OLDEST else None

    async def _new(self) -> Answer[T]:
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._limit):
                value = await self._ask()
        except Exception as error:
            timed_out = isinstance(error, TimeoutError) and not str(error)
            cause = f"no answer within {self._limit:g} s" if timed_out else str(error) or type(error).__name__
            _LOG.warning("%s does not answer: %s", self._name, cause)
            found = self._none(cause, time.monotonic() - started)
        else:
            now = datetime.now(UTC)
            self._last, self._since = (value, now), None
            found = Answer(value, time.monotonic() - started, last=value, as_of=now)
        self._answer, self._until = found, time.monotonic() + self._good_for
        return found

    def _none(self, cause: str, seconds: float) -> Answer[T]:
        self._since = self._since or datetime.now(UTC)
        last, as_of = self._last or (None, None)
        return Answer(None, seconds, cause, self._since, last, as_of)
