"""Which archives are of before the lake's tables had a schema, what is done about each, and the jobs that do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import batched
from typing import Final
from uuid import uuid4

from archival_core.clients.postgres.database import Database
from archival_core.clients.queue import QueueClient
from archival_core.flows.jobs.ownership import Ownership
from archival_core.flows.jobs.queues.messages import send_for_queued, submit
from archival_core.ledger.archives.rewrites import OutdatedArchive, Rewrites
from archival_core.ledger.jobs.adding import AddedJob, NewJob
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.job import Status
from archival_core.source.state import tables
from archival_core.source.state.marks import stand_ins
from archival_core.source.state.marks.stand_ins import StandIn

#: jobs that are recorded in one transaction
_BATCH: Final = 500


class Way(StrEnum):
    """What is done about an archive of before."""

    #: its chunk is gone: its files are read, and written anew
    REWRITE = "rewrite"
    #: its chunk is in the database, and is archived anew
    ARCHIVE = "archive"
    #: a job of its chunk waits or runs
    UNDER_WAY = "under way"
    #: nothing now
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Planned:
    """An archive of before, and what is done about it."""

    archive: OutdatedArchive
    way: Way
    #: why nothing is done now
    reason: str | None = None


class Migration:
    """Asks for new archives in place of those of before."""

    def __init__(self, source: Database, ownership: Ownership, ledger: Ledger, rewrites: Rewrites, queue: QueueClient) -> None:
        self._source, self._ownership = source, ownership
        self._ledger, self._rewrites, self._queue = ledger, rewrites, queue

    async def plan(self, hypertable: Relation | None) -> list[Planned]:
        """What `ask` would do, for one hypertable or all. Nothing is recorded."""
        found = await self._rewrites.outdated(str(hypertable) if hypertable else None)
        async with self._source.connect() as connection:
            marks = await stand_ins.stand_ins(connection, [one.archive for one in found if one.status is Status.REMOVED])
            archived = {(one.oid, one.born) for one in found if one.status is Status.ARCHIVED and one.oid}
            there = await tables.those_there(connection, archived)
        return [_planned(one, marks.get(one.archive), is_there=(one.oid, one.born) in there) for one in found]

    async def ask(self, hypertable: Relation | None, requested_by: str, traceparent: str | None = None) -> list[Planned]:
        """Record a job for each archive that can be migrated now, and send its message.

        Whoever asks twice gets no job twice, since a chunk has one live job. Raises `PermanentError` (`other-owner`).
        """
        await self._ownership.check()
        planned, key = await self.plan(hypertable), f"migrate/{uuid4()}"
        rewritten = [one.archive for one in planned if one.way is Way.REWRITE]
        for some in batched(rewritten, _BATCH, strict=False):
            added = await self._rewrites.add([one.archive for one in some], key, requested_by, traceparent)
            await send_for_queued(self._queue, self._ledger, added)
        archived = [one.archive for one in planned if one.way is Way.ARCHIVE]
        for some in batched(archived, _BATCH, strict=False):
            await self._archive_anew(some, key, requested_by, traceparent)
        return planned

    async def _archive_anew(
        self, archives: Sequence[OutdatedArchive], key: str, requested_by: str, traceparent: str | None
    ) -> list[AddedJob]:
        jobs = [
            NewJob(
                hypertable=Relation.parse(one.hypertable),
                chunk=Relation.parse(one.chunk),
                remove=one.remove,
                request_key=f"{key}/{one.archive}",
                requested_by=requested_by,
                traceparent=traceparent or one.traceparent,
                force=True,
            )
            for one in archives
        ]
        return await submit(self._queue, self._ledger, jobs)


def why_not(archive: OutdatedArchive, mark: StandIn | None) -> str | None:
    """Why an archive whose chunk is gone cannot be written anew now; `mark` is what the source says of it."""
    if archive.mark_owed:
        return "the source has no mark of its removal yet, which reconcile writes"
    if mark is None or not mark.kind.stands_in or mark.manifest != archive.manifest_sha256:
        return "the source's mark does not name it; reconcile brings the ledger up to the marks"
    if not archive.oid:
        # if a crash came before the ledger followed the mark, nobody could tell that both archives have the same rows
        return "nobody knows any more which table its rows were in; restore it and archive its chunk anew"
    if (mark.oid, mark.born) != (archive.oid, archive.born or ""):
        # reconcile could not tell, after a crash, that the archive was written anew
        return "its rows were in another table when they went; restore it and archive its chunk anew"
    return None


def _planned(archive: OutdatedArchive, mark: StandIn | None, *, is_there: bool) -> Planned:
    if archive.in_hand:
        return Planned(archive, Way.UNDER_WAY)
    if archive.status is Status.REMOVED:
        reason = why_not(archive, mark)
        return Planned(archive, Way.NONE if reason else Way.REWRITE, reason)
    if archive.restored:
        return Planned(archive, Way.NONE, "its rows are back in the database: archive the chunk that has them")
    if not is_there:
        return Planned(archive, Way.NONE, "its chunk is gone, and reconcile has not found out yet what became of it")
    return Planned(archive, Way.ARCHIVE)
