"""The ledger's part in following the marks of the source: what it says of archives that stand in for rows, and of those
that did."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from psycopg.types.json import Jsonb

from archival_core.clients.postgres.database import Connection, translated
from archival_core.clients.postgres.prose import Prose
from archival_core.errors import ArchivalError, PermanentError
from archival_core.ledger.archives.holding import held_elsewhere
from archival_core.ledger.archives.published import row_of
from archival_core.ledger.jobs.job_life import read_job
from archival_core.ledger.pool import LedgerPool, Row, execute
from archival_core.model.chunks.chunk import Relation, ServerIdentity
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.model.jobs.job import Job, Status
from archival_core.model.lake.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger says of an archive that has a mark."""

    status: Status
    manifest_sha256: str | None
    restored: bool
    mark_owed: bool


@dataclass(frozen=True, slots=True)
class RemovedArchive:
    """An archive that the ledger has as removed, or as restored."""

    job_id: UUID
    hypertable: str
    chunk: str
    lake_path: str
    manifest_sha256: str | None
    oid: int
    born: str | None
    mark_owed: bool
    dropped_by: str | None


@dataclass(frozen=True, slots=True)
class ArchivedTable:
    """The table of an archive that is not removed."""

    oid: int
    born: str | None
    #: its rows went back, into what may be other tables
    restored: bool
    #: `ServerIdentity.key` of where the archive was compared last, or else read
    server: str | None
    chunk: Relation
    #: nobody could tell what became of the rows
    is_undecided: bool
    #: and that was so within the last hour
    rests: bool


@dataclass(frozen=True, slots=True)
class ReadArchive:
    """An archive and the marks that prove its history."""

    job_id: UUID
    #: of its reading, and of the comparison that came after it
    nonces: tuple[str, ...]
    #: the ledger has it as one of a history that was put back
    history_lost: bool


