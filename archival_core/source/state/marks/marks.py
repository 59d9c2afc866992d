"""Marks in the source: rows of ours that prove which history a server is in, and which archives stand in for rows.

A reading leaves a mark that commits while its snapshot is seen alive on the same server. A server that has the mark has all
that the snapshot saw, whatever was put back, promoted or restarted since. The transaction that drops a chunk, or that
brings its rows back, says so by a stand-in: one snapshot of the source tells which archives stand in for rows, wherever the
ledger is.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg import errors as postgres
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row, tuple_row

from archival_core.errors import TransientError
from archival_core.source.translate import source_errors

SCHEMA: Final = "archival_marks"

MAKE: Final[LiteralString] = """
CREATE TABLE IF NOT EXISTS archival_marks.reading (
    job        uuid NOT NULL,
    nonce      text NOT NULL,
    snapshot   text NOT NULL,
    marked_at  timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (job, nonce)
);
CREATE TABLE IF NOT EXISTS archival_marks.stand_in (
    archive    uuid PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('removed', 'restored', 'dropped by others', 'forgotten')),
    hypertable text NOT NULL,
    chunk      text NOT NULL,
    lake_path  text NOT NULL,
    manifest   text NOT NULL,
    oid        bigint NOT NULL,
    born       text NOT NULL,
    marked_at  timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE INDEX IF NOT EXISTS stand_in_of_table ON archival_marks.stand_in (oid, born);
CREATE INDEX IF NOT EXISTS stand_in_of_hypertable ON archival_marks.stand_in (hypertable);
COMMENT ON TABLE archival_marks.reading IS
    'Readings of chunks by archival_service. A history that has the row has all that the reading saw. Keep these rows.';
COMMENT ON TABLE archival_marks.stand_in IS
    'What became of archived chunks: which archive stands in for rows, or went back. Keep these rows.';
"""
#: asked first: a role that owns the schema need not be one that may create schemas
_HAS_SCHEMA: Final[LiteralString] = "SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'archival_marks'"
_IS_THERE: Final[LiteralString] = "SELECT to_regclass('archival_marks.stand_in') IS NOT NULL AS there"
#: The second is false of tables that an earlier release has made.
_IS_MADE: Final[LiteralString] = """
SELECT to_regclass('archival_marks.stand_in') IS NOT NULL,
       to_regclass('archival_marks.stand_in_of_table') IS NOT NULL
       AND to_regclass('archival_marks.stand_in_of_hypertable') IS NOT NULL
"""
#: The advisory lock of a nonce: its upper and its lower half, as `pg_locks` shows them.
_HOLD: Final[LiteralString] = "SELECT pg_catalog.pg_advisory_xact_lock(%s)"
# Guard ALIVE: the mark commits only while the session of its snapshot is seen alive on this very server. An identifier of a
# snapshot would prove less: identifiers begin anew when a server does.
_MARK: Final[LiteralString] = """
INSERT INTO archival_marks.reading (job, nonce, snapshot)
SELECT %(job)s, %(nonce)s, %(snapshot)s
WHERE EXISTS (
    SELECT FROM pg_catalog.pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND classid = %(upper)s::bigint::oid AND objid = %(lower)s::bigint::oid
      AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
)
ON CONFLICT DO NOTHING
"""
_HAS_READING: Final[LiteralString] = "SELECT FROM archival_marks.reading WHERE job = %s AND nonce = %s"
_KNOWN_READINGS: Final[LiteralString] = """
SELECT r.job, r.nonce FROM unnest(%s::uuid[], %s::text[]) AS asked (job, nonce)
JOIN archival_marks.reading r ON r.job = asked.job AND r.nonce = asked.nonce
"""
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


def new_nonce() -> str:
    """A random number of 64 bits, hexadecimal."""
    return secrets.token_hex(8)


async def ensure(conn: AsyncConnection[Any]) -> bool:
    """Make the tables of marks if they are not there; false if the role may not."""
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            made = await (await cur.execute(_IS_MADE)).fetchone()
        assert made is not None
        if made[0]:
            # can wait, and waits until `conn` is in no transaction
            if not made[1] and conn.info.transaction_status is TransactionStatus.IDLE:
                with suppress(postgres.InsufficientPrivilege, postgres.ReadOnlySqlTransaction, postgres.LockNotAvailable):
                    await conn.execute(MAKE)
            return True
        try:
            async with conn.transaction():
                if await (await conn.execute(_HAS_SCHEMA)).fetchone() is None:
                    await conn.execute("CREATE SCHEMA IF NOT EXISTS archival_marks")
                await conn.execute(MAKE)
        except (postgres.UniqueViolation, postgres.DuplicateSchema, postgres.DuplicateTable):
            return True  # another worker was faster: IF NOT EXISTS does not see what is not committed
        except (postgres.InsufficientPrivilege, postgres.ReadOnlySqlTransaction):
            return False
    return True


async def is_there(conn: AsyncConnection[Any]) -> bool:
    """Whether this database has tables of marks."""
    async with conn.cursor(row_factory=tuple_row) as cur:
        return (await (await cur.execute(_IS_THERE)).fetchone()) == (True,)


async def hold(conn: AsyncConnection[Any], nonce: str) -> None:
    """Hold the nonce's lock until the transaction of `conn`, which has a snapshot, ends."""
    with source_errors():
        await conn.execute(_HOLD, (int.from_bytes(bytes.fromhex(nonce), signed=True),))


