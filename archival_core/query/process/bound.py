"""A bound on a process's memory that the kernel holds.

DuckDB's own limit does not count a single huge value, nor does it know of what Arrow and the driver hold. `RLIMIT_DATA` counts
every private page that the process may write to. An allocation beyond it fails, and the question with it. (`RLIMIT_AS` counts
mapped libraries and reserved addresses as well: of a process that has done nothing 550 MB, against 180.)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

_MIB: Final = 1024 * 1024
#: For what is on its way to DuckDB, and out of it again: this much at least, or half as much as DuckDB may hold.
_BESIDE_MIB: Final = 256


def bound(memory_mib: int) -> None:
    """From now on this process has room for so much in DuckDB, and for what is read beside it."""
    if sys.platform != "linux":
        return  # DuckDB's own limit alone
    import resource

    limit = used() + (memory_mib + max(_BESIDE_MIB, memory_mib // 2)) * _MIB
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def used() -> int:
    """Bytes that count against the bound."""
    if sys.platform != "linux":
        return 0
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData:"))


def be_the_first_to_go() -> None:
    """Where the machine has no memory left, this process ends, and not the one that archives."""
    if sys.platform == "linux":
        Path("/proc/self/oom_score_adj").write_text("1000")
