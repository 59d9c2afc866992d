"""Where the rows of archives lie that stand in for rows of the source: the marks name the archives, the ledger locates them.

What the ledger does not know, because it was put back or is not to be reached, is read from the lake itself: a mark has the
manifest's hash, so that nothing else can be taken for the manifest.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from archival_core.errors import ArchivalError, PermanentError
from archival_core.lake.client import LakehouseClient
from archival_core.lake.paths import archive_manifest
from archival_core.ledger.archives.standing import StandingArchives, TableOfArchive
from archival_core.ledger.tables.lake_columns import LakeColumns
from archival_core.model.chunks.chunk import ServerIdentity
from archival_core.model.chunks.moment import DAY, INFINITE_DAYS, INFINITE_MICROSECONDS
from archival_core.model.lake.manifest import Manifest, ManifestColumn
from archival_core.source.state.moment import StandingArchive, TableThen

_LOG = logging.getLogger(__name__)

#: Manifests that are read from the lake at a time.
_AT_A_TIME: Final = 8
_SIGNS: Final = {"infinity": 1, "-infinity": -1}


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """One Parquet file of an archive."""

    #: in the lake
    path: str
    rows: int
    bytes: int
    #: of the time column, in its own unit: days, microseconds, or the integer; `None` where times are text
    min_time: int | None
    max_time: int | None
    #: columns that have values whose text is in `_archival_exact`, in the file's order
    corrected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive, as much of it as a question needs."""

    lake_path: str
    time_column: str
    columns: tuple[ManifestColumn, ...]
    files: tuple[ArchivedFile, ...]
    #: whether its columns have the numbers that they have in the table now
    is_numbered: bool


@dataclass(frozen=True, slots=True)
class Ledgers:
    """The parts of the ledger that questions need."""

    standing: StandingArchives
    columns: LakeColumns


class Archives:
    """Finds archives, and remembers them: a manifest never changes."""

    def __init__(self, ledger: Ledgers | None, lake: LakehouseClient) -> None:
        self._ledger, self._lake = ledger, lake
        self._tables: dict[tuple[UUID, str], TableOfArchive] = {}
        self._archives: dict[tuple[UUID, str], Archive] = {}

    async def of(self, table: TableThen, standing: Sequence[StandingArchive], here: ServerIdentity) -> list[Archive]:
        """Those of `standing` that stand in for rows of `table`, whatever its name was.

        Raises `PermanentError` (`archive-not-found`) for one whose manifest is nowhere, and `TransientError`.
        """
        await self._learn(standing)
        theirs = [mark for mark in standing if self._is_of(mark, table, here)]
        await self._load([mark for mark in theirs if _key(mark) not in self._archives], here)
        return [self._archives[_key(mark)] for mark in theirs]

    async def stored_before(self, table: TableThen, archives: Collection[Archive]) -> dict[int, str]:
        """By attnum: what rows of `archives` have in columns that are younger than they are, as PostgreSQL prints it.

        The source knows as long as it has such rows, and the ledger from the first archive after the change on.
        """
        if not archives or {column.number for column in table.columns} <= _in_all(archives):
            return {}
        found: dict[int, str] = {}
        if self._ledger is not None:
            for column in await self._ledger.columns.columns_of(table.table.relation):
                if column.table == table.identity and column.until is None and column.default is not None:
                    found[column.attnum] = column.default
        return found | {c.number: table.stored_before[c.name] for c in table.columns if c.name in table.stored_before}

    def _is_of(self, mark: StandingArchive, table: TableThen, here: ServerIdentity) -> bool:
        of = self._tables[_key(mark)]
        if of.identity is not None and _is_same_server(of, here):
            # under the same name there may have been another table, whose rows went with it
            return of.identity == table.identity
        return mark.hypertable == str(table.table.relation)

    async def _learn(self, standing: Sequence[StandingArchive]) -> None:
        """Of which tables the archives are."""
        unknown = [mark for mark in standing if _key(mark) not in self._tables]
        if not unknown:
            return
        if self._ledger is not None:
            found = await self._ledger.standing.tables({mark.archive: mark.manifest for mark in unknown})
            self._tables |= {_key(mark): found[mark.archive] for mark in unknown if mark.archive in found}
        for mark, manifest in await self._from_lake(mark for mark in unknown if _key(mark) not in self._tables):
            self._tables[_key(mark)] = TableOfArchive(manifest.hypertable_table, manifest.source)

    async def _load(self, marks: Sequence[StandingArchive], here: ServerIdentity) -> None:
        if not marks:
            return
        manifests: dict[UUID, Manifest] = {}
        if self._ledger is not None:
            manifests = await self._ledger.standing.manifests({mark.archive: mark.manifest for mark in marks})
        missing = await self._from_lake(mark for mark in marks if mark.archive not in manifests)
        manifests |= {mark.archive: manifest for mark, manifest in missing}
        for mark in marks:
            self._archives[_key(mark)] = _archive(mark, manifests[mark.archive], here)

    async def _from_lake(self, marks: Iterable[StandingArchive]) -> list[tuple[StandingArchive, Manifest]]:
        turn = asyncio.Semaphore(_AT_A_TIME)

        async def read(mark: StandingArchive) -> tuple[StandingArchive, Manifest]:
            async with turn:
                return mark, await self._read(mark)

        return list(await asyncio.gather(*map(read, marks)))

    async def _read(self, mark: StandingArchive) -> Manifest:
        path = archive_manifest(mark.lake_path)
        _LOG.info("%s is read, because the ledger does not know the archive", path)
        try:
            content = await self._lake.read_all(path)
        except ArchivalError as error:
            if not isinstance(error, PermanentError):
                raise
            content = b""
        if hashlib.sha256(content).hexdigest() != mark.manifest:
            raise PermanentError(
                f"the archive {mark.lake_path} stands in for rows of {mark.hypertable}, and its manifest is neither in the"
                f" ledger nor at {path}: bring the ledger or the lake back to where it was",
                code="archive-not-found",
            )
        return Manifest.model_validate_json(content)


def _in_all(archives: Collection[Archive]) -> set[int]:
    return set[int].intersection(*({column.number for column in archive.columns} for archive in archives))


def _key(mark: StandingArchive) -> tuple[UUID, str]:
    return mark.archive, mark.manifest


def _is_same_server(of: TableOfArchive, here: ServerIdentity) -> bool:
    then = of.source
    return bool(here.system_identifier) and (then.system_identifier, then.database) == (here.system_identifier, here.database)


def _archive(mark: StandingArchive, manifest: Manifest, here: ServerIdentity) -> Archive:
    unit = DAY if manifest.time_type == "date" else 1
    return Archive(
        lake_path=mark.lake_path,
        time_column=manifest.time_column,
        columns=manifest.columns,
        files=tuple(
            ArchivedFile(
                path=f"{mark.lake_path}/{part.file}",
                rows=part.rows,
                bytes=part.bytes,
                min_time=_number(part.min_time, unit),
                max_time=_number(part.max_time, unit),
                corrected=tuple(column.stored for column in manifest.columns if column.stored in part.exact),
            )
            for part in manifest.parts
        ),
        is_numbered=_is_same_server(TableOfArchive(None, manifest.source), here),
    )


def _number(bound: int | str | None, unit: int) -> int | None:
    if isinstance(bound, str):
        return (INFINITE_DAYS if unit == DAY else INFINITE_MICROSECONDS) * _SIGNS[bound] if bound in _SIGNS else None
    return None if bound is None else bound // unit