async def mark_reading(conn: AsyncConnection[Any], job: UUID, nonce: str, snapshot: str) -> bool:
    """Leave the mark of a snapshot whose session holds `nonce`; `conn` is another session, in autocommit mode.

    False if the role may not write. Raises `TransientError` (`history-changed`) if the snapshot's session is not seen on
    this server.
    """
    values = {"job": job, "nonce": nonce, "snapshot": snapshot, "upper": int(nonce[:8], 16), "lower": int(nonce[8:], 16)}
    with source_errors():
        try:
            marked = (await conn.execute(_MARK, values)).rowcount == 1
        except (postgres.InsufficientPrivilege, postgres.ReadOnlySqlTransaction):
            return False
    if not marked:
        raise TransientError(
            "the session that holds the chunk's snapshot is not on the server that answers now: the source has failed over or"
            " was restarted",
            code="history-changed",
        )
    return True


async def has_reading(conn: AsyncConnection[Any], job: UUID, nonce: str | None) -> bool:
    """Whether the server's history has all that the reading saw.

    Guard MARK: a history that was put back to before the reading, and went on from there, may give the same transaction
    numbers out again. The mark alone tells.
    """
    if nonce is None:
        return False
    with source_errors():
        if not await is_there(conn):
            return False
        return await (await conn.execute(_HAS_READING, (job, nonce))).fetchone() is not None


async def known_readings(conn: AsyncConnection[Any], readings: Collection[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
    """Those of `readings`, each a job and a nonce, that have their mark here."""
    with source_errors():
        if not readings or not await is_there(conn):
            return set()
        async with conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(_KNOWN_READINGS, ([job for job, _ in readings], [nonce for _, nonce in readings]))
            return set(await cur.fetchall())


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


async def lock_stand_in(conn: AsyncConnection[Any], archive: UUID) -> StandIn | None:
    """The mark of an archive, which nobody else changes until the transaction of `conn` ends."""
    return (await _read(conn, _LOCKED, (archive,))).get(archive)


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


async def _read(conn: AsyncConnection[Any], query: LiteralString, values: tuple[Any, ...]) -> dict[UUID, StandIn]:
    with source_errors():
        if not await is_there(conn):
            return {}
        async with conn.cursor(row_factory=dict_row) as cur:
            rows = await (await cur.execute(query, values)).fetchall()
    return {row["archive"]: StandIn(**{**row, "kind": StandInKind(row["kind"])}) for row in rows}


async def _insert(conn: AsyncConnection[Any], query: LiteralString, stand_in: StandIn) -> bool:
    with source_errors():
        return (await conn.execute(query, asdict(stand_in))).rowcount == 1
