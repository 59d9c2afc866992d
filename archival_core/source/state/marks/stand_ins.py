"""The marks of drops and restores, which tell which archives stand in for rows.

The transaction that drops a chunk, or that brings its rows back, says so by a stand-in: one snapshot of the source tells
which archives stand in for rows, wherever the ledger is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row, tuple_row

from archival_core.errors import TransientError
from archival_core.source.state.marks.mark_schema import is_there
from archival_core.source.translate import source_errors

_INSERT: Final[LiteralString] = """
INSERT INTO archival_marks.stand_in AS s (archive, kind, hypertable, chunk, lake_path, manifest, oid, born)
VALUES (%(archive)s, %(kind)s, %(hypertable)s, %(chunk)s, %(lake_path)s, %(manifest)s, %(oid)s, %(born)s)
ON CONFLICT (archive) DO """
_RECORD_MISSING: Final[LiteralString] = _INSERT + "NOTHING"
# Guard REPLACE: a mark that stands in for rows is replaced by a restore of that very archive alone. A ledger that was put back
# runs a job again, and a second drop mark of that job would hide the rows of its first archive.
_RECORD: Final[LiteralString] = (
    _INSERT
    + """UPDATE SET
    kind = excluded.kind, hypertable = excluded.hypertable, chunk = excluded.chunk, lake_path = excluded.lake_path,
    manifest = excluded.manifest, oid = excluded.oid, born = excluded.born, marked_at = excluded.marked_at
WHERE s.kind = 'restored' OR (excluded.kind = 'restored' AND excluded.manifest = s.manifest)
"""
)
_STAND_INS: Final[LiteralString] = """
SELECT archive, kind, hypertable, chunk, lake_path, manifest, oid, born FROM archival_marks.stand_in
WHERE archive = ANY(%s) ORDER BY archive
"""
_LOCKED: Final[LiteralString] = """
SELECT archive, kind, hypertable, chunk, lake_path, manifest, oid, born FROM archival_marks.stand_in
WHERE archive = %s FOR UPDATE
"""
_PAGE: Final[LiteralString] = """
SELECT archive, kind, hypertable, chunk, lake_path, manifest, oid, born FROM archival_marks.stand_in
WHERE archive > %s ORDER BY archive LIMIT %s
"""

_FIRST_PAGE: Final[LiteralString] = """
SELECT archive, kind, hypertable, chunk, lake_path, manifest, oid, born FROM archival_marks.stand_in
WHERE archive <= %s ORDER BY archive LIMIT %s
"""
STANDING_IN: Final[LiteralString] = """
SELECT archive, hypertable FROM archival_marks.stand_in WHERE hypertable = ANY(%s) AND kind <> 'restored'
"""
_WENT_BY_ANOTHER: Final[LiteralString] = """
SELECT FROM archival_marks.stand_in WHERE archive <> %s AND kind <> 'restored' AND oid = %s AND born = %s
"""
# Of an archive from before `born` was recorded, the oid and the name together tell whose rows it has.
_TOOK_ITS_PLACE: Final[LiteralString] = """
SELECT FROM archival_marks.stand_in
WHERE archive <> %(archive)s AND kind <> 'restored' AND oid = %(oid)s AND born = %(born)s
  AND (born <> '' OR oid <> 0 AND hypertable = %(hypertable)s AND chunk = %(chunk)s)
