"""The labels of enums: those that an archive's DDL names, and those of today.

PostgreSQL stores a label's number, and an archive has its name. Who renames a label renames it in all rows of the database,
but not in an archive. A name that labels have today may have been that of another label when the archive was made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.source.catalog.definition.used_types import USED_BY_COLUMN
from archival_core.source.translate import source_errors

#: A name as `ddl` writes it.
NAME: Final = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_LITERAL = r"E?'(?:[^']|'')*'"
_ENUM: Final = re.compile(rf"CREATE TYPE ({NAME}\.{NAME}) AS ENUM \(((?:{_LITERAL}(?:, )?)*)\);")
_LABEL: Final = re.compile(_LITERAL)
_BY_COLUMN: Final[LiteralString] = f"""
{USED_BY_COLUMN}
SELECT u.attnum::int, pg_catalog.format('%%I.%%I', n.nspname, t.typname),
       array(SELECT pg_catalog.quote_literal(e.enumlabel) FROM pg_catalog.pg_enum e
             WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.type AND t.typtype = 'e'
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
"""

#: By the enum's name: its labels, as literals of SQL in the enum's order.
type Labels = dict[str, list[str]]


def labels_then(ddl: str) -> Labels:
    """The enums of an archive's DDL."""
    return {name: _LABEL.findall(labels) for name, labels in _ENUM.findall(ddl)}


async def labels_now(conn: AsyncConnection[Any], oid: int) -> dict[int, Labels]:
    """By attnum of the table `oid`: the enums that values of the column hold, as the caller's transaction sees them."""
    found: dict[int, Labels] = {}
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            for number, name, labels in await (await cur.execute(_BY_COLUMN, {"oid": oid})).fetchall():
                found.setdefault(number, {})[name] = labels
    return found


def are_kept(then: Sequence[str], now: Sequence[str]) -> bool:
    """Whether `now` has all labels of `then` in their order, with any number of new ones among them."""
    rest = iter(now)
    return all(label in rest for label in then)
