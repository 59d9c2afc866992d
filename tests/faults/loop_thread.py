"""An event loop of its own, for servers that this process runs beside the runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Self


class LoopThread:
    """Runs coroutines in a thread, and keeps async contexts open there."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._open: list[AbstractAsyncContextManager[Any]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            self.run(self._open.pop().__aexit__(None, None, None))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for `work`, done in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def enter[T](self, context: AbstractAsyncContextManager[T]) -> T:
        """Open `context` in the loop; it is closed with this one."""
        entered = self.run(context.__aenter__())
        self._open.append(context)
        return entered
