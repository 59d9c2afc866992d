"""Threads of DuckDB's own that call Python.

Python makes a thread's state when such a thread calls, and drops it when the call is over. That maps memory and unmaps it
again, for which all processors are interrupted: of a question that calls a thousand times it is a tenth. So a state is kept
once its thread has called, as by C code that calls Python for long. Python cannot be told when the thread has ended: what is
left of it are 17 KB, and a process that keeps too much of its questions ends by itself.
"""

from __future__ import annotations

import ctypes
import threading


class Callers:
    """Threads that call for the length of one question."""

    def __init__(self) -> None:
        self._kept: set[int] = set()

    def keep(self) -> None:
        """Keep Python's state of the calling thread."""
        thread = threading.get_ident()
        if thread not in self._kept:
            self._kept.add(thread)
            ctypes.pythonapi.PyGILState_Ensure()
