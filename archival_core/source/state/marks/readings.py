"""The marks of readings, which prove which history a server is in.

A reading leaves a mark that commits while its snapshot is seen alive on the same server. A server that has the mark has all
that the snapshot saw, whatever was put back, promoted or restarted since.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg import errors as postgres
from psycopg.rows import tuple_row

from archival_core.errors import TransientError
from archival_core.source.state.marks.mark_schema import is_there
from archival_core.source.translate import source_errors

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


def new_nonce() -> str:
    """A random number of 64 bits, hexadecimal."""
    return secrets.token_hex(8)


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
