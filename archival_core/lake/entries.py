"""What lies in the lake, as lists and looks tell it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class LakePath:
    """A file or directory; `path` is relative to LAKE_URL, `length` is in bytes, `modified` in UTC."""

    path: str
    is_directory: bool
    length: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class LakePage:
    """Some entries of a directory, and where the next ones begin: `None` behind the last."""

    entries: tuple[LakePath, ...]
    next: str | None


def entry_of(found: Any, skip: int) -> LakePath:
    """What the SDK says of a path, relative to a prefix of `skip` letters."""
    return LakePath(found.name[skip:], bool(found.is_directory), int(found.content_length or 0), utc(found.last_modified))


def utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
