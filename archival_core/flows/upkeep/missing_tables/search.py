"""Archived chunks whose table is missing, although the service has not dropped it.

A table that is missing does not mean that its rows are: merging, splitting and renaming leave the rows in other tables. So
the rows themselves are looked for. If none of them is there, somebody has dropped the chunk, a retention policy or a
person, and the rows live in the archive alone. If all of them are there, the archive stands for nothing and is superseded.
If some are there, nothing is decided.

A dump and an upgrade bring the rows to another server, which numbers its tables anew. An archive of the former server stays
until its chunk is archived here. Then both archives have the rows, and the rows tell that the later one stands for them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import ArchivalError, AwayError, PermanentError
from archival_core.flows.archive.retiring import Retiring
from archival_core.flows.upkeep.missing_tables.later_archives import MOST, LaterArchives
from archival_core.flows.upkeep.missing_tables.rows_elsewhere import RowsElsewhere, RowsFound
from archival_core.ledger.archives.marked_archives import ArchivedTable, MarkedArchives
from archival_core.model.chunks.chunk import ChunkRange, Relation, ServerIdentity
from archival_core.model.chunks.grounds import Grounds, TableIdentity
from archival_core.model.jobs.job import Job, Status
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.state import history, tables
from archival_core.source.state.marks import mark_schema, placed, stand_ins
from archival_core.source.state.marks.copies import check_settled
from archival_core.source.state.marks.stand_ins import StandIn, StandInKind
from archival_core.source.state.origin import Origin, origin_of

_LOG = logging.getLogger(__name__)

#: the archives whose table one run asks for, and the archives without a table that one run decides about
_LOOKED_AT: Final = 10_000
_DECIDED: Final = 200


@dataclass(slots=True)
class MissingTablesReport:
    """What was found, in archives."""

    #: their chunk was dropped by others
    removed: int = 0
    #: their rows are in other tables
    reshaped: int = 0
    #: their table is missing, and nobody can tell where their rows are
    undecided: int = 0


class MissingTables:
    """Compares archives that are not removed with the tables of the database."""

    def __init__(
        self,
        source: Database,
        marked: MarkedArchives,
        elsewhere: RowsElsewhere,
        later_archives: LaterArchives,
        retiring: Retiring,
    ) -> None:
        self._source, self._marked, self._retiring = source, marked, retiring
        self._elsewhere, self._later_archives = elsewhere, later_archives

    async def decide(self, deadline: float) -> MissingTablesReport:
        """Decide about archives whose table is missing, until `deadline` (`time.monotonic`).

        Each run begins at a place drawn by chance, so that each archive has its turn.
        """
        report = MissingTablesReport()
        found = await self._marked.tables(uuid4(), _LOOKED_AT)
        if not found:
            return report
        async with self._source.connect() as connection:
            here = await catalog.server_identity(connection)
            if here.timeline is None:
                return report  # a standby may not have the tables yet
            former = {job_id for job_id, table in found.items() if table.server not in (None, here.key)}
            # half of the time at most: what nobody can decide is looked at again and again
            await self._decide_former(connection, former, here, report, (time.monotonic() + deadline) / 2)
            missing = await _missing(connection, {job_id: table for job_id, table in found.items() if job_id not in former})
            gone = await self._marked.archived(missing[:_DECIDED])
            names = {job.job_id: await _names(connection, job) for job, _ in gone}
            unfollowed = await self._unfollowed(connection, set[str]().union(*names.values()))
            for job, forget in gone:
                if time.monotonic() > deadline:
                    break
                manifest = Manifest.model_validate(job.manifest)
                try:
                    await self._decide(connection, job, manifest, forget, not unfollowed.isdisjoint(names[job.job_id]), report)
                except AwayError:
                    raise
                except ArchivalError as error:
                    report.undecided += 1
                    _LOG.warning("job %s: its table is gone, and nothing is decided: %s", job.job_id, error)
        return report

    async def _unfollowed(self, connection: Connection, hypertables: Collection[str]) -> set[str]:
        """Those of `hypertables` of which the source has a mark that the ledger does not follow yet."""
        marked = await stand_ins.standing_in(connection, hypertables)
        recorded = await self._marked.recorded(marked.keys())
        follows = {archive for archive, known in recorded.items() if known.status is Status.REMOVED}
        return {hypertable for archive, hypertable in marked.items() if archive not in follows}

    async def _decide(
        self, connection: Connection, job: Job, manifest: Manifest, forget: bool, unfollowed: bool, report: MissingTablesReport
    ) -> None:
        if await history.any_table_went_by_another(connection, job.job_id, manifest):
            report.reshaped += await self._supersede(job)
            return
        # Guard ADOPTED: who can write to the lake could have made it up, under the nonce of a mark that the source has.
        if job.adopted and job.proof is None:
            raise PermanentError(
                "it was found in the lake, and was never compared with the chunk; if it is yours, restore it into a table of"
                " its own",
                code="not-compared",
            )
        grounds = manifest.grounds_since(job.proof)
        if grounds.nonce is not None and not await history.stands_on(connection, job.job_id, grounds):
            raise PermanentError("it was archived in a history that was put back", code="history-changed")
        own = TableIdentity(oid=manifest.relation_oid, born=manifest.relation_born or "")
        origin = await origin_of(connection, manifest)
        await _check_name(connection, manifest, grounds, origin)
        await check_settled(connection, origin.table, {own, *grounds.tables})
        # Guard GONE: a table that is gone is not rows that are gone.
        rows = await self._elsewhere.look(connection, manifest)
        later = await self._marked.later(job, MOST + 1)
        if rows is RowsFound.ALL_THERE:
            # As long as the tables that have the rows now are not archived, this archive is the only one.
            report.reshaped += await self._supersede(job) if later else 0
        # Guard DROPPED: the rows may be in a later archive of the range too, which is then the one that stands for them. A mark
        # that the ledger does not follow yet may be of such an archive.
        elif (
            rows is RowsFound.NONE_THERE
            and not unfollowed
            and not await self._later_archives.may_hold_rows(connection, manifest, later)
        ):
            report.removed += await self._drop(connection, job, manifest, forget)
        else:
            report.undecided += 1
            _LOG.warning("job %s: the table %s is gone, and its rows may be in other tables or archives", job.job_id, job.chunk)

    async def _decide_former(
        self,
        connection: Connection,
        former: Collection[UUID],
        here: ServerIdentity,
        report: MissingTablesReport,
        deadline: float,
    ) -> None:
        """Supersede archives of former servers whose rows have come here, and are archived here."""
        if not here.system_identifier:
            return
        for job, is_same_chunk in await self._marked.archived_anew(former, _DECIDED) if former else ():
            if time.monotonic() > deadline:
                break
            manifest = Manifest.model_validate(job.manifest)
            try:
                if not is_same_chunk and await _is_there(connection, manifest):
                    continue  # the later archive is of a sibling: chunks of a space dimension share their range
                rows = await self._elsewhere.look(connection, manifest)
            except AwayError:
                raise
            except ArchivalError as error:
                report.undecided += 1
                _LOG.warning("job %s: it was read on a former server, and nothing is decided: %s", job.job_id, error)
                continue
            # A chunk of the same name and range may be another one, into which few of the rows have come again, or none. One
            # that has most of them is the same, and was written to since, as a chunk is that changed on its own server. An
            # archive without rows stands for none.
            if not manifest.rows or rows is RowsFound.ALL_THERE or (rows is RowsFound.MOST_THERE and is_same_chunk):
                report.reshaped += await self._supersede(job)
            else:
                report.undecided += 1
                _LOG.warning(
                    "job %s: it was read on a former server, and %s is archived anew without its rows", job.job_id, job.chunk
                )

    async def _supersede(self, job: Job) -> bool:
        if not await self._marked.supersede(job.job_id, Status.ARCHIVED):
            return False
        await self._retiring.retire([job.lake_path] if job.lake_path else [])
        return True

    async def _drop(self, connection: Connection, job: Job, manifest: Manifest, forget: bool) -> bool:
        """Record that somebody else dropped the chunk: by a mark, and in the ledger."""
        note = PermanentError(f"{job.chunk} is gone: somebody else removed it", code="was-gone")
        stand_in = StandIn(
            archive=job.job_id,
            kind=StandInKind.FORGOTTEN if forget else StandInKind.DROPPED_BY_OTHERS,
            hypertable=str(job.hypertable),
            chunk=str(job.chunk),
            lake_path=manifest.lake_path,
            manifest=job.manifest_sha256 or manifest.sha256(),
            oid=manifest.relation_oid,
            born=manifest.relation_born or "",
        )
        may_mark = await mark_schema.ensure(connection)
        async with self._marked.held(job) as elsewhere:
            async with connection.transaction():
                if may_mark:
                    found = await stand_ins.lock_stand_in(connection, job.job_id)
                    if found is not None and found.kind.stands_in:
                        return False  # the ledger follows the mark
                    await stand_ins.record(connection, stand_in)
                if elsewhere is None:
                    await self._marked.finish_dropped(job, note, connection)
            if elsewhere is not None:
                await self._marked.finish_dropped(job, note, elsewhere)
        _LOG.warning("job %s: %s", job.job_id, note)
        return True


async def _names(connection: Connection, job: Job) -> set[str]:
    """What the hypertable of an archive was called then, and is called now."""
    origin = await origin_of(connection, Manifest.model_validate(job.manifest))
    return {str(job.hypertable), str(origin.table)}


async def _is_there(connection: Connection, manifest: Manifest) -> bool:
    """Whether the archive's chunk is there, as far as its name and its range tell."""
    origin = await origin_of(connection, manifest)
    try:
        chunk = await catalog.find_chunk(connection, origin.table, Relation.parse(manifest.chunk))
    except PermanentError:
        return False
    return chunk.range == ChunkRange(manifest.range_start, manifest.range_end)


async def _check_name(connection: Connection, manifest: Manifest, grounds: Grounds, origin: Origin) -> None:
    """Raise `PermanentError` (`other-server`) where the rows of an archive that was read elsewhere, and compared here, would be
    looked for in another table than its hypertable.

    What the manifest says of the hypertable's identity tells nothing here. What the comparison saw tells it.
    """
    if (grounds.system_identifier, grounds.database) == (manifest.source.system_identifier, manifest.source.database):
        return
    # Guard GONE: rows of a table that was renamed are not gone.
    if grounds.hypertable is None or await tables.name_of(connection, grounds.hypertable) not in (None, origin.table):
        raise PermanentError(
            f"it was read on a former server, and {origin.table} may not be its hypertable any more", code="other-server"
        )


async def _missing(connection: Connection, found: Mapping[UUID, ArchivedTable]) -> list[UUID]:
    """Archives of `found` that no table holds any more."""
    there = await tables.those_there(connection, {(t.oid, t.born) for t in found.values() if not t.restored})
    gone = [job_id for job_id, table in found.items() if not table.restored and (table.oid, table.born) not in there]
    restored = await placed.restored_and_dropped(connection, [job_id for job_id, table in found.items() if table.restored])
    return [*gone, *sorted(restored)]
