"""The tables in which rows of a table lie, and what tells that one of them was written anew, detached or compressed since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError
from archival_core.source.state.snapshot.readable import NamedTable
from archival_core.source.translate import source_errors

# The planner reads what is committed when a statement begins. A table is written anew under another relfilenode.
_MEMBERS: Final[LiteralString] = """
WITH RECURSIVE member (oid, leaving) AS (
    SELECT %s::bigint::oid, false
    UNION ALL
    SELECT child.oid, m.leaving OR child.leaving
    FROM member m CROSS JOIN LATERAL (
        SELECT i.inhrelid AS oid, coalesce((to_jsonb(i) ->> 'inhdetachpending')::boolean, false) AS leaving
        FROM pg_catalog.pg_inherits i WHERE i.inhparent = m.oid OFFSET 0
    ) child
)
SELECT c.oid::bigint, c.relfilenode::text || CASE WHEN m.leaving THEN ' leaving' ELSE '' END, c.relkind::text
FROM member m JOIN pg_catalog.pg_class c ON c.oid = m.oid
"""
_LEAVING: Final = " leaving"
#: the end of the text of a compressed chunk
COMPRESSED: Final = " compressed"
# Of a compressed chunk most rows lie in another table.
_COMPRESSED: Final[LiteralString] = """
SELECT to_regclass(pg_catalog.format('%%I.%%I', k.chunk_schema, k.chunk_name))::oid::bigint
FROM timescaledb_information.chunks k
WHERE k.hypertable_schema = %s AND k.hypertable_name = %s AND k.is_compressed
"""


async def members(conn: AsyncConnection[Any], named: NamedTable) -> dict[int, str]:
    """By oid: every table in which rows of `named` lie, and a text that is another one when that table was changed.

    Changed is a table that was written anew, or compressed, or whose detachment has begun.

    Raises `PermanentError` (`foreign-partition`).
    """
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            rows = await (await cur.execute(_MEMBERS, (named.oid,))).fetchall()
            if foreign := [oid for oid, _, kind in rows if kind == "f"]:
                raise PermanentError(
                    f"{named.relation} has foreign tables ({len(foreign)}), whose rows are in no snapshot of this database",
                    code="foreign-partition",
                )
            found = {oid: text for oid, text, _ in rows}
            if named.kind == "timescaledb":
                relation = named.relation
                for (oid,) in await (await cur.execute(_COMPRESSED, (relation.schema, relation.name))).fetchall():
                    if oid in found:
                        found[oid] += COMPRESSED
    return found


def read_in_snapshot(found: Mapping[int, str]) -> dict[int, str]:
    """Those of `members` that statements of the snapshot read: none of them reads a partition that is being detached."""
    return {oid: file for oid, file in found.items() if not file.endswith(_LEAVING)}
