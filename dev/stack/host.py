"""The function app's host as a child process that is started again when it dies."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from dev.servers.processes import Process, ServerError, free_port
from dev.stack.state import ROOT

#: A killed host's messages come back after this, instead of the cloud's ten minutes.
_MESSAGE_VISIBILITY_SECONDS = 15
_MOST_DEATHS_IN_A_ROW = 5
_HEALTHY_AFTER_SECONDS = 20


class HostProcess:
    """`python -m dev.functions_host` over this checkout, always on the same port."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._environment = dict(environment)
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
        self._ready.unlink(missing_ok=True)
        options = ["--port", str(self._port), "--ready-file", str(self._ready), "--no-local-settings"]
        visibility = ["--message-visibility", str(_MESSAGE_VISIBILITY_SECONDS)]
        command = [sys.executable, "-m", "dev.functions_host", str(ROOT), *options, *visibility]
        self._process = Process(command, self.log, env=self._environment, cwd=ROOT)
        self._started = time.monotonic()
        self._process.start()
        self._process.wait_until(self._ready.exists, "the functions host")

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
