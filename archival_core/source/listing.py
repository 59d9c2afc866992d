"""Which hypertables the source database has."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.model.chunk import Relation
from archival_core.source.session import pinned
from archival_core.source.timescaledb import EXTENSION
from archival_core.source.translate import source_errors

#: Partitioned by range of one column, and no partition itself.
NATIVE: Final[LiteralString] = """
SELECT n.nspname, c.relname
FROM pg_catalog.pg_partitioned_table p
JOIN pg_catalog.pg_class c ON c.oid = p.partrelid AND NOT c.relispartition
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE p.partstrat = 'r' AND p.partnatts = 1 AND p.partattrs[0] > 0
ORDER BY 1, 2 LIMIT %(limit)s
"""
TIMESCALEDB: Final[LiteralString] = """
SELECT hypertable_schema, hypertable_name FROM timescaledb_information.hypertables ORDER BY 1, 2 LIMIT %(limit)s
"""


async def hypertables(conn: AsyncConnection[Any], limit: int) -> list[Relation]:
    """Up to `limit` hypertables of TimescaleDB, then as many tables that PostgreSQL partitions by range, by their names."""
    found: list[Relation] = []
    with source_errors():
        async with pinned(conn), conn.cursor(row_factory=tuple_row) as cur:
            if await (await cur.execute(EXTENSION)).fetchone() is not None:
                found += [Relation(*row) for row in await (await cur.execute(TIMESCALEDB, {"limit": limit})).fetchall()]
            found += [Relation(*row) for row in await (await cur.execute(NATIVE, {"limit": limit})).fetchall()]
    return found
