"""The ledger's part in trimming streams: how old their entries are, and for how long a group has kept them.

An id of a stream need not be a time, since whoever adds an entry may choose the id. The ledger therefore notes now and then
which id was the last one: an entry up to there is older than the note, by the database's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from archival_core.clients.redis.stream_trim import TrimmedStream
from archival_core.ledger.pool import LedgerPool


@dataclass(frozen=True, slots=True)
class KnownStream:
    """What earlier looks have told of a stream."""

    #: entries below this id are older than the age that was asked for
    old_below: str | None = None
    last_id: str | None = None


@dataclass(frozen=True, slots=True)
class LongHold:
    """A group that has kept entries for long."""

    group: str
    entry_id: str
    #: the entry is pending, and no longer in the stream
    is_gone: bool
    since: datetime


class StreamLooks:
    """Tables `archival.stream` and `archival.stream_position`."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def known(self, stream: str, age: timedelta) -> KnownStream:
        """What is known of a stream, which is nothing at the first look."""
        row = await self._pool.one("stream_known", stream=stream, age=age)
        return KnownStream(row["old_below"], row["last_id"]) if row else KnownStream()

    async def note(self, stream: str, found: TrimmedStream | None, age: timedelta, *, anew: bool) -> None:
        """Record how the stream was found just now, `None` if there is no such stream; `anew` says that its ids come again."""
        hold = found.hold if found else None
        await self._pool.one(
            "note_stream",
            stream=stream,
            first_id=found.first_id if found else None,
            last_id=found.last_id if found else None,
            held_by=hold.group if hold else None,
            held_at=hold.entry_id if hold else None,
            held_gone=hold.is_gone if hold else None,
            age=age,
            anew=anew,
        )

    async def long_hold(self, stream: str, patience: timedelta) -> LongHold | None:
        """The group that has kept entries for `patience`, told once a day."""
        row = await self._pool.one("tell_hold", stream=stream, patience=patience)
        return LongHold(row["held_by"], row["held_at"], row["held_gone"], row["held_since"]) if row else None
