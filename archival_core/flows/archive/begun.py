"""Work that is begun early, and waited for where its result is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def begun[Result](work: Coroutine[Any, Any, Result]) -> AsyncIterator[asyncio.Task[Result]]:
    """`work`, which goes on beside what is inside, and is over afterwards: whoever has not waited for it wants it no more."""
    task = asyncio.create_task(work)
    # an error that nobody waited for is no forgotten one
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
