"""What the namespace holds, as values."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime


class TreeError(Exception):
    """A call that the namespace refuses, in the service's own code and status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or directory as it is now."""

    path: str
    is_directory: bool
    length: int
    modified_ns: int

    @property
    def etag(self) -> str:
        """Quoted. It is the modification time, which is never given twice; so it outlives a restart."""
        return f'"0x{self.modified_ns:X}"'

    @property
    def modified(self) -> datetime:
        """When it was last changed, UTC."""
        return datetime.fromtimestamp(self.modified_ns / 1e9, UTC)


@dataclass(slots=True)
class Properties:
    """What a client has said about a path; forgotten at a restart."""

    metadata: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def describe(path: str, status: os.stat_result) -> Entry:
    """The entry that the operating system's answer describes."""
    is_directory = stat.S_ISDIR(status.st_mode)
    return Entry(path, is_directory, 0 if is_directory else status.st_size, status.st_mtime_ns)
