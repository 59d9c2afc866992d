"""What PostgreSQL's statistics say about a chunk's columns. They are estimates, so they decide how it is read, never what."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.model.chunk import Chunk
from archival_core.source.translate import source_errors

# The view leaves out what the caller may not read, and what was never analysed. A partition with partitions has two rows.
DENSE: Final[LiteralString] = """
SELECT attname::text FROM pg_catalog.pg_stats
WHERE schemaname = %s AND tablename = %s GROUP BY attname HAVING max(null_frac) <= 0.01
"""


async def dense_columns(conn: AsyncConnection[Any], chunk: Chunk) -> frozenset[str]:
    """Columns of which at most one value in a hundred is NULL; none if nobody knows.

    Of a compressed chunk they tell only the rows that came later.
    """
    if chunk.is_compressed:
        return frozenset()
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(DENSE, (chunk.relation.schema, chunk.relation.name))
            return frozenset(name for (name,) in await cur.fetchall())
