"""Is everything there that the service needs? Each dependency is asked in parallel, within a deadline."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

_LOG = logging.getLogger(__name__)
_DEADLINE_SECONDS = 2.0

Probe = Callable[[], Awaitable[None]]


async def check(probes: Mapping[str, Probe]) -> dict[str, bool]:
    """Which dependencies answer. Why one does not goes to the log, never to the caller."""

    async def ask(name: str, probe: Probe) -> bool:
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                await probe()
        except Exception as error:
            _LOG.warning("%s does not answer: %s", name, error)
            return False
        return True

    answers = await asyncio.gather(*(ask(name, probe) for name, probe in probes.items()))
    return dict(zip(probes, answers, strict=True))
