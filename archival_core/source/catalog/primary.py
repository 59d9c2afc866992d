"""Whether the source is the server that is written to."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.errors import AwayError
from archival_core.source.translate import source_errors

IN_RECOVERY: Final[LiteralString] = "SELECT pg_catalog.pg_is_in_recovery()"


async def check_primary(conn: AsyncConnection[Any]) -> None:
    """Raise `AwayError` (`source-standby`) for a standby, which may be promoted at any moment.

    A standby takes no locks and no marks. Its catalog may not have the newest tables yet, so a table that is missing there
    may exist.
    """
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            row = await (await cur.execute(IN_RECOVERY)).fetchone()
    if row == (True,):
        raise standby_error()


def standby_error() -> AwayError:
    """What to raise for a standby, whatever question has shown that it is one."""
    return AwayError(
        "the source database is a standby, from which nothing is archived or removed: let SOURCE_DATABASE_URL name the"
        " primary server",
        code="source-standby",
        dependency="source",
    )
