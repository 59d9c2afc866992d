"""A worker whose clock is wrong.

Covered: `time.time`, `time.time_ns`, and `datetime.now/utcnow/today`, for the service, the Azure SDK and redis. Not covered:
the clock that C code asks by itself (libpq, OpenSSL) and the monotonic clock, which no setting of a clock moves.
"""

from __future__ import annotations

import datetime as datetimes
import sys
import time
from typing import Any

_REAL = datetimes.datetime
_SHIFTED_PACKAGES = ("archival_core", "azure", "redis", "aiohttp")


class _Meta(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _REAL)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, _REAL)


def shift(seconds: float) -> None:
    """Put this process's clock ahead, or behind."""
    real_time, real_time_ns = time.time, time.time_ns
    offset = datetimes.timedelta(seconds=seconds)

    class Shifted(_REAL, metaclass=_Meta):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return _REAL.now(tz) + offset

        @classmethod
        def utcnow(cls) -> Any:
            return _REAL.now(datetimes.UTC).replace(tzinfo=None) + offset

        @classmethod
        def today(cls) -> Any:
            return _REAL.now() + offset

    time.time = lambda: real_time() + seconds
    time.time_ns = lambda: real_time_ns() + int(seconds * 1e9)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _SHIFTED_PACKAGES:
            for attribute, value in list(vars(module).items()):
                if value is _REAL:
                    setattr(module, attribute, Shifted)
                elif value is real_time:
                    setattr(module, attribute, time.time)
    datetimes.datetime = Shifted  # type: ignore[misc]
