"""The oldest snapshot that the service's sessions hold in the source."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.source.translate import source_errors

_OLDEST: Final[LiteralString] = """
SELECT pg_catalog.min(a.xact_start) FROM pg_catalog.pg_stat_activity a
WHERE a.datname = pg_catalog.current_database() AND a.application_name = pg_catalog.current_setting('application_name')
  AND a.backend_xmin IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid()
"""


async def oldest_snapshot(conn: AsyncConnection[Any]) -> datetime | None:
    """When the transaction of the oldest snapshot began, by the server's clock; `None` if there is no snapshot.

    Vacuum keeps every row of the whole database that was deleted since.
    """
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            row = await (await cur.execute(_OLDEST)).fetchone()
    return row[0] if row else None
