"""The tables of marks: made where they are missing, and the user may make them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final, LiteralString
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection
from psycopg import errors as postgres
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

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
#: By connection: the tables that its session has seen.
_SEEN: Final[WeakKeyDictionary[AsyncConnection[Any], set[str]]] = WeakKeyDictionary()
#: asked first: a role that owns the schema need not be one that may create schemas
_HAS_SCHEMA: Final[LiteralString] = "SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'archival_marks'"
_HAS_TABLE: Final[LiteralString] = "SELECT to_regclass(%s) IS NOT NULL"
#: The second is false of tables that an earlier release has made.
_IS_MADE: Final[LiteralString] = """
SELECT to_regclass('archival_marks.stand_in') IS NOT NULL,
       to_regclass('archival_marks.stand_in_of_table') IS NOT NULL
       AND to_regclass('archival_marks.stand_in_of_hypertable') IS NOT NULL
"""


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
    return await has_table(conn, "archival_marks.stand_in")


def forget(conn: AsyncConnection[Any]) -> None:
    """Another session begins on the connection: what the last one has seen may be gone."""
    _SEEN.pop(conn, None)


async def has_table(conn: AsyncConnection[Any], table: str) -> bool:
    """Whether this database has a table of the service's. Once a session has seen the table committed, it is not asked
    again.
    """
    if table in _SEEN.get(conn, ()):
        return True
    is_idle = conn.info.transaction_status is TransactionStatus.IDLE
    async with conn.cursor(row_factory=tuple_row) as cur:
        found = (await (await cur.execute(_HAS_TABLE, (table,))).fetchone()) == (True,)
    if found and is_idle:  # what the session itself has made may still be rolled back
        _SEEN.setdefault(conn, set()).add(table)
    return found
