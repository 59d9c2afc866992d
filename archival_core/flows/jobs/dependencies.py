"""Which dependencies are away, as this process knows it.

Whoever meets a dependency that is away reports the dependency here. All others then wait, instead of trying one after the
other: one look at the dependency, with a back-off, stands for all of them. What answers a look may refuse the work all the same
(a lake that throttles), so until some work has come to an end, work is let through one at a time, with the same back-off.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from archival_core.errors import AwayError

_LOG = logging.getLogger(__name__)

#: A dependency that is there answers sooner.
_ANSWER_SECONDS: Final = 5.0
#: Of the longest time between two looks: how short the first is, and how long somebody waits who has a message in hand.
_FIRST: Final = 0.1
#: How often the time between two looks is doubled at most, which is more often than it takes to the longest.
_DOUBLED: Final = 10
_PATIENCE: Final = 2.0

#: What every job works with. Results are told later while Redis is away.
OF_JOBS: Final = ("source", "ledger", "lake", "queue")

#: One cheap question to one dependency, which raises if the dependency is away.
Probe = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _Trouble:
    """A dependency that was met away."""

    error: AwayError
    #: looks and tries in vain, since work came to an end
    times: int
    #: the next look, by the monotonic clock
    look_at: float


class Dependencies:
    """`source`, `ledger`, `lake`, `queue` and `redis`, each with its probe."""

    def __init__(self, probes: Mapping[str, Probe], backoff: timedelta) -> None:
        """`backoff` is the longest time between two looks at a dependency that is away."""
        self._probes = probes
        #: in seconds
        self.backoff = backoff.total_seconds()
        self._troubles: dict[str, _Trouble] = {}

    async def wait_for(self, names: Collection[str]) -> None:
        """Wait until none of `names` is known to be away. Raises `AwayError` if that takes too long.

        Nothing is asked of dependencies that nobody has met away.
        """
        deadline = time.monotonic() + _PATIENCE * self.backoff
        while (trouble := await self._first_away(names)) is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise trouble.error
            await asyncio.sleep(max(0.0, min(left, trouble.look_at - time.monotonic())))

    async def look_at(self, names: Collection[str]) -> None:
        """Ask each of `names` now, whatever is known. Raises `AwayError` of one that does not answer."""
        answers = await asyncio.gather(*(self._ask(name) for name in names if name in self._probes))
        for error in answers:
            if error is not None:
                self._note(error)
                raise error

    async def met(self, error: AwayError) -> bool:
        """Somebody met `error`. Whether the dependency answers all the same."""
        self._note(error)
        return error.dependency in self._probes and await self._ask(error.dependency) is None

    def is_in_trouble(self, name: str) -> bool:
        """Whether `name` was met away, and no work that needs it has come to an end since."""
        return name in self._troubles

    def worked(self, names: Collection[str]) -> None:
        """Work that needs all of `names` has come to an end, so they are there."""
        for name in names:
            if self._troubles.pop(name, None) is not None:
                _LOG.warning("%s is there again", name)

    async def _first_away(self, names: Collection[str]) -> _Trouble | None:
        for name in names:
            trouble = self._troubles.get(name)
            if trouble is None:
                continue
            if time.monotonic() < trouble.look_at:
                return trouble
            # before the look: others wait for the next one meanwhile
            trouble.look_at = time.monotonic() + self._pause(trouble.times)
            if (error := await self._ask(name)) is not None:
                self._note(error)
                return self._troubles[name]
        return None

    def _note(self, error: AwayError) -> None:
        known = self._troubles.get(error.dependency)
        times = known.times + 1 if known else 1
        self._troubles[error.dependency] = _Trouble(error, times, time.monotonic() + self._pause(times))

    def _pause(self, times: int) -> float:
        # an outage may take days: no number holds what two to the power of a thousand looks is
        return self.backoff * min(_FIRST * 2.0 ** min(times - 1, _DOUBLED), 1.0)

    async def _ask(self, name: str) -> AwayError | None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._probes[name]()
        except AwayError as error:
            # a database may be both the source and the ledger
            return error if error.dependency == name else AwayError(str(error), code=error.code, dependency=name)
        except Exception as error:
            return AwayError(f"{name} does not answer: {type(error).__name__}", code="no-answer", dependency=name)
        return None
