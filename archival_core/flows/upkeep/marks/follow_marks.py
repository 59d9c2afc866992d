"""The ledger follows the marks of the source, whatever the ledger says.

A mark and the rows that it speaks of are one transaction of the source. A ledger in another database, or a ledger that was
put back, may know less, and is brought up to the marks here. Where the source was put back, an archive that the ledger has
as removed has no mark.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import ArchivalError, AwayError, PermanentError
from archival_core.flows.archive.lake_schema import LakeSchema
from archival_core.flows.archive.published import find_manifest, inner_manifest_sha256
from archival_core.flows.archive.retiring import Retiring
from archival_core.flows.upkeep.marks.lost_histories import LostHistories
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.archives.marked_archives import MarkedArchives, Recorded, RemovedArchive
from archival_core.ledger.archives.published import Archives
from archival_core.model.jobs.job import Status
from archival_core.source.state import history, tables
from archival_core.source.state.marks import mark_schema, placed, stand_ins
from archival_core.source.state.marks.stand_ins import StandIn, StandInKind

_LOG = logging.getLogger(__name__)

#: the marks, and the removed archives, that one run looks at
_LOOKED_AT: Final = 10_000
_DROPPED_BY: Final = {
    StandInKind.REMOVED: "service",
    StandInKind.DROPPED_BY_OTHERS: "others",
    StandInKind.FORGOTTEN: "others",
}


@dataclass(slots=True)
class MarksReport:
    """What was put right, in archives."""

    #: the ledger did not know that they were removed
    removed: int = 0
    #: the ledger did not know that they were restored
    restored: int = 0
    #: the source was put back to before they were removed
    back: int = 0
    #: the source was put back to before they were read
    lost: int = 0
    #: the source was put back to before the archive that had taken their place was read
    revived: int = 0
    #: marks that were written for removals and restores from before there were marks
    written: int = 0
    #: the manifest of a mark is not in the lake: its rows may be lost
    missing: int = 0
    #: removed archives without a mark and without a table: nobody can tell what became of their rows
    unproven: int = 0
    #: archives about which nothing was decided now
    undecided: int = 0


class FollowMarks:
    """Compares the marks of one source with one ledger."""

    def __init__(
        self,
        source: Database,
        lake: LakehouseClient,
        marked: MarkedArchives,
        archives: Archives,
        schema: LakeSchema,
        retiring: Retiring,
    ) -> None:
        self._source, self._lake, self._marked, self._archives = source, lake, marked, archives
        self._schema, self._retiring = schema, retiring
        self._histories = LostHistories(marked, retiring)

    async def follow(self, deadline: float) -> MarksReport:
        """Bring the ledger up to the marks, until `deadline` (`time.monotonic`).

        Each run begins at a place drawn by chance, so that each mark has its turn.
        """
        report = MarksReport()
        async with self._source.connect() as connection:
            await self._pay(connection, report, deadline)
            await self._follow(connection, report, deadline)
            await self._take_back(connection, report, deadline)
            report.lost = await self._histories.look(connection)
            report.revived = await self._histories.bring_back(connection)
        return report

    async def _follow(self, connection: Connection, report: MarksReport, deadline: float) -> None:
        """Record what the marks say and the ledger does not know."""
        begin = uuid4()
        found = await stand_ins.stand_ins_after(connection, begin, _LOOKED_AT)
        found |= await stand_ins.stand_ins_before(connection, begin, _LOOKED_AT - len(found))
        recorded = await self._marked.recorded(found.keys())
        for archive, stand_in in found.items():
            if time.monotonic() < deadline and not _says_so(recorded.get(archive), stand_in):
                with _alone(archive, report):
                    await self._follow_one(connection, stand_in, recorded.get(archive), report)

    async def _follow_one(self, connection: Connection, stand_in: StandIn, known: Recorded | None, report: MarksReport) -> None:
        archive, sha256 = stand_in.archive, stand_in.manifest
        manifest = await self._marked.known_manifest(archive, sha256)
        manifest = manifest or await find_manifest(self._lake, stand_in.lake_path, sha256)
        if manifest is None:
            report.missing += 1
            what = "archive %s stands in for the rows of %s, and no manifest with its hash is at %s in the lake"
            _LOG.error(what, archive, stand_in.chunk, stand_in.lake_path)
            return
        if known is None:
            # first, and without a row to lock: what the ledger says once is not looked at again
            await self._retiring.bring_back(manifest.lake_path)
            await self._schema.learn([manifest])
            await self._archives.insert(manifest, Status.REMOVED, "reconcile", announced=True, sha256=sha256)
        async with self._marked.following(archive) as ledger:
            # A restore or a removal that was under way holds the row until it has committed. Its mark is another one then.
            if (await stand_ins.stand_ins(connection, [archive])).get(archive) != stand_in:
                return
            await self._retiring.bring_back(manifest.lake_path)
            await self._marked.follow(manifest, sha256, _DROPPED_BY.get(stand_in.kind), ledger)
        if stand_in.kind.stands_in:
            report.removed += 1
        else:
            report.restored += 1
        _LOG.warning("archive %s is %s, as its mark in the source says", archive, stand_in.kind)

    async def _take_back(self, connection: Connection, report: MarksReport, deadline: float) -> None:
        """Take back removals that the ledger has and the source has no mark of."""
        archives = await self._marked.removed(uuid4(), _LOOKED_AT)
        marked = await stand_ins.stand_ins(connection, [archive.job_id for archive in archives])
        unmarked = [archive for archive in archives if archive.job_id not in marked and not archive.mark_owed]
        there = await tables.those_there(connection, {(archive.oid, archive.born) for archive in unmarked})
        for archive in unmarked:
            if time.monotonic() > deadline:
                return
            with _alone(archive.job_id, report):
                await self._take_one_back(connection, archive, (archive.oid, archive.born) in there, report)

    async def _take_one_back(
        self, connection: Connection, archive: RemovedArchive, is_there: bool, report: MarksReport
    ) -> None:
        if is_there:
            if await self._marked.back_to_archived(archive.job_id):
                report.back += 1
                _LOG.warning("archive %s is not removed: the source was put back, and has the chunk", archive.job_id)
        elif await _is_replaced(connection, archive):
            await self._replace(archive)
        elif await history.stands_on(connection, archive.job_id, (await self._marked.manifest(archive.job_id)).grounds):
            # the source was put back to before the removal, and then somebody else dropped the chunk
            report.written += await self._write(connection, archive, StandInKind.DROPPED_BY_OTHERS)
        else:
            report.unproven += 1

    async def _replace(self, archive: RemovedArchive) -> None:
        """Another archive stands in for the rows of its table."""
        if await self._marked.supersede(archive.job_id, Status.REMOVED):
            await self._retiring.retire([archive.lake_path])

    async def _pay(self, connection: Connection, report: MarksReport, deadline: float) -> None:
        """Write marks that are owed: for removals and restores from before there were marks, or whose marks were lost."""
        owed = await self._marked.owed_removals(_LOOKED_AT)
        restored = await self._marked.owed_restores(_LOOKED_AT)
        if not (owed or restored) or not await mark_schema.ensure(connection):
            return
        there = await tables.those_there(connection, {(archive.oid, archive.born) for archive in owed if archive.born})
        for archive in owed:
            if time.monotonic() > deadline:
                return
            if (archive.oid, archive.born) in there:
                # the source was put back to before the removal: no mark is owed, and the archive is taken back
                await self._marked.mark_paid(archive.job_id, archive.manifest_sha256)
                continue
            if await _is_replaced(connection, archive):
                # it was written anew, and its mark has changed hands: a mark of its own would show its rows twice
                with _alone(archive.job_id, report):
                    await self._replace(archive)
                continue
            by_others = archive.dropped_by == "others"
            kind = StandInKind.DROPPED_BY_OTHERS if by_others else StandInKind.REMOVED
            with _alone(archive.job_id, report):
                report.written += await self._write(connection, archive, kind)
        for archive in restored:
            if time.monotonic() > deadline:
                return
            with _alone(archive.job_id, report):
                report.written += await self._write(connection, archive, StandInKind.RESTORED)

    async def _write(self, connection: Connection, archive: RemovedArchive, kind: StandInKind) -> bool:
        """Write the mark, unless the source has one, which the ledger follows then."""
        sha256 = archive.manifest_sha256
        if sha256 is None:
            try:
                sha256 = await inner_manifest_sha256(self._lake, archive.lake_path)
            except PermanentError as error:
                _LOG.error("archive %s has no manifest in the lake, so its mark is not written: %s", archive.job_id, error)
                return False
        table = await placed.first_table(connection, archive.job_id) if kind is StandInKind.RESTORED else None
        stand_in = StandIn(
            archive=archive.job_id,
            kind=kind,
            hypertable=archive.hypertable,
            chunk=archive.chunk,
            lake_path=archive.lake_path,
            manifest=sha256,
            oid=table.oid if table else archive.oid,
            born=table.born if table else archive.born or "",
        )
        is_new = await stand_ins.record_missing(connection, stand_in)
        await self._marked.mark_paid(archive.job_id, sha256)
        return is_new


async def _is_replaced(connection: Connection, archive: RemovedArchive) -> bool:
    chunk = (archive.hypertable, archive.chunk)
    return await stand_ins.took_its_place(connection, archive.job_id, *chunk, archive.oid, archive.born)


@contextmanager
def _alone(archive: UUID, report: MarksReport) -> Iterator[None]:
    """An error about one archive keeps no other archive from its turn. A dependency that is away ends the run."""
    try:
        yield
    except AwayError:
        raise
    except ArchivalError as error:
        report.undecided += 1
        _LOG.warning("archive %s does not follow its mark now: %s", archive, error)


def _says_so(known: Recorded | None, stand_in: StandIn) -> bool:
    """Whether ledger and mark say the same of the archive, on the grounds of the same manifest."""
    if known is None or known.manifest_sha256 not in (None, stand_in.manifest):
        return False
    if stand_in.kind.stands_in:
        return known.status is Status.REMOVED
    # an archive that supersedes a restored archive
    return (known.status is Status.ARCHIVED and known.restored) or known.status is Status.SUPERSEDED
