"""The ledger's part in the lake's tables: what it knows of each log, and which archives are in which table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import ValidationError

from archival_core.clients.postgres.prose import Prose
from archival_core.ledger.pool import LedgerPool, Row, execute
from archival_core.ledger.sql import queries
from archival_core.ledger.tables.lake_columns import read_lake_column
from archival_core.model.lake.delta_log import TableColumn
from archival_core.model.lake.lake_column import LakeColumn
from archival_core.model.lake.lake_table import TableKey
from archival_core.model.lake.lake_table_state import LakeTableState
from archival_core.model.lake.manifest import ManifestColumn, ManifestPart, invalid_in_ledger

#: To follow what so many archives bear on takes longer than to look at all archives of their table: each leads to all others.
_MANY: Final = 250


@dataclass(frozen=True, slots=True)
class KnownLog:
    """A table's log as of the last commit that the ledger knows."""

    hypertable: str
    log_id: UUID
    sequence: int
    #: `None` while there is no log
    version: int | None
    checkpoint: int | None
    columns: tuple[TableColumn, ...]
    #: the time of the ledger
    now: datetime


@dataclass(frozen=True, slots=True)
class TableArchive:
    """An archive of the hypertable, or a folder that is in its table."""

    folder: str
    #: `None`, like all that follows, for a folder that the ledger does not know as a published archive
    job_id: UUID | None
    status: str | None
    manifest_sha256: str | None
    table: TableKey | None
    revision: int
    nonces: tuple[str, ...]
    history_lost: bool
    restored: bool
    #: it was read from the server that was asked about
    is_of_server: bool
    in_table: bool
    #: folders whose place it takes
    supersedes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Addition:
    """What a commit needs of an archive that enters."""

    folder: str
    columns: tuple[ManifestColumn, ...]
    parts: tuple[ManifestPart, ...]
    time_column: str
    rows: int
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class Entered:
    """An archive in a table."""

    folder: str
    #: names in the folder
    files: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class TableStanding:
    """Where an archive stands with the table in the lake."""

    in_table: bool
    #: why it cannot be
    left_out: str | None
    #: of the table's log; `None` while there is none
    version: int | None
    #: why no engine can read the log
    damage: str | None = None


@dataclass(frozen=True, slots=True)
class Retirable:
    """A superseded archive whose folder may move."""

    folder: str
    hypertable: str
    #: of its table's log, which has to be the newest for that; `None` while there is no log
    version: int | None


class HeldTable:
    """A table's row while it is locked: one process at a time commits to the table."""

    def __init__(self, connection: Any, known: KnownLog, judged_on: str | None) -> None:
        self._connection = connection
        self.known = known
        #: the server on which all archives of the table were looked at last, and nothing was in doubt
        self.judged_on = judged_on

    async def _all(self, query: str, **parameters: Any) -> list[Row]:
        cursor = await self._connection.execute(queries()[query], {"hypertable": self.known.hypertable, **parameters})
        rows: list[Row] = await cursor.fetchall()
        return rows

    async def lake_columns(self) -> list[LakeColumn]:
        """Every column that the table was given, by its number; none before there was a decision."""
        return [read_lake_column(row) for row in await self._all("lake_columns")]

    async def candidates(self, server: str) -> list[TableArchive]:
        """Every published archive of the hypertable, and every folder in its table; `server` as in `job.read_from`."""
        return [_table_archive(row) for row in await self._all("table_candidates", server=server)]

    async def candidates_about(self, folders: Collection[str], server: str) -> list[TableArchive] | None:
        """Those of `candidates` that are in `folders`, and those that these bear on; `None` if they are many."""
        rows = await self._all("table_candidates_about", folders=list(folders), server=server, most=_MANY)
        if len(rows) == _MANY:
            return None
        return [_table_archive(row) for row in rows if row["job_id"] is not None or row["in_table"]]

    async def additions(self, folders: Collection[str]) -> list[Addition]:
        """What the ledger knows of those of `folders` that are published archives.

        Raises `PermanentError` (`invalid-manifest`).
        """
        return [_addition(row) for row in await self._all("table_additions", folders=list(folders))]

    async def take_due(self) -> frozenset[str] | None:
        """The archives that have changed until now, which the commit that follows looks at: none where another has looked
        at them. `None` where it has to look at all archives of the table."""
        folders = {row["folder"] for row in await self._all("take_due")}
        return frozenset(folders) if None not in folders else None

    async def judged(self, server: str | None) -> None:
        """All archives of the table were looked at on this server; `None` if something was in doubt."""
        if server != self.judged_on:
            await self._all("record_judged", server=server)
            self.judged_on = server

    async def enter(self, archives: Collection[Entered]) -> None:
        """Archives that are in the table from now on."""
        if archives:
            entered = [{"folder": a.folder, "files": list(a.files), "rows": a.rows} for a in archives]
            await self._all("enter_table", entered=Jsonb(entered))

    async def leave(self, folders: Collection[str]) -> None:
        """Folders that are not in the table any more."""
        await self._all("leave_table", folders=list(folders))

    async def leave_all_but(self, folders: Collection[str]) -> None:
        """Nothing but these folders is in the table."""
        await self._all("clear_table", but=list(folders))

    async def files(self, folders: Collection[str]) -> dict[str, tuple[str, ...]]:
        """The names of the files that the table has of each of these folders."""
        rows = await self._all("files_in_table", folders=list(folders)) if folders else []
        return {row["folder"]: tuple(row["files"]) for row in rows}

    async def published(self, folders: Collection[str]) -> dict[str, Entered]:
        """Those of `folders` that are archives of the ledger, with all their files."""
        rows = await self._all("parts_of", folders=list(folders))
        return {row["lake_path"]: Entered(row["lake_path"], tuple(row["files"]), row["rows"] or 0) for row in rows}

    async def hold_retirable(self, folder: str, readers: timedelta) -> bool:
        """Lock the row of a superseded archive that left its table longer than `readers` ago, for as long as the table's; false
        if it is none, or somebody brings it back."""
        return await self._all("hold_retirable", folder=folder, readers=readers) != []

    async def leave_out(self, reasons: Mapping[str, str], among: Collection[str] | None) -> None:
        """Archives that count and cannot be in the table, and why; what is not named is none of them any more, `among` these
        folders or, with `None`, among all of the table."""
        folders, looked_at = sorted(reasons), None if among is None else sorted(among)
        prose = [Prose(reasons[folder]) for folder in folders]
        await self._all("leave_out", folders=folders, reasons=prose, among=looked_at)

    async def record(self, log: KnownLog, columns: Collection[TableColumn]) -> None:
        """Where the log is now, with its last commit."""
        described = [{"name": c.name, "form": c.form, "metadata": dict(c.metadata)} for c in columns]
        await self._all(
            "record_commit",
            history=log.log_id,
            sequence=log.sequence,
            version=log.version,
            checkpoint=log.checkpoint,
            columns=Jsonb(described),
            at=log.now,
        )

    async def compared(self, finding: Mapping[str, Any] | None, *, resolved: bool) -> None:
        """Log and ledger were compared file by file; `finding` is what somebody has to look at, until that is `resolved`."""
        await self._all("record_compared", finding=None if finding is None else Jsonb(dict(finding)), resolved=resolved)


