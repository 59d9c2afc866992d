"""What becomes of a job whose run has failed: pure decisions.

A job is to blame for what it does itself, and for nothing else: for as long as a dependency is away, or others hold a lock, the
job waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from archival_core.errors import LostConnectionError, PostponedError, TransientError

#: Failures of a job's own, and kills of its worker, after which the job is given up.
OWN_FAILURES: Final = 5
#: Connections that broke in the middle of a job's work. Outages do that, and hardly ever so often to one job; a chunk that
#: brings its server down does it each time.
LOST_CONNECTIONS: Final = 20
#: What the ledger counts beside codes of errors.
LOST: Final = "lost-connection"
INTERRUPTED: Final = "interrupted"
#: Of the back-off: how much longer a job waits at last than at first.
_LONGEST: Final = 60


def counted_as(error: TransientError) -> str | None:
    """What `error` counts as against its job; `None` if it says nothing about the job."""
    if isinstance(error, LostConnectionError):
        return LOST
    return None if isinstance(error, PostponedError) else error.code


def is_hopeless(failures: Mapping[str, int]) -> bool:
    """Whether a job is given up that has failed so often, by what each failure counts as."""
    own = sum(count for kind, count in failures.items() if kind not in (LOST, INTERRUPTED))
    return own >= OWN_FAILURES or failures.get(LOST, 0) >= LOST_CONNECTIONS


def delay(first: float, times: int) -> float:
    """Seconds that a job waits when it is postponed for the time `times` in a row, `first` seconds the first time."""
    # of a job that waits for weeks no number would hold the power
    return first * min(2.0 ** min(max(times - 1, 0), _LONGEST), _LONGEST)
