"""What is done to many at a time: which are meant, and what one call did about them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from archival_core.model.jobs.job_record import JobFilter, JobPosition

#: Both numbers of an entry's id are unsigned integers of 64 bits.
MOST: Final = 2**64 - 1
#: A reason begins with the code of its error.
_CODE: Final = re.compile(r"([a-z][a-z0-9-]*):", re.ASCII)


@dataclass(frozen=True, slots=True)
class BulkJobs:
    """Which jobs are meant: those of a filter, and of these only `job_ids` where some are given."""

    wanted: JobFilter
    job_ids: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class BulkJobsCursor:
    """Where the next call goes on: oldest requests first. What came after the first call began is not meant."""

    as_of: datetime
    #: `None` before the first
    after: JobPosition | None = None


class EntryId(NamedTuple):
    """The id of an entry of a stream; ids compare as the entries follow each other."""

    milliseconds: int
    number: int

    @classmethod
    def parse(cls, text: str) -> EntryId:
        """Of `1700000000000-0`; raises `ValueError`."""
        milliseconds, number = text.split("-")
        return cls(int(milliseconds), int(number))

    def before(self) -> EntryId:
        """The last id below this one."""
        return EntryId(self.milliseconds, self.number - 1) if self.number else EntryId(max(self.milliseconds, 1) - 1, MOST)

    def __str__(self) -> str:
        return f"{self.milliseconds}-{self.number}"


@dataclass(frozen=True, slots=True)
class BulkLettersCursor:
    """Where the next call goes on: oldest entries first, up to the one that was the newest when the first call began."""

    until: EntryId
    after: EntryId
    #: letters that are meant and were not looked at yet, as they were counted by the first call; `None` if that is not known
    left: int | None


class LetterKind(StrEnum):
    """What a dead letter was."""

    EVENT = "event"
    #: of a queue, which names no job
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which dead letters; empty means any."""

    codes: frozenset[str] = frozenset()
    #: a part of the reason, in any case
    text: str | None = None
    kind: LetterKind | None = None
    #: buried at or after, and before
    since: datetime | None = None
    until: datetime | None = None
    entry_ids: frozenset[EntryId] = frozenset()

    def takes(self, entry_id: str, reason: str, kind: LetterKind) -> bool:
        """Whether a letter is meant."""
        entry = EntryId.parse(entry_id)
        return (
            (not self.codes or code_of(reason) in self.codes)
            and (self.text is None or self.text.casefold() in reason.casefold())
            and (self.kind is None or self.kind is kind)
            and (self.since is None or entry.milliseconds >= _milliseconds(self.since))
            and (self.until is None or entry.milliseconds < _milliseconds(self.until))
            and (not self.entry_ids or entry in self.entry_ids)
        )


@dataclass(frozen=True, slots=True)
class BulkReport[P]:
    """What one call did."""

    done: int
    #: met and left as they are, by the code that says why
    passed: Mapping[str, int] = field(default_factory=dict)
    #: meant and not looked at yet; `None` if there are too many to count within a request
    left: int | None = 0
    #: `left` by the code of what went wrong, where the codes were counted
    left_by_code: Mapping[str, int] = field(default_factory=dict)
    #: where the next call goes on; `None` at the end
    next: P | None = None
    #: of jobs: those that the call did
    job_ids: tuple[UUID, ...] = ()


def code_of(reason: str) -> str:
    """The code that a reason begins with; empty if there is none."""
    match = _CODE.match(reason)
    return match[1] if match else ""


def _milliseconds(moment: datetime) -> float:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000
