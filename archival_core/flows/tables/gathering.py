"""The archives of a table, as ledger, marks and log know them: from these the table's content is decided.

An archive is in the table or not because of archives of the same table of PostgreSQL, and of those whose place it takes or that
take its place: they bear on each other, and on nothing else. Once all archives were looked at and nothing was in doubt, it is
therefore enough to look at those that have changed, and at what they bear on. The ledger's triggers note each change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import PermanentError
from archival_core.flows.archive.published import read_inner_manifest
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.tables.lake_tables import HeldTable, TableArchive
from archival_core.model.chunks.chunk import ServerIdentity
from archival_core.model.jobs.job import Status
from archival_core.model.lake.lake_table import Candidate, TableKey
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.state.marks import readings, table_marks
from archival_core.source.state.marks.stand_ins import StandIn, StandInKind


@dataclass(frozen=True, slots=True)
class Gathered:
    """Archives of one table, with all that they bear on."""

    candidates: list[Candidate]
    #: where all archives of the table were looked at: the server, its database and timeline; `None` if something was in doubt,
    #: so that the next look has to be at all of them again
    judged_on: str | None


class Gathering:
    """Asks ledger, source and lake about the archives of one table."""

    def __init__(self, source: Database, lake: LakehouseClient) -> None:
        self._source, self._lake = source, lake

    async def about(self, held: HeldTable, folders: Collection[str]) -> Gathered | None:
        """The archives in `folders`, which have changed, and those that they bear on; `None` where only a look at all archives
        of the table can tell. Raises as the source does.

        What was in doubt when all archives were looked at, or is in doubt now, may hide that an archive bears on another:
        another history of the source, a folder that the ledger does not know, a mark that it has not followed, rows that went
        back.
        """
        if held.judged_on is None:
            return None
        async with self._source.connect() as connection:
            here = await catalog.server_identity(connection)
            if held.judged_on != _judged_on(here):
                return None
            found = await held.candidates_about(folders, here.key)
            if found is None or any(archive.job_id is None for archive in found):
                return None
            jobs = {archive.job_id: archive for archive in found if archive.job_id is not None}
            tables = {archive.table for archive in found if archive.table is not None}
            stand_ins = await table_marks.about(connection, held.known.hypertable, jobs, tables)
            if stand_ins is None or not all(_is_as_recorded(mark, jobs.get(mark.archive)) for mark in stand_ins.values()):
                return None
            read = await self._readings(connection, found, [])
        return Gathered([_of_ledger(archive, read, stand_ins) for archive in found], held.judged_on)

    async def whole(self, held: HeldTable) -> Gathered:
        """Every archive that may be in the table. Raises as the source and the lake do."""
        async with self._source.connect() as connection:
            here = await catalog.server_identity(connection)
            found = await held.candidates(here.key)
            unknown = [await self._unknown(archive) for archive in found if archive.job_id is None]
            jobs = [archive.job_id for archive in found if archive.job_id is not None]
            jobs += [UUID(manifest.job_id) for manifest in unknown if manifest is not None]
            stand_ins = await table_marks.of_table(connection, held.known.hypertable, jobs)
            # a standby may not have the marks yet; without any mark only the ledger can tell
            can_tell = stand_ins is not None and here.timeline is not None
            read = await self._readings(connection, found, unknown) if can_tell else None
        stand_ins = stand_ins or {}
        known = [_of_ledger(archive, read, stand_ins) for archive in found if archive.job_id is not None]
        folders = {candidate.folder for candidate in known}
        others = [_of_log(manifest, read, stand_ins) for manifest in unknown if manifest is not None]
        gone = [_of_mark(mark) for mark in stand_ins.values() if mark.kind.stands_in and mark.lake_path not in folders]
        seen = {candidate.folder for candidate in others}
        # a folder that is no archive leaves the table
        strange = [
            _strange(archive.folder)
            for archive, manifest in zip((a for a in found if a.job_id is None), unknown, strict=True)
            if manifest is None
        ]
        candidates = [*known, *others, *(candidate for candidate in gone if candidate.folder not in seen), *strange]
        return Gathered(candidates, _judged_on(here) if can_tell and not unknown and not gone else None)

    async def _unknown(self, archive: TableArchive) -> Manifest | None:
        """The manifest of a folder that the table has and the ledger does not know; `None` if the folder is none of ours."""
        try:
            return await read_inner_manifest(self._lake, archive.folder)
        except PermanentError:
            return None

    async def _readings(
        self, connection: Connection, found: Iterable[TableArchive], unknown: Sequence[Manifest | None]
    ) -> set[UUID]:
        """The jobs whose readings have their marks in this source."""
        asked = [(archive.job_id, nonce) for archive in found if archive.job_id for nonce in archive.nonces]
        asked += [(UUID(manifest.job_id), manifest.nonce) for manifest in unknown if manifest and manifest.nonce]
        return {job for job, _ in await readings.known_readings(connection, asked)}


def _judged_on(here: ServerIdentity) -> str | None:
    """`None` for a standby, which may not have the marks yet, and for a server that does not tell who it is."""
    return f"{here.key}/{here.timeline}" if here.timeline is not None and here.system_identifier else None


def _is_as_recorded(mark: StandIn, archive: TableArchive | None) -> bool:
    """Whether the ledger has recorded the drop that the mark is of: then the mark names no other table and no other archive."""
    return (
        archive is not None
        and mark.kind.stands_in
        and (mark.lake_path, (mark.oid, mark.born) if mark.born else None) == (archive.folder, archive.table)
    )


def _of_ledger(archive: TableArchive, read: set[UUID] | None, stand_ins: dict[UUID, StandIn]) -> Candidate:
    assert archive.job_id is not None and archive.status is not None
    mark = stand_ins.get(archive.job_id)
    is_asked = read is not None and archive.nonces and archive.is_of_server
    table: TableKey | None = archive.table
    if mark is not None and not mark.kind.stands_in:
        table = (mark.oid, mark.born) if mark.born else None
    return Candidate(
        archive=archive.job_id,
        folder=archive.folder,
        manifest=archive.manifest_sha256,
        status=Status(archive.status),
        table=table,
        revision=archive.revision,
        is_marked=archive.job_id in read if is_asked and read is not None else not archive.history_lost,
        supersedes=frozenset(archive.supersedes),
        is_restored=archive.restored,
        stands_in=mark.manifest if mark is not None and mark.kind.stands_in else None,
        is_forgotten=mark is not None and mark.kind is StandInKind.FORGOTTEN,
        in_table=archive.in_table,
    )


def _of_log(manifest: Manifest, read: set[UUID] | None, stand_ins: dict[UUID, StandIn]) -> Candidate:
    job = UUID(manifest.job_id)
    mark = stand_ins.get(job)
    oid, born = manifest.relation_oid, manifest.relation_born
    if mark is not None and not mark.kind.stands_in:
        oid, born = mark.oid, mark.born
    table: TableKey | None = (oid, born) if oid and born else None
    return Candidate(
        archive=job,
        folder=manifest.lake_path,
        manifest=manifest.sha256(),
        status=None,
        table=table,
        revision=manifest.revision,
        # an archive from before there were marks has none
        is_marked=read is None or manifest.nonce is None or job in read,
        stands_in=mark.manifest if mark is not None and mark.kind.stands_in else None,
        is_forgotten=mark is not None and mark.kind is StandInKind.FORGOTTEN,
        supersedes=frozenset(manifest.supersedes),
        in_table=True,
    )


def _of_mark(mark: StandIn) -> Candidate:
    """An archive that only the source knows. It supersedes others of its table, until the ledger follows."""
    return Candidate(
        archive=mark.archive,
        folder=mark.lake_path,
        manifest=mark.manifest,
        status=None,
        table=(mark.oid, mark.born) if mark.born else None,
        revision=0,
        is_marked=True,
        stands_in=mark.manifest,
        is_forgotten=mark.kind is StandInKind.FORGOTTEN,
    )


def _strange(folder: str) -> Candidate:
    return Candidate(UUID(int=0), folder, None, None, None, 0, is_marked=False, in_table=True)
