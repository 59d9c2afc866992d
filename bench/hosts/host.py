"""An instance of the app, in a process of its own: one message at a time, as an instance of a function on Flex Consumption has.

It says `ready` when it could begin, begins with a line on standard input, and ends with it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from archival_core import runtime
from archival_core.clients.queue import QueueClient
from archival_core.errors import ArchivalError
from archival_core.model.jobs.message import JobMessage
from archival_core.runtime import Runtime

_HIDDEN_SECONDS = 600.0
_IDLE_SECONDS = 0.05


async def _serve(functions: Mapping[QueueClient, Callable[[JobMessage], Awaitable[None]]]) -> None:
    while True:
        is_idle = True
        for queue, handle in functions.items():
            for message in await queue.take(1, hidden_seconds=_HIDDEN_SECONDS):
                is_idle = False
                with suppress(ArchivalError):
                    await handle(JobMessage.from_text(message.content))
                    await queue.delete(message)
        if is_idle:
            await asyncio.sleep(_IDLE_SECONDS)


async def _main() -> None:
    service: Runtime = runtime.get()
    config = service.settings
    # connections are there, as in an instance that has worked before
    await asyncio.gather(service.ledger.ping(), service.lake.ensure_filesystem(), service.ownership.check())
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)

    async def help_with_parts(message: JobMessage) -> None:
        await service.sharing_parts.help(message, config.job_time_budget)

    async def help_to_verify(message: JobMessage) -> None:
        await service.verification.help(message, config.job_time_budget)

    await _serve(
        {
            service.queue: service.archival_processor.process,
            service._shared[config.part_queue]: help_with_parts,
            service._shared[config.removal_queue]: service.chunk_removal.help,
            service._shared[config.verify_queue]: help_to_verify,
        }
    )


if __name__ == "__main__":
    asyncio.run(_main())
