"""Child processes that never outlive their parent."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Self

_PR_SET_PDEATHSIG = 1
#: what keeps this process's ports from being given out by others
_CLAIMS: list[socket.socket] = []


class ServerError(RuntimeError):
    """A server that does not start; the message quotes the end of its log."""


def package_folder(name: str) -> Path:
    """Where a package is installed, without importing it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ServerError(f"the package {name} is not installed; run make setup")
    return Path(spec.origin).parent


def free_port() -> int:
    """A TCP port for a server that starts soon, and may restart; no other process that asks here gets the same one.

    The port lies outside the range from which the system takes the ports of connections, where there is such a place.
    """
    for port in random.sample(_server_ports(), 1000):
        claim = _claimed(port)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        if claim is not None:
            _CLAIMS.append(claim)
            return port
    raise ServerError("no TCP port is free on 127.0.0.1")


def _server_ports() -> range:
    system = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lowest = int(system.read_text().split()[0]) if system.exists() else 32768
    return range(12_000, lowest) if lowest > 16_000 else range(12_000, 60_000)


def _claimed(port: int) -> socket.socket | None:
    """A name of the system's that only one process can have, for as long as it lives; `None` if another one has it."""
    claim = socket.socket(socket.AF_UNIX)
    if sys.platform == "linux":  # elsewhere sockets' names are files, and outlive their process
        try:
            claim.bind(f"\0archival-port-{port}")
        except OSError:
            claim.close()
            return None
    return claim


class Process:
    """One child process, its output in a log file. It is stopped with the context, and killed when this process dies."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        stop_signal: signal.Signals = signal.SIGTERM,
        user: int | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self._command, self._log, self._stop_signal = command, log, stop_signal
        self._user, self._env, self._cwd = user, env, cwd
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Of the running child."""
        assert self._child is not None
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """`None` while it runs."""
        assert self._child is not None
        return self._child.poll()

    def start(self) -> None:
        """Start the child in a session of its own, so that Ctrl-C reaches only the parent, which stops it in order."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as output:
            self._child = subprocess.Popen(
                [str(word) for word in self._command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self._user,
                group=self._user and _group_of(self._user),
                extra_groups=[] if self._user else None,
                env=self._env,
                cwd=self._cwd,
                preexec_fn=_die_with_parent(self._stop_signal),
            )

    def stop(self, grace_seconds: float = 30) -> None:
        """Ask it to stop, then kill it."""
        if self._child is None or self._child.poll() is not None:
            return
        self._child.send_signal(self._stop_signal)
        try:
            self._child.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()

    def kill(self) -> None:
        """End it without a warning."""
        if self._child is not None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float = 90) -> None:
        """Wait for `ready`; raises `ServerError` when the child ends or the time is over."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.exit_code is not None or time.monotonic() > deadline:
                state = "is not ready in time" if self.exit_code is None else f"ended with exit code {self.exit_code}"
                tail = self._log.read_text(errors="replace")[-1500:] if self._log.exists() else ""
                raise ServerError(f"{what} {state}; the end of {self._log}:\n{tail}")
            time.sleep(0.05)


def accepts_connections(port: int) -> bool:
    """Whether something listens on 127.0.0.1:`port`."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _group_of(user: int) -> int:
    import pwd

    return pwd.getpwuid(user).pw_gid


def _die_with_parent(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """Linux only; elsewhere a parent that is killed leaves its children."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, stop_signal)
