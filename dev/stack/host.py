"""The function app's host as a child process that is started again when it dies."""

from __future__ import annotations

import os
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from dev.package import trial
from dev.servers.processes import Process, ServerError, free_port
from dev.stack.state import ROOT

#: A killed host's messages come back after this, instead of the cloud's ten minutes.
_MESSAGE_VISIBILITY_SECONDS = 15
#: And its timers after this, instead of a minute.
_TIMER_LEASE_SECONDS = 3
_MOST_DEATHS_IN_A_ROW = 5
_HEALTHY_AFTER_SECONDS = 20


class HostProcess:
    """`python -m dev.functions_host` over this checkout, or with `core_tools` Microsoft's `func start`; always on one port.

    With `package`, the folder of an unpacked package, a Python that has nothing else runs the app in it.
    """

    def __init__(
        self, environment: Mapping[str, str], log: Path, *, core_tools: bool = False, package: Path | None = None
    ) -> None:
        self._environment = dict(environment)
        self._core_tools = core_tools
        self._python, self._app = sys.executable, ROOT
        if package is not None:
            self._python, self._app = trial.bare_python(), package
            self._environment = trial.environment(package, environment, tools=log.with_name("tools"))
        #: everything that the host and the functions log
        self.log = log
        self._ready = log.with_name("host.ready")
        self._port = free_port()
        self._process: Process | None = None
        self._started = 0.0
        self._deaths = 0

    @property
    def url(self) -> str:
        """Of the host; functions are below `/api`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Return when every function is indexed and listening; raises `ServerError` with the host's own words otherwise."""
        if self._core_tools:
            self._start_core_tools()
            return
        self._ready.unlink(missing_ok=True)
        options = ["--port", str(self._port), "--ready-file", str(self._ready), "--no-local-settings"]
        sooner = ["--message-visibility", str(_MESSAGE_VISIBILITY_SECONDS), "--timer-lease", str(_TIMER_LEASE_SECONDS)]
        command = [self._python, "-m", "dev.functions_host", str(self._app), *options, *sooner]
        self._process = Process(command, self.log, env=self._environment, cwd=ROOT)
        self._started = time.monotonic()
        self._process.start()
        self._process.wait_until(self._ready.exists, "the functions host")

    def _start_core_tools(self) -> None:
        # `func` looks for its worker's Python in the active virtual environment
        path = f"{sys.prefix}/bin{os.pathsep}{self._environment.get('PATH', '')}"
        environment = {**self._environment, "FUNCTIONS_WORKER_RUNTIME": "python", "VIRTUAL_ENV": sys.prefix, "PATH": path}
        self._process = Process(["func", "start", "--python", "--port", str(self._port)], self.log, env=environment, cwd=ROOT)
        self._started = time.monotonic()
        self._process.start()
        # the first start downloads the extension bundle
        self._process.wait_until(lambda: _answers(f"{self.url}/api/health/live"), "func start", 180)

    def keep_up(self) -> bool:
        """Start the host again if it has died, and say whether it had. Raises `ServerError` when it keeps dying."""
        assert self._process is not None
        if self._process.exit_code is None:
            return False
        healthy = time.monotonic() - self._started > _HEALTHY_AFTER_SECONDS
        self._deaths = 1 if healthy else self._deaths + 1
        if self._deaths > _MOST_DEATHS_IN_A_ROW:
            raise ServerError(f"the functions host keeps dying; see {self.log}")
        time.sleep(0.5 * self._deaths)
        self.start()
        return True

    def stop(self) -> None:
        """Ask it to stop and wait; what it was working on comes again."""
        if self._process is not None:
            self._process.stop()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  our own http://127.0.0.1
            return bool(answer.status == 200)
    except OSError:
        return False