class MarkedArchives:
    """Archives as the source's marks see them."""

    def __init__(self, pool: LedgerPool, *, shares_source: bool) -> None:
        self._pool = pool
        #: whether the ledger is in the source database, so that a mark and a row are one transaction
        self.shares_source = shares_source

    async def recorded(self, archives: Collection[UUID]) -> dict[UUID, Recorded]:
        """Those of `archives` that the ledger knows."""
        rows = await self._pool.all("archives_of_marks", archives=list(archives))
        return {
            row["job_id"]: Recorded(Status(row["status"]), row["manifest_sha256"], row["restored"], row["mark_owed"])
            for row in rows
        }

    async def known_manifest(self, archive: UUID, sha256: str) -> Manifest | None:
        """The manifest with this hash, if the ledger has it."""
        row = await self._pool.one("known_manifest", job_id=archive, sha256=sha256)
        return Manifest.model_validate(row["manifest"]) if row else None

    async def follow(self, manifest: Manifest, sha256: str, dropped_by: str | None, connection: Connection) -> None:
        """The archive is removed on the grounds of `manifest`, or restored where nobody has dropped it (`None`).

        In the transaction of `connection`, which is that of `following`.
        """
        values = row_of(manifest) | {"sha256": sha256, "dropped_by": dropped_by}
        with translated("the ledger"):
            await execute(connection, "follow_mark", values)

    async def removed(self, after: UUID, limit: int) -> list[RemovedArchive]:
        """Archives that the ledger has as removed; begins behind `after`."""
        return [_removed(row) for row in await self._pool.all("removed_archives", after=after, limit=limit)]

    async def manifest(self, archive: UUID) -> Manifest:
        """The manifest of a published archive that the ledger has."""
        row = await self._pool.one("manifest", job_id=archive)
        assert row is not None, "its row was read just now, and archives are never deleted"
        return Manifest.model_validate(row["manifest"])

    async def owed_removals(self, limit: int) -> list[RemovedArchive]:
        """Archives that were removed before there were marks, or whose marks were lost."""
        return [_removed(row) for row in await self._pool.all("owed_removals", limit=limit)]

    async def owed_restores(self, limit: int) -> list[RemovedArchive]:
        """Archives that were restored before there were marks."""
        return [_removed(row) for row in await self._pool.all("owed_restores", limit=limit)]

    async def mark_paid(self, archive: UUID, sha256: str | None) -> None:
        """The source has the mark that it was owed, or is owed none."""
        await self._pool.one("mark_paid", job_id=archive, sha256=sha256)

    async def owe_all(self) -> int:
        """Have every mark written again; returns how many."""
        return len(await self._pool.all("owe_all_marks"))

    async def back_to_archived(self, archive: UUID) -> bool:
        """Its rows are in the database again, without a restore: the source was put back."""
        return await self._pool.one("back_to_archived", job_id=archive) is not None

    async def readings(self, server: ServerIdentity, after: UUID, limit: int) -> list[ReadArchive]:
        """Archives of `server` that are archived or superseded, with their nonces; the first is behind `after`."""
        rows = await self._pool.all(
            "readings",
            system_identifier=server.system_identifier,
            database=server.database,
            after=after,
            limit=limit,
        )
        return [ReadArchive(row["job_id"], tuple(row["nonces"]), row["history_lost"]) for row in rows]

    async def set_history_lost(self, archives: Collection[UUID], *, lost: bool) -> int:
        """The source has no mark of these archives' readings, or has one again; returns for how many this is new."""
        if not archives:
            return 0
        return len(await self._pool.all("set_history_lost", archives=list(archives), lost=lost))

    async def superseded_by_lost(self, limit: int) -> list[Job]:
        """Superseded archives whose place no archive of this history takes any more."""
        return [read_job(row) for row in await self._pool.all("superseded_by_lost", limit=limit)]

    @asynccontextmanager
    async def superseded(self, archive: UUID) -> AsyncIterator[Connection | None]:
        """A transaction of the ledger that has the row of a superseded archive locked; `None` if it is not superseded any
        more."""
        async with self._pool.transaction("follow") as connection:
            locked = await execute(connection, "lock_superseded", {"job_id": archive})
            yield connection if locked else None

    async def back_from_superseded(self, archive: UUID, connection: Connection) -> None:
        """In the transaction of `superseded`, record that no archive takes the place of `archive` any more."""
        with translated("the ledger"):
            await execute(connection, "back_from_superseded", {"job_id": archive})

    async def supersede(self, archive: UUID, *statuses: Status) -> bool:
        """Its rows are in other tables or archives; nothing happens unless the archive is in one of `statuses`."""
        return await self._pool.one("supersede_archive", job_id=archive, from_statuses=list(statuses)) is not None

    async def leave_undecided(self, archive: UUID, error: ArchivalError) -> bool:
        """Nobody can tell what became of its rows, as `error` says; false if that is recorded already."""
        row = await self._pool.one("leave_undecided", job_id=archive, error=Jsonb(as_json(error)))
        return row is not None and bool(row["is_new"])

    async def take_back_undecided(self, archives: Collection[UUID]) -> None:
        """What `leave_undecided` has recorded of these holds no longer."""
        await self._pool.all("take_back_undecided", archives=list(archives))

    async def tables(self, after: UUID, limit: int) -> dict[UUID, ArchivedTable]:
        """The table of each archive that is not removed; begins behind `after`."""
        rows = await self._pool.all("archived_tables", after=after, limit=limit)
        return {row["job_id"]: _table(row) for row in rows}

    async def table(self, archive: UUID) -> ArchivedTable | None:
        """The table of one archive; `None` if the archive is removed, or is none."""
        row = await self._pool.one("archived_table", job_id=archive)
        return _table(row) if row else None

    async def archived_anew(self, job_ids: Collection[UUID], limit: int) -> dict[UUID, bool]:
        """Those of `job_ids`, of former servers, whose range a server after theirs has an archive of, and whether that is of a
        chunk of the same name. Which of them are named is drawn by chance where there are more than `limit`."""
        rows = await self._pool.all("archived_anew", job_ids=list(job_ids), limit=limit)
        return {row["job_id"]: row["is_same_chunk"] for row in rows}

    async def archived(self, job_ids: Collection[UUID]) -> list[tuple[Job, bool]]:
        """Those of `job_ids` that are archived, and whether their policy forgets what others drop."""
        rows = await self._pool.all("archived_jobs", job_ids=list(job_ids))
        return [(read_job(row), row["dropped_by_others"] == "forget") for row in rows]

    async def later(self, job: Job, limit: int) -> list[Manifest]:
        """Archives of other tables of the archive's range, archived after it: merged, split and renamed chunks are that."""
        rows = await self._pool.all("later_archives", job_id=job.job_id, limit=limit)
        return [Manifest.model_validate(row["manifest"]) for row in rows]

    def held(self, job: Job) -> AbstractAsyncContextManager[Connection | None]:
        """Keep the archive's row locked until the source has committed, where the ledger is in another database.

        The connection is that of the ledger's transaction; `None` where source and ledger share one. Raises `PermanentError`
        (`not-archived`) if the job is not archived any more, or its chunk is being archived anew.
        """
        values = {"job_id": job.job_id}
        return held_elsewhere(self._pool, "hold_removal", values, _no_longer(job), shares_source=self.shares_source)

    async def finish_dropped(self, job: Job, table: TableIdentity, note: ArchivalError, connection: Connection) -> None:
        """Somebody else has dropped the chunk, in the transaction of `connection`, whose mark names `table`.

        Raises `PermanentError` (`not-archived`) if the job is not archived any more, or its chunk is being archived anew.
        """
        values = {"job_id": job.job_id, "oid": table.oid, "born": table.born or None, "note": Jsonb(as_json(note))}
        with translated("the ledger"):
            if await execute(connection, "finish_dropped", values) is None:
                raise _no_longer(job)

    @asynccontextmanager
    async def following(self, archive: UUID) -> AsyncIterator[Connection]:
        """A transaction of the ledger that has the archive's row locked: what is read of its mark then holds until the
        commit."""
        async with self._pool.transaction("follow") as connection:
            await execute(connection, "lock_archive", {"job_id": archive})
            yield connection


def _no_longer(job: Job) -> PermanentError:
    return PermanentError(
        f"job {job.job_id} is not archived any more, or its chunk is being archived anew", code="not-archived"
    )


def as_json(error: ArchivalError) -> dict[str, object]:
    """An error as the ledger keeps it."""
    return {"code": error.code, "message": Prose(error), "transient": not isinstance(error, PermanentError)}


def _table(row: Row) -> ArchivedTable:
    chunk = Relation.parse(row["chunk"])
    return ArchivedTable(
        oid=row["relation_oid"],
        born=row["relation_born"],
        restored=row["restored"],
        server=row["server"],
        chunk=chunk,
        is_undecided=row["undecided"],
        rests=row["rests"],
    )


def _removed(row: Row) -> RemovedArchive:
    return RemovedArchive(
        job_id=row["job_id"],
        hypertable=row["hypertable"],
        chunk=row["chunk"],
        lake_path=row["lake_path"],
        manifest_sha256=row["manifest_sha256"],
        oid=row["relation_oid"] or 0,
        born=row["relation_born"],
        mark_owed=row["mark_owed"],
        dropped_by=row["dropped_by"],
    )
