"""Folders below `tables/` are compared with the ledger: every published archive has its row, and its rows are there once.

The rename publishes an archive, and the ledger's row is written after the rename. If a crash came in between and nobody
finished the job, the folder is adopted by its own manifest. The row comes first, and the folder moves after it. So a run
that ends half-way leaves a superseded archive below `tables/`, which the next run finds.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from archival_core import telemetry
from archival_core.clients.postgres.database import Database
from archival_core.errors import AwayError, PermanentError, TransientError
from archival_core.flows.archive.archive_check import check_archive
from archival_core.flows.archive.lake_schema import LakeSchema
from archival_core.flows.archive.published import read_inner_manifest
from archival_core.flows.archive.retiring import Retiring
from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.lake.entries import LakePath
from archival_core.ledger.archives.published import Archives, KnownArchive
from archival_core.ledger.upkeep.rounds import Round, Rounds
from archival_core.model.jobs.job import Status
from archival_core.model.lake.finding import Problem
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.state import history

_LOG = logging.getLogger(__name__)

_DUTY: Final = "adoption"
#: the folders that one run looks at, and the folders that the lake lists at a time
_FOLDERS_A_RUN: Final = 20_000
_PAGE: Final = 5_000
_BATCH: Final = 500
_ADOPTABLE: Final = frozenset({None, Status.QUEUED, Status.FAILED, Status.CANCELLED})


@dataclass(frozen=True, slots=True)
class _RoundCursor:
    """Where the next run goes on: behind a table, or inside a table at `after`, which is the lake's own word for a place."""

    table: str = ""
    after: str | None = None

    @classmethod
    def of(cls, current: Round) -> _RoundCursor:
        place = current.place or {}
        return cls(str(place.get("table", "")), place.get("after"))

    def is_before(self, table: str) -> bool:
        return self.table < table or (self.table == table and self.after is not None)

    def to_json(self) -> dict[str, str | None]:
        return {"table": self.table, "after": self.after}


@dataclass(slots=True)
class AdoptionReport:
    """What was found below `tables/`, in folders."""

    #: archives that the ledger did not know
    adopted: list[str] = field(default_factory=list)
    #: superseded archives that are out of the way now
    retired: list[str] = field(default_factory=list)
    #: folders that are no archives, or cannot be taken for archives, and why; they are left as they are
    strays: dict[str, str] = field(default_factory=dict)
    #: folders that could not be looked at now
    postponed: int = 0


