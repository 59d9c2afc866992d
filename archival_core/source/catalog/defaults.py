"""The value that rows have in a column that was added after the rows were stored."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.model.chunks.chunk import Relation
from archival_core.source.session import pinned
from archival_core.source.translate import source_errors

# PostgreSQL keeps the value with each table that had rows, in an array of one element; a partitioned table itself has none.
_STORED_BEFORE: Final[LiteralString] = """
WITH RECURSIVE tree AS (
    SELECT to_regclass(%(name)s)::oid AS oid
    UNION SELECT inhrelid FROM pg_catalog.pg_inherits JOIN tree ON inhparent = tree.oid
)
SELECT DISTINCT ON (a.attname) a.attname, pg_catalog.array_to_string(a.attmissingval, '')
FROM tree JOIN pg_catalog.pg_attribute a ON a.attrelid = tree.oid
WHERE a.attname = ANY(%(columns)s) AND a.atthasmissing AND NOT a.attisdropped
ORDER BY a.attname, a.attrelid = to_regclass(%(name)s) DESC, a.attrelid
"""


async def stored_before(conn: AsyncConnection[Any], hypertable: Relation, columns: Collection[str]) -> dict[str, str]:
    """By column: PostgreSQL's text of the value of rows that were stored before the column was added.

    A column is left out if it was there from the first row on, if it is NULL in such rows, or if its rows were written anew
    since.
    """
    if not columns:
        return {}
    with source_errors():
        async with pinned(conn), conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(_STORED_BEFORE, {"name": hypertable.sql, "columns": list(columns)})
            return dict(await cur.fetchall())
