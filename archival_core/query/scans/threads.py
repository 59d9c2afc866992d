"""Threads that stay for later questions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final


class Threads:
    """Runs each piece of work in a thread of its own, in one that is free where there is one.

    The driver reads the server's types once in each thread, over a connection of its own: a new thread for each table of each
    question would cost a quarter of a small question.
    """

    def __init__(self) -> None:
        self._free: Final[list[SimpleQueue[Callable[[], None]]]] = []

    def start(self, work: Callable[[], None]) -> None:
        """Begin `work`, which raises nothing."""
        try:
            inbox = self._free.pop()
        except IndexError:
            inbox = SimpleQueue()
            threading.Thread(target=self._serve, args=(inbox,), name="live rows", daemon=True).start()
        inbox.put(work)

    def _serve(self, inbox: SimpleQueue[Callable[[], None]]) -> None:
        while True:
            inbox.get()()
            self._free.append(inbox)