class Adoption:
    """Brings ledger and `tables/` together."""

    def __init__(
        self,
        lake: LakehouseClient,
        archives: Archives,
        rounds: Rounds,
        schema: LakeSchema,
        source: Database,
        retiring: Retiring,
    ) -> None:
        self._lake, self._archives, self._rounds, self._schema = lake, archives, rounds, schema
        self._source, self._retiring = source, retiring

    async def adopt(self, deadline: float) -> AdoptionReport:
        """Look at the next folders, until `deadline` (`time.monotonic`). A run goes on where the last run stopped."""
        report = AdoptionReport()
        await self._lake.ensure_filesystem()
        tables = sorted([table async for table in self._lake.list(paths.TABLES, recursive=False)], key=lambda table: table.path)
        current = await self._rounds.current(_DUTY)
        place = _RoundCursor.of(current)
        left = _FOLDERS_A_RUN
        while (table := next((table for table in tables if place.is_before(table.path)), None)) is not None:
            if left <= 0 or time.monotonic() > deadline:
                break
            entries, place = await self._page(table, place)
            await self._look(entries, report)
            left -= max(1, len(entries))
            await self._rounds.go_on(_DUTY, place.to_json())
        else:
            await self._archives.forget_strays(current.began_at)
            await self._rounds.go_on(_DUTY, None)
        return report

    async def _page(self, table: LakePath, place: _RoundCursor) -> tuple[Sequence[LakePath], _RoundCursor]:
        """Some folders of a table, and where the next ones are."""
        if not table.is_directory:
            return [table], _RoundCursor(table.path)
        after = place.after if place.table == table.path else None
        try:
            page = await self._lake.page(table.path, after, _PAGE)
        except PermanentError:
            if after is None:
                raise
            # the lake has forgotten the place, or another lake has taken its place
            page = await self._lake.page(table.path, None, _PAGE)
        return page.entries, _RoundCursor(table.path, page.next)

    async def _look(self, entries: Sequence[LakePath], report: AdoptionReport) -> None:
        strays = {entry.path: "it is a file where an archive's folder should be" for entry in entries if not entry.is_directory}
        # later revisions first, because an archive that a later one supersedes is not adopted before it
        archives = (entry.path for entry in entries if entry.is_directory and not paths.is_log(entry.path))
        folders = sorted(archives, key=_revision, reverse=True)
        postponed: list[str] = []
        for batch in itertools.batched(folders, _BATCH, strict=False):
            await self._compare(batch, strays, postponed, report)
        report.strays |= strays
        report.postponed += len(postponed)
        await self._archives.record_strays(strays, postponed)

    async def _compare(
        self, folders: Sequence[str], strays: dict[str, str], postponed: list[str], report: AdoptionReport
    ) -> None:
        """One question to the ledger for all folders. Only the folders that are amiss are looked at one by one."""
        known = await self._archives.known(folders)
        overtaken = [folder for folder, archive in known.items() if archive.overtaken]
        superseded = set(await self._archives.supersede(overtaken)) if overtaken else set()
        amiss = [
            folder
            for folder in folders
            if folder not in known or folder in superseded or known[folder].status is Status.SUPERSEDED
        ]
        for folder in amiss:
            try:
                await self._adopt_or_retire(folder, known.get(folder), strays, report)
            except TransientError as error:
                if isinstance(error, AwayError):
                    # raises if the lake is away for all folders; the next run then goes on
                    await self._lake.ensure_filesystem()
                postponed.append(folder)
                _LOG.warning("%s in the lake is looked at later: %s", folder, error)

    async def _adopt_or_retire(
        self, folder: str, known: KnownArchive | None, strays: dict[str, str], report: AdoptionReport
    ) -> None:
        try:
            if known is None:
                await self._take_in(folder, report)
            else:
                report.retired += await self._retiring.retire([folder])
        except PermanentError as error:
            # a folder that a worker or another run has moved away meanwhile is nobody's stray
            if await self._lake.stat(folder) is not None:
                strays[folder] = str(error)
                _LOG.warning("%s in the lake is no archive: %s", folder, error)
                telemetry.event("archival.folder.stray", error_code=error.code, lake_path=folder)

    async def _take_in(self, folder: str, report: AdoptionReport) -> None:
        manifest = await read_inner_manifest(self._lake, folder)
        publisher = await self._archives.publisher(manifest)
        if publisher.status is None:
            await self._check_is_ours(manifest)
        elif not publisher.declared:
            raise PermanentError(
                f"job {manifest.job_id} never said that it would publish this: it is forged, or of a ledger that was put back",
                code="not-declared",
            )
        if publisher.status is Status.RUNNING or publisher.contested:
            return  # whoever works on the chunk finishes it, or leaves it to a later run
        if publisher.status not in _ADOPTABLE:
            if await self._archives.known([folder]):
                return  # a worker or another run has recorded it since this one asked for the whole batch
            raise PermanentError(f"its job {manifest.job_id} is {publisher.status}", code="lake-conflict")
        await self._check(manifest)
        await self._lake.write_once(paths.archive_manifest(folder), manifest.to_json())
        # a ledger that was put back has forgotten columns whose numbers are in use
        await self._schema.learn([manifest])
        status = Status.SUPERSEDED if publisher.overtaken else Status.ARCHIVED
        if publisher.status is None:
            taken = await self._archives.insert(manifest, status, "reconcile", announced=False)
        else:
            taken = await self._archives.adopt(manifest, status)
        if taken is None:
            return  # somebody was faster
        _LOG.warning("%s was published and not recorded: it is %s now", folder, taken)
        report.adopted.append(folder)
        report.retired += await self._retiring.retire([folder, *manifest.supersedes])

    async def _check_is_ours(self, manifest: Manifest) -> None:
        """Check that the source has the mark of the archive's reading: then the ledger was put back since, or its row was
        lost.

        Who can write to the lake can copy a mark's nonce. An archive that is adopted by its mark is therefore compared row
        by row before its chunk goes.
        """
        async with self._source.connect() as connection:
            here = await catalog.server_identity(connection)
            is_marked = await history.stands_on(connection, UUID(manifest.job_id), manifest.grounds)
        then = manifest.source
        if not history.is_same_server(here, manifest):
            raise PermanentError(
                f"it was archived from another database, {then.database!r} of server {then.system_identifier or 'unknown'};"
                " if that is where this one comes from, rebuild_ledger --add takes it in",
                code="other-server",
            )
        if not is_marked:
            raise PermanentError(
                "neither the ledger nor the source knows of it: it is forged, or of a history that was put back; if it is yours"
                ", rebuild_ledger --add takes it in",
                code="not-declared",
            )

    async def _check(self, manifest: Manifest) -> None:
        """Check that the archive is complete. A later verification reads its content."""
        outer = paths.archive_manifest(manifest.lake_path)
        for finding in await check_archive(self._lake, manifest, content=False):
            if (finding.file, finding.problem) != (outer, Problem.MISSING):
                raise PermanentError(f"it is not adopted, because {finding}", code="archive-damaged")


def _revision(folder: str) -> int:
    digits = folder.rpartition("_r")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else -1
