"""Which dependencies are away, as far as this process knows.

Work that meets a dependency that is away reports it here. All other work then waits, and one probe with a growing delay
stands for all of it. A dependency may answer the probe and refuse the work all the same: a lake that throttles does so.
Until some work has come to an end, work is therefore let through one piece at a time, with the same delay.
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

#: Seconds that a probe may take: a dependency that is there answers sooner.
_ANSWER_SECONDS: Final = 5.0
#: The first wait, as a share of the longest time between two probes.
_FIRST: Final = 0.1
#: How often the time between two probes is doubled at most. The longest time is reached before.
_DOUBLED: Final = 10
#: How long work waits that holds a message, as a share of the same time.
_PATIENCE: Final = 2.0

#: What every job needs. Redis is not among these: results are told later while Redis is away.
OF_JOBS: Final = ("source", "ledger", "lake", "queue")

#: One cheap question to one dependency, which raises if the dependency is away.
Probe = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _Trouble:
    """A dependency that was met away."""

    error: AwayError
    #: probes and work in vain, since work last came to an end
    times: int
    #: the time of the next probe, by the monotonic clock
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
        """Wait until none of `names` is known to be away.

        Raises `AwayError` if that takes too long. A dependency that nobody has met away is not asked.
        """
        deadline = time.monotonic() + _PATIENCE * self.backoff
        while (trouble := await self._first_away(names)) is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise trouble.error
            await asyncio.sleep(max(0.0, min(left, trouble.look_at - time.monotonic())))

    async def look_at(self, names: Collection[str]) -> None:
        """Probe each of `names` now, whatever is known. Raises `AwayError` of the first that does not answer."""
        answers = await asyncio.gather(*(self._ask(name) for name in names if name in self._probes))
        for error in answers:
            if error is not None:
                self._note(error)
                raise error

    async def met(self, error: AwayError) -> bool:
        """Take note of `error`. Returns whether the dependency answers a probe all the same."""
        self._note(error)
        return error.dependency in self._probes and await self._ask(error.dependency) is None

    def is_in_trouble(self, name: str) -> bool:
        """Whether `name` was met away, and no work that needs it has come to an end since."""
        return name in self._troubles

    def worked(self, names: Collection[str]) -> None:
        """Take note that work which needs all of `names` has come to an end, so that they are there."""
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
            # set before the probe, so that others wait for the next one meanwhile
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
        # An outage may take days, and two to the power of a thousand probes fits into no number.
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
