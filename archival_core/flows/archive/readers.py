"""The readers of a chunk's parts: several parts are read at the same time, each over a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from archival_core.model.chunks.part_range import PartRange


async def read_parts(
    readers: int, parts: Iterable[tuple[int, PartRange]], read: Callable[[int, PartRange], Awaitable[None]]
) -> None:
    """Have `readers` readers call `read` with each of `parts`, which are numbers and ranges, in their order.

    A part is drawn from `parts` when a reader is free. An iterator that ends early thereby ends the reading, after the parts
    that were drawn by then. The first error of a reader is raised as it is, when all other readers have been cancelled.
    """
    waiting = iter(parts)

    async def reader() -> None:
        for number, part in waiting:
            await read(number, part)

    await all_or_first_error(reader() for _ in range(readers))


async def all_or_first_error(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all of `work` at the same time. The first error is raised as it is, when everything else has been cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
