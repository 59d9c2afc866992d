"""Keeping a worker that lives for days as small as a new one."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any


def give_back() -> None:
    """Return what is free to the system.

    The C library keeps it, for each thread, and what is freed in one is of no use to another: a worker would grow with every
    part. With ARROW_DEFAULT_MEMORY_POOL=system this covers pyarrow's memory too.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    # glibc's; other C libraries have none
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