"""

_LAST: Final[LiteralString] = """
SELECT kind, chunk, marked_at FROM archival_marks.stand_in WHERE archive = ANY(%s) ORDER BY marked_at DESC, chunk LIMIT 1
"""


class StandInKind(StrEnum):
    """What became of the rows of an archive."""

    #: the service has dropped the chunk on the grounds of the archive, which stands in for the rows
    REMOVED = "removed"
    #: the rows are back in the database
    RESTORED = "restored"
    #: somebody else has dropped the chunk; the archive stands in for the rows that it had when it was archived
    DROPPED_BY_OTHERS = "dropped by others"
    #: the same, and the policy wants such rows forgotten
    FORGOTTEN = "forgotten"

    @property
    def stands_in(self) -> bool:
        """Whether the rows are in the lake alone."""
        return self is not StandInKind.RESTORED


@dataclass(frozen=True, slots=True)
class LastMark:
    """The latest mark of some archives."""

    kind: StandInKind
    chunk: str
    marked_at: datetime


@dataclass(frozen=True, slots=True)
class StandIn:
    """An archive that stands in for rows, or did."""

    #: its job
    archive: UUID
    kind: StandInKind
    hypertable: str
    chunk: str
    lake_path: str
    #: SHA-256 of its manifest
    manifest: str
    #: of the table that went, or that took the rows back
    oid: int
    born: str


async def record(conn: AsyncConnection[Any], stand_in: StandIn) -> None:
    """Say what became of an archive's rows, in the transaction of `conn` that does it.

    Raises `TransientError` (`stands-in`) if an archive of the job stands in for rows already, and these do not come back.
    """
    if not await _insert(conn, _RECORD, stand_in):
        raise TransientError(
            f"an archive of job {stand_in.archive} stands in for rows of {stand_in.chunk} already, which would be hidden;"
            " reconcile brings the ledger up to its mark",
            code="stands-in",
        )


async def record_missing(conn: AsyncConnection[Any], stand_in: StandIn) -> bool:
    """Write a mark that the source does not have; false if there is a mark of the archive, which knows better."""
    return await _insert(conn, _RECORD_MISSING, stand_in)


async def lock_stand_in(conn: AsyncConnection[Any], archive: UUID, *, are_marks_there: bool = False) -> StandIn | None:
    """The mark of an archive, which nobody else changes until the transaction of `conn` ends.

    The table of marks is not looked for if the caller knows that the transaction sees it.
    """
    return (await _read(conn, _LOCKED, (archive,), are_marks_there=are_marks_there)).get(archive)


async def last_mark(conn: AsyncConnection[Any], archives: Collection[UUID]) -> LastMark:
    """What was marked last of `archives`, each of which has a mark."""
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            row = await (await cur.execute(_LAST, (list(archives),))).fetchone()
    assert row is not None, "each archive has a mark"
    kind, chunk, at = row
    return LastMark(StandInKind(kind), chunk, at)


async def stand_ins(conn: AsyncConnection[Any], archives: Collection[UUID]) -> dict[UUID, StandIn]:
    """What the transaction of `conn` sees of these archives; an archive without a mark is left out."""
    return await _read(conn, _STAND_INS, (list(archives),))


async def stand_ins_after(conn: AsyncConnection[Any], archive: UUID, limit: int) -> dict[UUID, StandIn]:
    """The first `limit` marks behind `archive`, in the order of their archives."""
    return await _read(conn, _PAGE, (archive, limit))


async def stand_ins_before(conn: AsyncConnection[Any], archive: UUID, limit: int) -> dict[UUID, StandIn]:
    """The first `limit` marks up to `archive`, in the order of their archives."""
    return await _read(conn, _FIRST_PAGE, (archive, limit))


async def standing_in(conn: AsyncConnection[Any], hypertables: Collection[str]) -> dict[UUID, str]:
    """The archives of `hypertables` that stand in for rows, each with its hypertable."""
    with source_errors():
        if not hypertables or not await is_there(conn):
            return {}
        async with conn.cursor(row_factory=tuple_row) as cur:
            return dict(await (await cur.execute(STANDING_IN, (list(hypertables),))).fetchall())


async def went_by_another(conn: AsyncConnection[Any], archive: UUID, oid: int, born: str | None) -> bool:
    """Whether another archive than this one stands in for the rows of the table, whoever has dropped it."""
    with source_errors():
        if born is None or not await is_there(conn):
            return False
        return await (await conn.execute(_WENT_BY_ANOTHER, (archive, oid, born))).fetchone() is not None


async def took_its_place(
    conn: AsyncConnection[Any], archive: UUID, hypertable: str, chunk: str, oid: int, born: str | None
) -> bool:
    """Whether another archive stands in for the rows of an archive that was removed and has no mark: it was written anew."""
    values = {"archive": archive, "hypertable": hypertable, "chunk": chunk, "oid": oid, "born": born or ""}
    with source_errors():
        if not await is_there(conn):
            return False
        return await (await conn.execute(_TOOK_ITS_PLACE, values)).fetchone() is not None


async def _read(
    conn: AsyncConnection[Any], query: LiteralString, values: tuple[Any, ...], *, are_marks_there: bool = False
) -> dict[UUID, StandIn]:
    with source_errors():
        if not are_marks_there and not await is_there(conn):
            return {}
        async with conn.cursor(row_factory=dict_row) as cur:
            rows = await (await cur.execute(query, values)).fetchall()
    return {row["archive"]: StandIn(**{**row, "kind": StandInKind(row["kind"])}) for row in rows}


async def _insert(conn: AsyncConnection[Any], query: LiteralString, stand_in: StandIn) -> bool:
    with source_errors():
        return (await conn.execute(query, asdict(stand_in))).rowcount == 1
