"""Who stops the command has everything stopped that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(300)

_PATIENCE_SECONDS = 120


def alive() -> dict[int, int]:
    """Every process and its parent; one that has ended and was not looked at is none."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                found[int(stat.parent.name)] = int(parent)
    return found


def below(process: int, parents: dict[int, int]) -> Iterator[int]:
    for child, parent in parents.items():
        if parent == process:
            yield child
            yield from below(child, parents)


def has_servers(processes: set[int]) -> bool:
    commands = []
    for process in processes:
        with suppress(OSError):
            commands.append(Path(f"/proc/{process}/cmdline").read_bytes())
    return sum(b"pginstall/bin/postgres" in command for command in commands) >= 2


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
@pytest.mark.slow
def test_two_lanes_end_with_whoever_started_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.faults", "--only", "crash", "--runs", "400", "--lanes", "2"]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as main:
        children: set[int] = set()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        try:
            while not has_servers(children) and main.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
                children |= set(below(main.pid, alive()))
            assert has_servers(children), (tmp_path / "log").read_text()
            main.send_signal(signal.SIGTERM)
            while (children & alive().keys() or main.poll() is None) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert main.poll() == 128 + signal.SIGTERM
            assert not children & alive().keys()
        finally:
            for left in children & alive().keys():
                with suppress(ProcessLookupError):
                    os.kill(left, signal.SIGKILL)
            main.kill()
