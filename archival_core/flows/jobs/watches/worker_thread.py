"""Work that blocks, in a thread that stops when its task is cancelled."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pyarrow as pa

from archival_core.errors import TransientError

#: Not asyncio's own few threads, which look up the names of hosts: while all of these wait, nobody could connect any more.
_THREADS: Final = ThreadPoolExecutor(64, thread_name_prefix="archival")


def _nothing() -> None:
    return None


async def in_thread[T](work: Callable[[threading.Event], T], abort: Callable[[], None] = _nothing) -> T:
    """Run `work` in a thread. When the task is cancelled, the thread is told to stop and waited for, so that nothing of this
    attempt goes on behind the next one's back; `abort` wakes the thread if it waits for something that may take long."""
    stop = threading.Event()
    in_context = contextvars.copy_context().run
    thread = asyncio.get_running_loop().run_in_executor(_THREADS, in_context, work, stop)
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        stop.set()
        abort()
        await asyncio.wait([thread])
        thread.exception()  # looked at, or asyncio reports that nobody did
        raise


def until(stop: threading.Event, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches; raises `TransientError` (`cancelled`) once `stop` is set."""
    for batch in batches:
        if stop.is_set():
            raise TransientError("the work was called off", code="cancelled")
        yield batch
