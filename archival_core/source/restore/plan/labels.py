"""Whether the labels of enums still mean what they meant when an archive was made.

PostgreSQL stores a label's number, and the archive has its name. Who renames a label renames it in all rows, but not in an
archive: if two labels have exchanged their names since, or an old name was given again, rows would come back with another value
than they had, and nobody would notice.
"""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Relation
from archival_core.source.catalog.definition.enum_labels import are_kept, labels_then
from archival_core.source.catalog.definition.used_types import USED_TYPES
from archival_core.source.translate import source_errors

#: Of a table that is not there yet all types count, since it will be made with them.
_NOW: Final[LiteralString] = f"""
{USED_TYPES}
SELECT asked.name, array(SELECT pg_catalog.quote_literal(e.enumlabel) FROM pg_catalog.pg_enum e
                         WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
FROM unnest(%(names)s::text[]) AS asked (name) JOIN pg_catalog.pg_type t ON t.oid = to_regtype(asked.name) AND t.typtype = 'e'
WHERE to_regclass(%(table)s) IS NULL OR t.oid IN (SELECT type FROM used)
"""


async def check_labels(conn: AsyncConnection[Any], ddl: str, target: Relation) -> None:
    """Raise `PermanentError` (`labels-differ`) unless the enums of `target` have the labels of `ddl` in their order, with any
    number of new ones among them.
    """
    then = labels_then(ddl)
    if not then:
        return
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(_NOW, {"table": target.sql, "names": [*then]})
            found = await cur.fetchall()
    for name, now in found:
        if not are_kept(then[name], now):
            raise PermanentError(
                f"the enum {name} had the labels {', '.join(then[name])} when the rows were archived, and has {', '.join(now)}:"
                " labels were renamed, and a name may stand for another value now; restore into a table of your own in which"
                " the column is text",
                code="labels-differ",
            )
