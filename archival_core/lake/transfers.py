"""How often a transfer to or from the lake is tried again, and by whom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from azure.core.exceptions import AzureError

from archival_core.lake.errors import is_damaged, lake_errors

#: Short retries: the queue has the long ones, and the SDK's own default waits 15 seconds and more each time.
RETRIES: Final[dict[str, Any]] = {
    "retry_total": 4,
    "retry_connect": 4,
    "retry_read": 4,
    "retry_status": 4,
    "initial_backoff": 0.5,
    "increment_base": 1.6,
    "random_jitter_range": 0.4,
    "connection_timeout": 10,
    "read_timeout": 60,
}
PARALLEL_RANGES: Final = 4
_TRANSFERS: Final = 3


async def until_intact[T](action: str, path: str, transfer: Callable[[], Awaitable[T]]) -> T:
    """Repeat a transfer that was damaged on its way: the SDK repeats what is lost, not what fails its checksum."""
    with lake_errors(action, path):
        for _ in range(_TRANSFERS - 1):
            try:
                return await transfer()
            except AzureError as error:
                if not is_damaged(error):
                    raise
        return await transfer()
