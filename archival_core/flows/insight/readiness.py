"""Whether everything that the service needs answers. All dependencies are asked at the same time, and the answer comes in
time whatever they do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from archival_core.errors import ArchivalError
from archival_core.flows.jobs.dependencies import Probe

_LOG = logging.getLogger(__name__)
_DEADLINE_SECONDS: Final = 2.0
#: seconds between two rounds of questions: anybody may ask, and each round costs writes
_GOOD_FOR: Final = 1.0

#: `write`: a write is tried, as the work does. `look`: nothing is written, so a dependency that refuses writes may answer.
Tries = Literal["write", "look"]


@dataclass(frozen=True, slots=True)
class Away:
    """Why a dependency does not answer. It is shown to callers with a key, and never to anonymous callers."""

    code: str
    cause: str
    #: when this process has seen it first
    since: datetime


class ReadinessCheck:
    """The questions to all dependencies; those named by `writes` are asked for a write."""

    def __init__(self, probes: Mapping[str, Probe], writes: Collection[str]) -> None:
        self._probes = probes
        #: what is tried of each dependency
        self.tries: dict[str, Tries] = {name: "write" if name in writes else "look" for name in probes}
        self._asked: dict[str, asyncio.Task[tuple[str, str] | None]] = {}
        self._since: dict[str, datetime] = {}
        self._good_until = 0.0

    async def check(self) -> dict[str, bool]:
        """Which dependencies answer. Why one does not goes to the log, never to the caller."""
        return {name: away is None for name, away in (await self.states()).items()}

    async def states(self) -> dict[str, Away | None]:
        """Each dependency, and why it does not answer; `None` if it does."""
        now = asyncio.get_running_loop().time()
        if now >= self._good_until:
            self._good_until = now + _GOOD_FOR
            # A question without an answer is not asked again meanwhile, or a silent server would be sent all connections.
            self._asked |= {name: self._ask(name) for name in self._probes if self._is_over(name)}
        # The next caller may put new questions before this caller goes on, and new questions have no answers yet.
        asked = dict(self._asked)
        await asyncio.wait(asked.values(), timeout=_DEADLINE_SECONDS)
        return {name: self._state(name, task) for name, task in asked.items()}

    def _state(self, name: str, task: asyncio.Task[tuple[str, str] | None]) -> Away | None:
        trouble = task.result() if task.done() else ("no-answer", f"no answer within {_DEADLINE_SECONDS:g} s")
        if trouble is None:
            self._since.pop(name, None)
            return None
        code, cause = trouble
        return Away(code, cause, self._since.setdefault(name, datetime.now(UTC)))

    def _is_over(self, name: str) -> bool:
        return name not in self._asked or self._asked[name].done()

    def _ask(self, name: str) -> asyncio.Task[tuple[str, str] | None]:
        return asyncio.get_running_loop().create_task(_trouble(name, self._probes[name]))


async def _trouble(name: str, probe: Probe) -> tuple[str, str] | None:
    """Code and cause of why a dependency does not answer; `None` if it does."""
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            await probe()
    except ArchivalError as error:
        _LOG.warning("%s does not answer: %s", name, error)
        return error.code, str(error)
    except TimeoutError:
        _LOG.warning("%s does not answer: nothing within %g s", name, _DEADLINE_SECONDS)
        return "no-answer", f"no answer within {_DEADLINE_SECONDS:g} s"
    except Exception as error:
        _LOG.warning("%s does not answer: %s", name, error or type(error).__name__)
        return "no-answer", type(error).__name__
    return None
