"""The value that rows have in a column that was added after the rows were stored."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
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
SELECT a.attname, min(pg_catalog.array_to_string(a.attmissingval, ''))
FROM tree
JOIN pg_catalog.pg_attribute a ON a.attrelid = tree.oid
JOIN pg_catalog.pg_attribute made ON made.attrelid = tree.oid AND made.attname = 'tableoid' AND made.attnum < 0
JOIN pg_catalog.pg_attribute of_root ON of_root.attrelid = to_regclass(%(name)s) AND of_root.attname = a.attname
WHERE a.attname = ANY(%(columns)s) AND a.atthasmissing AND NOT a.attisdropped
GROUP BY a.attname
HAVING count(DISTINCT pg_catalog.array_to_string(a.attmissingval, '')) = 1
   AND NOT bool_or(pg_catalog.age(made.xmin) < pg_catalog.age(of_root.xmin))
"""


# Of a table that is written anew the relfilenode is another number than the oid, and PostgreSQL has forgotten the value. A
# table that was made after the column has rows in the catalog that are younger than those of the column in the root.
_WITNESSES: Final[LiteralString] = """
WITH RECURSIVE tree AS (
    SELECT %(oid)s::bigint::oid AS oid
    UNION SELECT inhrelid FROM pg_catalog.pg_inherits JOIN tree ON inhparent = tree.oid
)
SELECT DISTINCT a.attname, made.xmin::text, c.oid = %(oid)s::bigint::oid,
       c.relkind = 'r' AND c.relfilenode = c.oid AND NOT a.atthasmissing, of_root.atthasdef,
       pg_catalog.age(made.xmin) < pg_catalog.age(of_root.xmin), CASE WHEN a.atthasmissing THEN
           pg_catalog.array_to_string(a.attmissingval, '') END
FROM tree
JOIN pg_catalog.pg_class c ON c.oid = tree.oid
JOIN pg_catalog.pg_attribute made ON made.attrelid = tree.oid AND made.attname = 'tableoid' AND made.attnum < 0
JOIN pg_catalog.pg_attribute a ON a.attrelid = tree.oid AND a.attname = ANY(%(columns)s) AND NOT a.attisdropped
JOIN pg_catalog.pg_attribute of_root ON of_root.attrelid = %(oid)s::bigint::oid AND of_root.attname = a.attname
"""


@dataclass(frozen=True, slots=True)
class Witness:
    """What tables of a hypertable's tree, all alike, know of rows that are older than a column."""

    #: number of the transaction that made the tables
    born: str
    #: whether it is the hypertable's own table
    is_root: bool
    #: whether it has rows as they were stored, and no value for older ones: if it had older ones, these have NULL
    is_untouched: bool
    #: whether the column has a default for new rows
    has_default: bool
    #: whether the tables were made after the column, or after its last change
    is_younger: bool
    #: PostgreSQL's text of the value that older rows have; `None` if the tables have none
    text: str | None


async def witnesses(conn: AsyncConnection[Any], oid: int, columns: Collection[str]) -> dict[str, list[Witness]]:
    """By column of the table `oid`: what the tables of its tree know, as the caller's transaction sees them."""
    found: dict[str, list[Witness]] = {name: [] for name in columns}
    with source_errors():
        async with pinned(conn), conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(_WITNESSES, {"oid": oid, "columns": list(columns)})
            for name, *known in await cur.fetchall():
                found[name].append(Witness(*known))
    return found


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
