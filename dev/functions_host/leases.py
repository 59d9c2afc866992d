"""What hosts share about a timer: who may fire it, and when it fired. A folder stands in for the blobs of their storage."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4


class TimerLease:
    """A lease on one timer, for `seconds` at a time.

    It does not fence: who was paused beyond its end believes in it until the next renewal.
    """

    def __init__(self, folder: Path, function: str, seconds: float) -> None:
        self._file, self._status = folder / f"{function}.lease", folder / f"{function}.status"
        self._lock = folder / "lock"
        self.seconds = seconds
        self._holder = str(uuid4())
        folder.mkdir(parents=True, exist_ok=True)

    def take(self) -> bool:
        """Take or renew it; false while another host has it."""
        with self._locked():
            found = _read(self._file)
            now = time.time()
            if found.get("holder") != self._holder and found.get("until", 0) > now:
                return False
            _write(self._file, {"holder": self._holder, "until": now + self.seconds})
            return True

    def release(self) -> None:
        """Give it back, if it is this host's."""
        with self._locked():
            if _read(self._file).get("holder") == self._holder:
                self._file.unlink()

    @property
    def next_tick(self) -> datetime | None:
        """When the timer was to fire next, as the last run has noted; `None` where there is no note."""
        noted = _read(self._status).get("Next")
        return datetime.fromisoformat(noted) if noted else None

    def note(self, last: datetime, following: datetime) -> None:
        """A run has ended."""
        _write(self._status, {"Last": last.isoformat(), "Next": following.isoformat(), "LastUpdated": last.isoformat()})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(file: Path, document: dict[str, Any]) -> None:
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(json.dumps(document))
    partial.replace(file)
