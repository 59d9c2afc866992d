"""An answer that is good for some seconds, asked for once however many want it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer[T]:
    """What a source said, or that it said nothing."""

    #: `None` if the source did not answer
    value: T | None
    #: how long the question took
    seconds: float


class Cached[T]:
    """One question to one source; never raises, and never takes longer than its deadline."""

    def __init__(self, name: str, ask: Callable[[], Awaitable[T]], *, good_for: float, deadline: float) -> None:
        self._name, self._ask = name, ask
        self._good_for, self._deadline = good_for, deadline
        self._asking = asyncio.Lock()
        self._answer: Answer[T] | None = None
        self._until = 0.0

    async def get(self) -> Answer[T]:
        """The last answer while it is good, or a new one. Why there is none goes to the log."""
        async with self._asking:
            if self._answer is None or time.monotonic() >= self._until:
                self._answer = await self._new()
                self._until = time.monotonic() + self._good_for
            return self._answer

    async def _new(self) -> Answer[T]:
        started, value = time.monotonic(), None
        try:
            async with asyncio.timeout(self._deadline):
                value = await self._ask()
        except Exception as error:
            _LOG.warning("%s does not answer: %s", self._name, error or type(error).__name__)
        return Answer(value, time.monotonic() - started)
