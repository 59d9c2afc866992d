"""The triggers that a table's owner has put on it.

They would fire again for rows that come back. A role that is no superuser cannot keep them from it for one session
(`session_replication_role`). Disabling them locks the table, so the service leaves that to the owner.
"""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.model.chunks.chunk import Relation

# Foreign keys are internal triggers; TimescaleDB's belong to its extension.
_TRIGGERS: Final[LiteralString] = """
SELECT t.tgname FROM pg_catalog.pg_trigger t
WHERE t.tgrelid = to_regclass(%s) AND NOT t.tgisinternal AND t.tgtype & %s <> 0
  AND t.tgenabled IN ('A', CASE current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END)
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass
                  AND d.objid = t.tgfoid AND d.deptype = 'e')
ORDER BY t.tgname
"""


#: bits of `pg_trigger.tgtype`
_INSERT: Final = 4
_DELETE: Final = 8


async def insert_triggers(conn: AsyncConnection[Any], table: Relation) -> list[str]:
    """Names of those that an INSERT by this session fires."""
    return await _triggers(conn, table, _INSERT)


async def insert_and_delete_triggers(conn: AsyncConnection[Any], table: Relation) -> list[str]:
    """Names of those that an INSERT or a DELETE fires."""
    return await _triggers(conn, table, _INSERT | _DELETE)


async def _triggers(conn: AsyncConnection[Any], table: Relation, events: int) -> list[str]:
    async with conn.cursor(row_factory=tuple_row) as cur:
        return [name for (name,) in await (await cur.execute(_TRIGGERS, (table.sql, events))).fetchall()]
