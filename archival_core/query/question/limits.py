"""How much one question may take."""

from __future__ import annotations

from dataclasses import dataclass

from archival_core.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one question; what is beyond the rows and the bytes is cut off, and the answer says so."""

    seconds: float = 60.0
    #: of DuckDB, for what it holds at a time
    memory_mib: int = 512
    rows: int = 100_000
    #: of the answer, as Arrow holds it
    bytes: int = 64 * 1024 * 1024
    threads: int = 2


def took_too_long(limits: Limits) -> PermanentError:
    """What to say of a question whose time is over."""
    return PermanentError(
        f"the question took longer than {limits.seconds:g} seconds: ask for a shorter range of time, or fewer columns",
        code="query-time",
    )


def too_large(limits: Limits) -> PermanentError:
    """What to say of a question whose memory is not enough."""
    return PermanentError(
        f"the question needs more than {limits.memory_mib} MiB: group or join fewer rows at a time, sort less, or ask for"
        " smaller values",
        code="query-memory",
    )
