"""Entries of a stream go when they are old or too many, and every consumer group is done with them.

Redis trims by length or by id and asks no group. A script on the server therefore looks at all groups and trims in one step:
an entry stays while a group has the entry, or an earlier one, pending, and while a group has not been given a later one.
A stream that no group reads is trimmed by age and length alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from archival_core.clients.redis import lua

#: Entries that one call of the script trims at most, since other clients wait for the call; and calls of one trim.
_STEP: Final = 10_000
_STEPS: Final = 1_000


@dataclass(frozen=True, slots=True)
class TrimRule:
    """Which entries of a stream may go."""

    stream: str
    #: entries below this id are old enough; `None` where nobody can tell yet
    old_below: str | None
    #: the last id of the stream that was known when `old_below` was chosen
    known_last: str | None
    #: entries that stay at most
    keep: int
    #: without this group nothing is trimmed: the stream was not read yet
    needed_group: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A consumer group that keeps entries which were to be trimmed."""

    group: str
    #: its lowest pending id, or the last that it was given
    entry_id: str
    #: the entry is pending and no longer in the stream: somebody else has trimmed or deleted the entry
    is_gone: bool


@dataclass(frozen=True, slots=True)
class TrimmedStream:
    """What a trim did, and what is left."""

    trimmed: int
    length: int
    #: `None` where the stream is empty
    first_id: str | None
    #: the last id that the stream gave out, whatever became of its entry
    last_id: str
    hold: Hold | None


async def trim(redis: Redis, rule: TrimRule) -> TrimmedStream | None:
    """Trim what may go; `None` if there is no such stream. Raises redis-py's errors.

    The entries beyond `rule.keep` go by whole blocks of the stream, so that up to a hundred more may stay.
    """
    arguments = (rule.old_below or "", rule.known_last or "", rule.keep, rule.needed_group or "", _STEP)
    trimmed = 0
    for _ in range(_STEPS):
        answer: Any = redis.eval(lua.script("fields", "trim"), 1, rule.stream, *arguments)
        answered = await answer
        if answered is None:
            return None
        count, length, first, last, group, stands_at, is_gone, holds = answered
        trimmed += count
        if not count:
            break
    hold = Hold(group.decode(errors="replace"), stands_at.decode(), bool(is_gone)) if holds else None
    return TrimmedStream(trimmed, length, first.decode() or None, last.decode(), hold)
