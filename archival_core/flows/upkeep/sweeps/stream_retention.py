"""Streams are trimmed of entries that are old or too many, and of nothing that a consumer group still has to read or to
acknowledge.

A group that stands still keeps everything behind its place. Nothing is trimmed past such a group: people are told, and
Redis fills up until somebody reads on or deletes the group.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from archival_core import telemetry
from archival_core.clients.redis.messaging import MessagingClient
from archival_core.clients.redis.stream_trim import TrimmedStream, TrimRule
from archival_core.ledger.insight.stream_looks import KnownStream, LongHold, StreamLooks
from archival_core.model.jobs.bulk import EntryId

_LOG = logging.getLogger(__name__)

#: A group that keeps entries for no longer than this is only slow.
_PATIENCE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class KeptStream:
    """How much of a stream is kept."""

    name: str
    keep_for: timedelta
    #: entries at most, where groups allow that
    keep: int
    #: the group that reads the stream for the service; before there is such a group, nothing was read
    reader: str | None = None


class StreamRetention:
    """Trims each stream within its bounds."""

    def __init__(self, messaging: MessagingClient, looks: StreamLooks, streams: Sequence[KeptStream]) -> None:
        self._messaging, self._looks, self._streams = messaging, looks, streams

    async def trim(self) -> int:
        """Trim the streams; returns how many entries went."""
        return sum([await self._trim(stream) for stream in self._streams])

    async def _trim(self, stream: KeptStream) -> int:
        known = await self._looks.known(stream.name, stream.keep_for)
        rule = TrimRule(stream.name, known.old_below, known.last_id, stream.keep, stream.reader)
        found = await self._messaging.trim(rule)
        await self._looks.note(stream.name, found, stream.keep_for, anew=_is_anew(known, found))
        hold = await self._looks.long_hold(stream.name, _PATIENCE)
        if hold is not None:
            _tell(stream.name, hold)
        return found.trimmed if found else 0


def _is_anew(known: KnownStream, found: TrimmedStream | None) -> bool:
    """Whether the stream's ids come again, because Redis was put back or the stream was deleted."""
    return known.last_id is not None and (found is None or EntryId.parse(found.last_id) < EntryId.parse(known.last_id))


def _tell(stream: str, hold: LongHold) -> None:
    lost = "; the entry was trimmed or deleted by somebody else and is lost to the group" if hold.is_gone else ""
    what = "group %r keeps stream %s from being trimmed since %s: it stands at %s%s"
    _LOG.error(
        what,
        hold.group,
        stream,
        hold.since.isoformat(timespec="seconds"),
        hold.entry_id,
        lost,
        extra=telemetry.named("archival.stream.held", stream=stream, group=hold.group, is_lost=hold.is_gone),
    )
    telemetry.event(
        "archival.stream.held",
        error_code="entry-lost" if hold.is_gone else "stream-held",
        stream=stream,
        group=hold.group,
        entry_id=hold.entry_id,
    )
