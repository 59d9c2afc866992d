"""A watch runs beside some work, and may call the work off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from archival_core.errors import ArchivalError

#: Cancels the work. The error is raised in the place of what the work would have returned.
CallOff = Callable[[ArchivalError], None]


@asynccontextmanager
async def watched(watch: Callable[[CallOff], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run `watch` beside the work inside, and end the watch with the work.

    If the watch calls the work off, the watch's error is raised, whatever error the work has met. A cancellation by
    somebody else is raised before both.
    """
    owner = asyncio.current_task()
    assert owner is not None
    reason: ArchivalError | None = None

    def call_off(error: ArchivalError) -> None:
        nonlocal reason
        reason = error
        owner.cancel()

    watching = asyncio.create_task(watch(call_off))
    try:
        yield
    except (asyncio.CancelledError, Exception) as error:
        if reason is None or owner.uncancel() > 0:
            raise
        raise reason from error
    finally:
        watching.cancel()
        await asyncio.wait([watching])
