"""A process that runs one contestant again and again: warm, and measured from inside.

It reads lines from standard input and answers each with a line of JSON. Needs only the standard library, so that it works in
the peers' environment too.
"""

from __future__ import annotations

import gc
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

#: exports the table once, and returns the bytes of Parquet that came of it
Contestant = Callable[[], int]


def serve(contestant: Contestant, before: Callable[[], None] = lambda: None) -> None:
    """Run `contestant` for each line that comes, until there are no more; `before` is not measured."""
    for _ in sys.stdin:
        before()
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak of this run, not of the ones before
        wall, cpu = time.perf_counter(), time.process_time()
        size = contestant()
        figures = {
            "wall_s": time.perf_counter() - wall,
            "cpu_s": time.process_time() - cpu,
            "peak_mb": peak_megabytes(),
            "parquet_mb": size / 1e6,
        }
        print(json.dumps(figures), flush=True)


def peak_megabytes() -> float:
    """Highest resident memory of this process since it was last cleared."""
    match = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1]) * 1024 / 1e6
