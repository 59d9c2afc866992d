"""Which tables of the source can be archived: hypertables, and tables partitioned by range of one column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from archival_core.model.chunks.chunk import Relation
from archival_core.source.catalog.partitioning import timescaledb
from archival_core.source.session import pinned
from archival_core.source.translate import source_errors

NATIVE: Final[LiteralString] = """
SELECT n.nspname AS schema, c.relname AS name, a.attname AS time_column, format_type(a.atttypid, NULL) AS time_type,
       (SELECT count(*) FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid) AS chunks
FROM pg_catalog.pg_partitioned_table p
JOIN pg_catalog.pg_class c ON c.oid = p.partrelid AND NOT c.relispartition AND c.relpersistence <> 't'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0] AND a.attnum > 0
WHERE p.partstrat = 'r' AND p.partnatts = 1
ORDER BY 1, 2
"""
HYPERTABLES: Final[LiteralString] = """
SELECT h.hypertable_schema AS schema, h.hypertable_name AS name, d.column_name AS time_column, d.column_type::text AS time_type,
       h.num_chunks AS chunks
FROM timescaledb_information.hypertables h
JOIN timescaledb_information.dimensions d USING (hypertable_schema, hypertable_name)
WHERE d.dimension_number = 1
ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class SourceTable:
    """One table whose chunks can be archived."""

    relation: Relation
    kind: Literal["timescaledb", "native"]
    time_column: str
    time_type: str
    #: in the database now; of a partitioned table with its DEFAULT partition
    chunks: int


async def source_tables(conn: AsyncConnection[Any]) -> list[SourceTable]:
    """Every such table."""
    found: list[SourceTable] = []
    with source_errors():
        async with pinned(conn), conn.cursor(row_factory=dict_row) as cur:
            if await (await cur.execute(timescaledb.EXTENSION)).fetchone() is not None:
                await cur.execute(HYPERTABLES)
                found += [_table(row, "timescaledb") for row in await cur.fetchall()]
            await cur.execute(NATIVE)
            found += [_table(row, "native") for row in await cur.fetchall()]
    return found


def _table(row: dict[str, Any], kind: Literal["timescaledb", "native"]) -> SourceTable:
    return SourceTable(Relation(row["schema"], row["name"]), kind, row["time_column"], row["time_type"], row["chunks"])
