"""Whether composite types still have the attributes that they had when an archive was made.

A value of such a type is kept as its text, which has the attributes' values by their place and not their names. Where an
attribute was dropped and another one added since, the text would be read as another value, and nobody would notice.
"""

from __future__ import annotations

import re
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Relation
from archival_core.source.catalog.definition.ddl import ATTRIBUTES
from archival_core.source.catalog.definition.enum_labels import NAME
from archival_core.source.catalog.definition.used_types import USED_TYPES
from archival_core.source.translate import source_errors

#: As `catalog.definition.ddl` writes it, in the block that passes over a type that is there.
_COMPOSITE: Final = re.compile(
    rf"CREATE TYPE ({NAME}\.{NAME}) AS \((.*?)\); EXCEPTION WHEN duplicate_object THEN NULL; END", re.DOTALL
)
#: Of a table that is not there yet all types count, since it will be made with them.
_NOW: Final[LiteralString] = f"""
{USED_TYPES}
SELECT asked.name, {ATTRIBUTES}
FROM unnest(%(names)s::text[]) AS asked (name)
JOIN pg_catalog.pg_type t ON t.oid = to_regtype(asked.name) AND t.typtype = 'c'
WHERE to_regclass(%(table)s) IS NULL OR t.oid IN (SELECT type FROM used)
"""


async def check_attributes(conn: AsyncConnection[Any], ddl: str, target: Relation) -> None:
    """Raise `PermanentError` (`columns-differ`) unless the composite types of `target` have the attributes of `ddl`."""
    then = dict(_COMPOSITE.findall(ddl))
    if not then:
        return
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(_NOW, {"table": target.sql, "names": [*then]})
            found = await cur.fetchall()
    for name, now in found:
        if now != then[name]:
            raise PermanentError(
                f"the type {name} had the attributes ({then[name]}) when the rows were archived, and has ({now}): their values"
                " would come back in other places; restore into a table of your own in which the column is text",
                code="columns-differ",
            )
