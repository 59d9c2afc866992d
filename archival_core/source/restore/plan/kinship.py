"""Is a table part of the table that an archive was taken from?

Rows that are restored "into a table of its own" are a copy: the archive goes on standing in for the rows that are gone. A copy
in the archive's own table, or in a table that is read with it, would be seen beside the archive, and each row twice.
"""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Relation
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.source.translate import source_errors

# All tables of one tree: what the table is attached to, and all that is attached to that. The archive's table is known by its
# name, too: whoever has made it anew has given it the place of the one before.
_IS_KIN: Final[LiteralString] = """
WITH RECURSIVE above (oid) AS (
    SELECT to_regclass(%(table)s)::oid
    UNION SELECT i.inhparent FROM above JOIN pg_catalog.pg_inherits i ON i.inhrelid = above.oid
), kin (oid) AS (
    SELECT oid FROM above
    UNION SELECT i.inhrelid FROM kin JOIN pg_catalog.pg_inherits i ON i.inhparent = kin.oid
)
SELECT EXISTS (
    SELECT FROM kin
    JOIN pg_catalog.pg_attribute a ON a.attrelid = kin.oid AND a.attname = 'tableoid' AND a.attnum < 0
    WHERE kin.oid = to_regclass(%(archived)s) OR kin.oid = %(oid)s::bigint::oid AND a.xmin::text = %(born)s
)
"""


async def check_apart(conn: AsyncConnection[Any], table: Relation, archived: Relation, identity: TableIdentity | None) -> None:
    """Raise `PermanentError` (`into-its-table`) if `table` is in one tree with the table that an archive was taken from.

    That is the table named `archived`, or the one with `identity`, whatever its name is now. What is told stays so as long as
    the caller's transaction has read or written `table`: to attach it, or a table below it, takes ACCESS EXCLUSIVE.
    """
    asked = {
        "table": table.sql,
        "archived": archived.sql,
        "oid": identity.oid if identity else None,
        "born": identity.born if identity else None,
    }
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            found = await (await cur.execute(_IS_KIN, asked)).fetchone()
    if table == archived or found == (True,):
        raise PermanentError(
            f"{table} is the table that the archive was taken from, or is read together with it, so that each of the archive's"
            f" rows would be read twice: restore without `into`, which brings them back to {archived}, or into a table that is"
            " no part of it",
            code="into-its-table",
        )
