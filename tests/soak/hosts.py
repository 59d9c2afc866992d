"""Two functions hosts, and what happens to them: SIGKILL, SIGSTOP and SIGCONT, whenever it happens."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dev.servers.processes import Process, free_port
from dev.stack.state import ROOT

#: of a message that a killed host had, in seconds; the cloud's ten minutes would be the whole run
_MESSAGE_VISIBILITY = "4"
#: shorter than the longest pause: who wakes up has lost its timers, and does not know yet
_TIMER_LEASE = "4"
_LONGEST_PAUSE_SECONDS = 9.0
#: a host that is killed takes some seconds until it works again
_BETWEEN_SECONDS = 0.3, 5.0


@dataclass(slots=True)
class Host:
    """One host over the app, started again at the same port whenever it was killed."""

    app: Path
    environment: Mapping[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    process: Process | None = None

    @property
    def url(self) -> str:
        """Of the management interface."""
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def ready(self) -> Path:
        """A file that is there once the host has come up for the first time."""
        return self.log.with_suffix(".ready")

    def start(self) -> None:
        """Begin, without waiting until it is ready."""
        options = ["--port", str(self.port), "--no-local-settings", "--message-visibility", _MESSAGE_VISIBILITY]
        options += ["--ready-file", str(self.ready), "--timer-lease", _TIMER_LEASE, "--state", str(self.app.parent / "timers")]
        command = [sys.executable, "-m", "dev.functions_host", str(self.app), *options]
        self.process = Process(command, self.log, env=self.environment, cwd=ROOT)
        self.process.start()

    def signal(self, number: signal.Signals) -> None:
        """To the host, if it runs."""
        if self.process is not None and self.process.exit_code is None:
            os.kill(self.process.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()

    def stop(self) -> None:
        """In good order."""
        if self.process is not None:
            self.signal(signal.SIGCONT)
            self.process.stop()


@dataclass(slots=True)
class Trouble:
    """Happens to the hosts until it is over; then both run."""

    hosts: list[Host]
    rng: random.Random
    met: Counter[str] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """One thing after the other, each to one host; the other one may still be down from before."""
        later: list[tuple[float, Host]] = []
        while not self._over.wait(self.rng.uniform(*_BETWEEN_SECONDS)):
            host = self.rng.choice(self.hosts)
            if self.rng.random() < 0.5:
                self.met["kill"] += 1
                host.kill()
                self._over.wait(self.rng.uniform(0, 1.5))
                host.start()
            else:
                self.met["pause"] += 1
                host.signal(signal.SIGSTOP)
                later.append((time.monotonic() + self.rng.uniform(0.2, _LONGEST_PAUSE_SECONDS), host))
            for moment, paused in list(later):
                if moment < time.monotonic():
                    later.remove((moment, paused))
                    paused.signal(signal.SIGCONT)
        for _, paused in later:
            paused.signal(signal.SIGCONT)

    def end(self) -> None:
        """No more of it."""
        self._over.set()


@contextmanager
def hosts(folder: Path, environment: Mapping[str, str], count: int = 2) -> Iterator[list[Host]]:
    """That many hosts over one copy of the app, whose queue is polled and tried again sooner."""
    app = folder / "app"
    app.mkdir()
    shutil.copy(ROOT / "function_app.py", app)
    config = json.loads((ROOT / "host.json").read_text())
    config["extensions"]["queues"] |= {"maxPollingInterval": "00:00:01", "visibilityTimeout": "00:00:01", "maxDequeueCount": 50}
    (app / "host.json").write_text(json.dumps(config))
    with ExitStack() as stack:
        made = [Host(app, environment, folder / f"host-{number}.log") for number in range(count)]
        for host in made:
            stack.callback(host.stop)
            host.start()
        for host in made:
            assert host.process is not None
            host.process.wait_until(host.ready.exists, "the functions host")
        yield made
