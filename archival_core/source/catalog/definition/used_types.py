"""The types that values of a table's columns hold: a column's type, and whatever that is made of.

The text of a value may change although no row is written. A label of an enum is renamed: `ddl` describes the labels, so that a
removal notices it. A value of `regclass` is an oid and prints the name that the table has now: nothing describes those names.
"""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.model.chunks.chunk import Relation
from archival_core.source.translate import source_errors

# PostgreSQL before 14 has no multiranges, and no column that names them.
_PARTS: Final[LiteralString] = """JOIN pg_catalog.pg_type t ON t.oid = u.type CROSS JOIN LATERAL (
        SELECT t.typelem
        UNION ALL SELECT t.typbasetype
        UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a
                  WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r
                  WHERE t.typtype IN ('r', 'm') AND t.oid IN (r.rngtypid, (to_jsonb(r) ->> 'rngmultitypid')::oid)
    ) AS next (type)
    WHERE next.type <> 0"""
#: `used` has every type by its oid: elements of arrays, what domains are made of, attributes of rows, bounds of ranges.
USED_TYPES: Final[LiteralString] = f"""
WITH RECURSIVE used (type) AS (
    SELECT a.atttypid FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT next.type FROM used u {_PARTS}
)
"""
#: The same for each column of a table by its oid, in `attnum`.
USED_BY_COLUMN: Final[LiteralString] = f"""
WITH RECURSIVE used (attnum, type) AS (
    SELECT a.attnum, a.atttypid FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = %(oid)s::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT u.attnum, next.type FROM used u {_PARTS}
)
"""
# An aclitem prints the names of roles.
_HOLDS_NAMES: Final[LiteralString] = f"""
{USED_TYPES}
SELECT EXISTS (
    SELECT FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.type
    WHERE t.typnamespace = 'pg_catalog'::regnamespace
      AND t.typname IN ('regclass', 'regcollation', 'regconfig', 'regdatabase', 'regdictionary', 'regnamespace', 'regoper',
                        'regoperator', 'regproc', 'regprocedure', 'regrole', 'regtype', 'aclitem')
)
"""


async def holds_names(conn: AsyncConnection[Any], table: Relation) -> bool:
    """Whether a column holds values whose text is the name that something in the catalog has now."""
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            row = await (await cur.execute(_HOLDS_NAMES, {"table": table.sql})).fetchone()
    return row == (True,)
