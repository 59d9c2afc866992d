"""How much one question may take."""

from __future__ import annotations

from dataclasses import dataclass


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