class LakeTables:
    """Tables `archival.lake_table`, `table_archive` and `table_due`."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def due(self) -> list[str]:
        """Hypertables of whose archives something has changed since the last commit."""
        return [row["hypertable"] for row in await self._pool.all("due_tables")]

    async def note_due(self, hypertable: str) -> None:
        """The table is looked at again by the next run."""
        await self._pool.one("note_due", hypertable=hypertable)

    async def to_compare(self, every: timedelta) -> list[str]:
        """Hypertables whose log was not compared with the ledger for so long, or could not be read, in no order."""
        return [row["hypertable"] for row in await self._pool.all("tables_to_compare", every=every)]

    async def has_table(self, hypertable: str) -> bool:
        """Whether there is a table, or an archive that belongs into one."""
        return await self._pool.one("has_table", hypertable=hypertable) is not None

    async def record_damage(self, hypertable: str, message: str) -> None:
        """The table's log cannot be read; the next comparison that can read it ends this finding."""
        await self._pool.one("record_damage", hypertable=hypertable, message=Prose(message))

    @asynccontextmanager
    async def held(self, hypertable: str, *, wait: bool) -> AsyncIterator[HeldTable | None]:
        """Lock the table's row until the end of the block, which commits; `None` if somebody else has it and nobody waits."""
        await self._pool.one("make_lake_table", hypertable=hypertable)
        async with self._pool.transaction("lake_table") as connection:
            await execute(connection, "bound_lake_table", {})
            row = await execute(connection, "wait_for_lake_table" if wait else "hold_lake_table", {"hypertable": hypertable})
            yield None if row is None else HeldTable(connection, _known(row), row["judged_on"])

    async def record_checkpoint(self, hypertable: str, version: int) -> None:
        """The log has a checkpoint of this version."""
        await self._pool.one("record_checkpoint", hypertable=hypertable, version=version)

    async def place(self, job_id: UUID) -> TableStanding:
        """Where the archive of a job stands."""
        row = await self._pool.one("table_state_of", job_id=job_id)
        if row is None:
            return TableStanding(False, None, None)
        return TableStanding(bool(row["in_table"]), row["left_out"], row["version"], row["damage"])

    async def states(self) -> list[LakeTableState]:
        """Every table, as of its last commit."""
        return [LakeTableState(**row) for row in await self._pool.all("lake_tables")]

    async def retirable(self, folders: Collection[str], readers: timedelta) -> list[Retirable]:
        """Those of `folders` that are superseded archives, and left their table longer than `readers` ago, or never were
        in it."""
        rows = await self._pool.all("retirable", folders=list(folders), readers=readers)
        return [Retirable(row["lake_path"], row["hypertable"], row["version"]) for row in rows]


def _known(row: Row) -> KnownLog:
    columns = tuple(TableColumn(c["name"], c["form"], c["metadata"]) for c in row["columns"])
    return KnownLog(row["hypertable"], row["history"], row["sequence"], row["version"], row["checkpoint"], columns, row["now"])


def _addition(row: Mapping[str, Any]) -> Addition:
    try:
        columns = tuple(ManifestColumn.model_validate(column) for column in row["columns"])
        parts = tuple(ManifestPart.model_validate(part) for part in row["parts"])
    except ValidationError as error:
        raise invalid_in_ledger(error, row["lake_path"]) from error
    return Addition(row["lake_path"], columns, parts, row["time_column"], row["rows"], row["finished_at"])


def _table_archive(row: Row) -> TableArchive:
    born = row["relation_born"]
    return TableArchive(
        folder=row["folder"],
        job_id=row["job_id"],
        status=row["status"],
        manifest_sha256=row["manifest_sha256"],
        # without its transaction an oid may be that of another table
        table=(row["relation_oid"], born) if row["relation_oid"] and born else None,
        revision=row["revision"],
        nonces=tuple(row["nonces"] or ()),
        history_lost=bool(row["history_lost"]),
        restored=bool(row["restored"]),
        is_of_server=bool(row["is_of_server"]),
        in_table=bool(row["in_table"]),
        supersedes=tuple(row["supersedes"] or ()),
    )
