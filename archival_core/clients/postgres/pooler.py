"""Is there a connection pooler between the service and PostgreSQL, and does each connection keep a session of its own there?

In transaction mode a pooler gives each transaction to any of its sessions. An exported snapshot, an advisory lock, a prepared
statement or a setting then belongs to somebody else's transaction, and what the service proves is proven of nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, LiteralString

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.errors import AwayError

_SESSION: Final[LiteralString] = "SELECT pg_catalog.pg_backend_pid()"
#: A pooler that has a session to give gives it at once.
_PATIENCE_SECONDS: Final = 5


def refuses_options(error: psycopg.Error) -> bool:
    """Whether a pooler did not take the connection's settings: PgBouncer passes on no `options` unless told to ignore them."""
    return "unsupported startup parameter" in str(error)


def refusal(port: str | None, dependency: str) -> AwayError:
    """What to say about a pooler at `port`.

    It is as good as away, since no job and no event is to blame: all of them can wait.
    """
    return AwayError(
        f"port {port or 5432} of the database's host is a connection pooler, such as PgBouncer, and gives no connection a"
        " session of its own: snapshots, locks and settings do not survive there. Name PostgreSQL's own port, which is 5432 on"
        " Azure, in SOURCE_DATABASE_URL and LEDGER_DATABASE_URL",
        code="database-pooler",
        dependency=dependency,
    )


async def keeps_session(conn: AsyncConnection[Any], backend_pid: int, conninfo: str) -> bool | None:
    """Whether `conn`, whose first statement met the server's process `backend_pid`, meets the same one each time.

    `None` if that could not be told, for there was no second session or no transaction to be had.

    A pooler that deals its sessions out in turn has another one for the second statement. A pooler that gives away what came
    back last has another one while a second connection is inside a transaction.
    """
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            if await _session(conn) != backend_pid:
                return False
            async with await AsyncConnection.connect(conninfo) as other:  # not in autocommit mode: its first statement begins
                return await _session(other) != backend_pid and await _session(conn) == backend_pid
    except (psycopg.Error, TimeoutError):
        return None


async def _session(conn: AsyncConnection[Any]) -> int:
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(_SESSION, prepare=False)).fetchone()
    assert row is not None
    return int(row[0])
