"""Which tables exist: one question for many tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from archival_core.model.chunks.chunk import Relation
from archival_core.source.catalog.primary import check_primary
from archival_core.source.translate import source_errors

OIDS: Final[LiteralString] = """
SELECT asked.schema, asked.name, c.oid::bigint AS oid
FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS asked (schema, name)
JOIN pg_catalog.pg_namespace n ON n.nspname = asked.schema
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name
"""

# A standby may not have the newest tables yet, so no table counts as missing there.
MISSING: Final[LiteralString] = """
SELECT asked.oid FROM unnest(%s::bigint[]) AS asked (oid)
WHERE NOT pg_is_in_recovery() AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = asked.oid::oid)
"""


async def table_oids(conn: AsyncConnection[Any], tables: Sequence[Relation]) -> dict[Relation, int]:
    """Those of `tables` that exist, and their oid in the catalog. Raises `TransientError` (`source-standby`)."""
    await check_primary(conn)
    with source_errors():
        async with conn.cursor(row_factory=dict_row) as cur:
            await cur.execute(OIDS, {"schemas": [t.schema for t in tables], "names": [t.name for t in tables]})
            return {Relation(row["schema"], row["name"]): row["oid"] for row in await cur.fetchall()}


async def missing_oids(conn: AsyncConnection[Any], oids: Sequence[int]) -> set[int]:
    """Those of `oids` that no table has. A table that was renamed, or is no chunk any more, is not missing."""
    with source_errors():
        async with conn.cursor(row_factory=dict_row) as cur:
            await cur.execute(MISSING, (list(oids),))
            return {row["oid"] for row in await cur.fetchall()}
