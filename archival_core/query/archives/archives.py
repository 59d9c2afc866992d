"""Where the rows of archives lie that stand in for rows of the source: the marks name the archives, the ledger locates them.

What the ledger does not know, because it was put back or is not to be reached, is read from the lake itself: a mark has the
manifest's hash, so that nothing else can be taken for the manifest. What is nowhere stops questions to its own table alone
(`unexplained`).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pydantic import ValidationError

from archival_core.errors import PermanentError
from archival_core.lake.client import LakehouseClient
from archival_core.lake.paths import INNER_MANIFEST, archive_manifest
from archival_core.ledger.archives.standing import StandingArchives, TableOfArchive
from archival_core.ledger.tables.lake_columns import LakeColumns
from archival_core.model.chunks.chunk import Relation, ServerIdentity
from archival_core.model.chunks.column_names import are_told_apart
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.model.chunks.moment import DAY, INFINITE_DAYS, INFINITE_MICROSECONDS
from archival_core.model.lake.lake_column import LakeColumn
from archival_core.model.lake.manifest import Manifest
from archival_core.query.archives.archive import Archive, ArchivedFile
from archival_core.query.archives.by_name import in_doubt
from archival_core.query.archives.unexplained import Unexplained, refused
from archival_core.query.columns.younger import Known, known
from archival_core.source.catalog.definition.enum_labels import labels_then
from archival_core.source.state.marks.standing import StandingArchive
from archival_core.source.state.snapshot.moment import Moment, TableThen

_LOG = logging.getLogger(__name__)

#: Manifests that are read from the lake at a time.
_AT_A_TIME: Final = 8
_SIGNS: Final = {"infinity": 1, "-infinity": -1}


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

    async def learn(self, then: Moment) -> Unexplained:
        """Of which tables the archives are that stand in for rows; returns those of which nobody knows it.

        Where no table of the question can have archives, none is looked at: such a question needs neither ledger nor lake.
        """
        names = {str(table.table.relation) for table in then.then}
        # a plain table may have the name of one whose archives are left
        if all(table.table.kind == "plain" for table in then.then) and names.isdisjoint(m.hypertable for m in then.standing):
            return Unexplained((), {}, {})
        assert then.server is not None
        lost = await self._learn(then.standing)
        if not lost:
            return Unexplained((), {}, {})
        owners: dict[str, set[TableIdentity]] = {mark.hypertable: set() for mark in lost}
        for mark in then.standing:
            of = self._tables.get(_key(mark))
            if of and of.identity and mark.hypertable in owners and _is_same_server(of, then.server):
                owners[mark.hypertable].add(of.identity)
        if self._ledger is not None:
            for name, known in owners.items():
                columns = await self._ledger.columns.columns_of(Relation.parse(name))
                known.update(column.table for column in columns if column.table is not None)
        return Unexplained(tuple(lost), owners, await then.bearers({*owners, *names}))

    async def owners(self, marks: Sequence[StandingArchive], here: ServerIdentity) -> dict[StandingArchive, TableIdentity]:
        """The tables that archives are of, for those that say so by an identity that holds here."""
        await self._learn(marks)
        known = {mark: self._tables[_key(mark)] for mark in marks if _key(mark) in self._tables}
        return {mark: of.identity for mark, of in known.items() if of.identity is not None and self._is_known(of, here)}

    async def of(self, table: TableThen, then: Moment, unexplained: Unexplained) -> list[Archive]:
        """Those that stand in for rows of `table` in the moment, whatever the table's name was; `learn` was asked before.

        Raises `PermanentError` (`archive-not-found`) where one of `unexplained` may be among them, `PermanentError`
        (`archives-below`) where a table below has archives of its own, and (`archives-in-doubt`) where names alone say what
        belongs to what, and have changed; and `TransientError`.
        """
        assert then.server is not None
        unexplained.check(table)
        lost = {_key(mark) for mark in unexplained.marks}
        known = [mark for mark in then.standing if _key(mark) not in lost]
        for mark in known:
            if self._is_below(mark, table, then.server):
                raise _below(mark, table)
        # the rows of an archive whose copy was made part of the table are live rows
        read = [mark for mark in known if mark.lake_path not in table.copies.whole]
        theirs = [mark for mark in read if self._is_of(mark, table, then.server)]
        nobodys = await self._nobodys(known, then)
        await self._load([mark for mark in (*theirs, *nobodys) if _key(mark) not in self._archives], then.server)
        for mark in theirs:
            archive = self._archives[_key(mark)]
            if not archive.is_numbered and not are_told_apart(archive.names, table.names):
                raise in_doubt(mark, table)
        for mark in nobodys:
            if are_told_apart(self._archives[_key(mark)].names, table.names):
                raise in_doubt(mark, table)
        found = [self._archives[_key(mark)] for mark in theirs]
        if any(archive.labels for archive in found):
            now = await then.labels(table)
            return [archive.relabelled(table.columns, now) for archive in found]
        return found

    async def _nobodys(self, marks: Collection[StandingArchive], then: Moment) -> list[StandingArchive]:
        """One mark for each name by which alone archives are known, and that no table has."""
        assert then.server is not None
        by_name = {mark.hypertable: mark for mark in marks if not self._is_known(self._tables[_key(mark)], then.server)}
        if not by_name:
            return []
        bearers = await then.bearers(by_name)
        return [mark for name, mark in by_name.items() if name not in bearers]

    async def stored_before(self, table: TableThen, then: Moment, archives: Collection[Archive]) -> dict[int, Known | None]:
        """By attnum: what rows of `archives` have in columns that are younger than they are; `None` if that is not certain.

        Columns that all archives have are left out.
        """
        lacking: dict[int, set[str]] = {}
        for archive in archives:
            for column, was in zip(table.columns, archive.found(table.columns), strict=True):
                if was is None:
                    lacking.setdefault(column.number, set()).add(archive.born)
        younger = [column for column in table.columns if column.number in lacking]
        if not younger:
            return {}
        recorded: dict[int, list[LakeColumn]] = {}
        if self._ledger is not None and table.identity is not None:
            for known_column in await self._ledger.columns.columns_of_table(table.identity):
                recorded.setdefault(known_column.attnum, []).append(known_column)
        witnesses = await then.witnesses(table, [column.name for column in younger])
        return {c.number: known(c, witnesses[c.name], recorded.get(c.number, ()), lacking[c.number]) for c in younger}

    def _is_of(self, mark: StandingArchive, table: TableThen, here: ServerIdentity) -> bool:
        of = self._tables[_key(mark)]
        if self._is_known(of, here):
            # under the same name there may have been another table, whose rows went with it
            return of.identity == table.identity
        return mark.hypertable == str(table.table.relation)

    def _is_known(self, of: TableOfArchive, here: ServerIdentity) -> bool:
        """Whether the archive says by an identity that holds here which table it is of."""
        return of.identity is not None and _is_same_server(of, here)

    def _is_below(self, mark: StandingArchive, table: TableThen, here: ServerIdentity) -> bool:
        of = self._tables[_key(mark)]
        if of.identity is not None and self._is_known(of, here):
            return of.identity.oid in table.below.values()
        return mark.hypertable in table.below

    async def _learn(self, standing: Sequence[StandingArchive]) -> list[StandingArchive]:
        """Of which tables the archives are; returns those whose manifests are nowhere."""
        unknown = [mark for mark in standing if _key(mark) not in self._tables]
        if not unknown:
            return []
        if self._ledger is not None:
            found = await self._ledger.standing.tables({mark.archive: mark.manifest for mark in unknown})
            self._tables |= {_key(mark): found[mark.archive] for mark in unknown if mark.archive in found}
        lost = []
        for mark, manifest in await self._from_lake(mark for mark in unknown if _key(mark) not in self._tables):
            if manifest is None:
                lost.append(mark)
            else:
                self._tables[_key(mark)] = TableOfArchive(manifest.hypertable_table, manifest.source)
        return lost

    async def _load(self, marks: Sequence[StandingArchive], here: ServerIdentity) -> None:
        if not marks:
            return
        manifests: dict[UUID, Manifest] = {}
        if self._ledger is not None:
            manifests = await self._ledger.standing.manifests({mark.archive: mark.manifest for mark in marks})
        for mark, manifest in await self._from_lake(mark for mark in marks if mark.archive not in manifests):
            if manifest is None:
                raise refused(mark)
            manifests[mark.archive] = manifest
        for mark in marks:
            self._archives[_key(mark)] = _archive(mark, manifests[mark.archive], here)

    async def _from_lake(self, marks: Iterable[StandingArchive]) -> list[tuple[StandingArchive, Manifest | None]]:
        turn = asyncio.Semaphore(_AT_A_TIME)

        async def read(mark: StandingArchive) -> tuple[StandingArchive, Manifest | None]:
            async with turn:
                return mark, await self._read(mark)

        return list(await asyncio.gather(*map(read, marks)))

    async def _read(self, mark: StandingArchive) -> Manifest | None:
        """The manifest, from either of its places; `None` where it is in neither."""
        _LOG.info("the manifest of %s is read from the lake, because the ledger does not know the archive", mark.lake_path)
        for path in (archive_manifest(mark.lake_path), f"{mark.lake_path}/{INNER_MANIFEST}"):
            content = await self._lake.read_if_there(path)
            if content is None or hashlib.sha256(content).hexdigest() != mark.manifest:
                continue
            try:
                return Manifest.model_validate_json(content)
            except ValidationError:
                _LOG.warning("%s is of a release that this one does not know", path)
                return None
        return None


def _below(mark: StandingArchive, table: TableThen) -> PermanentError:
    return PermanentError(
        f"{table.table.relation} cannot be asked: {mark.hypertable} is one of its partitions now, and has archives of its own,"
        f" such as {mark.lake_path}, whose rows would be missed. Restore them, or detach the partition and ask it by itself",
        code="archives-below",
    )


def _key(mark: StandingArchive) -> tuple[UUID, str]:
    return mark.archive, mark.manifest


def _is_same_server(of: TableOfArchive, here: ServerIdentity) -> bool:
    then = of.source
    return bool(here.system_identifier) and (then.system_identifier, then.database) == (here.system_identifier, here.database)


def _archive(mark: StandingArchive, manifest: Manifest, here: ServerIdentity) -> Archive:
    unit = DAY if manifest.time_type == "date" else 1
    return Archive(
        lake_path=mark.lake_path,
        chunk=manifest.chunk,
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
        born=mark.born,
        labels=labels_then(manifest.ddl),
    )


def _number(bound: int | str | None, unit: int) -> int | None:
    if isinstance(bound, str):
        return (INFINITE_DAYS if unit == DAY else INFINITE_MICROSECONDS) * _SIGNS[bound] if bound in _SIGNS else None
    return None if bound is None else bound // unit
