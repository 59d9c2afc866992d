"""Where a local stack keeps what it needs, and who may use it."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.servers.processes import ServerError

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class State:
    """The folders of one stack; `name` keeps the demo's from those of `make run`."""

    local: Path
    name: str

    @property
    def servers(self) -> Path:
        """Data of the embedded servers."""
        return self.local / self.name

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.servers / "logs"

    @property
    def lake(self) -> Path:
        """The emulated lake account: its filesystems are the folders in it."""
        return self.local / "lake" / self.name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one; raises `ServerError` when another process is."""
        self.servers.mkdir(parents=True, exist_ok=True)
        with (self.servers / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ServerError(f"another `make {self.name}` uses {self.servers}; stop it first") from None
            yield


@contextmanager
def published(file: Path, addresses: Mapping[str, str | None]) -> Iterator[None]:
    """Have `addresses` in `file` as JSON while the context is open. They hold secrets, so the file is its owner's only."""
    partial = file.with_name(file.name + ".partial")
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(addresses, indent=2) + "\n")
    partial.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
