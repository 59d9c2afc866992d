"""What PostgreSQL's statistics say about a chunk's columns.

Statistics are estimates. They decide how a chunk is read, and never what is read.
"""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.model.chunks.chunk import Chunk
from archival_core.source.translate import source_errors

# The view leaves out columns that the caller may not read, and tables that were never analysed. A partition with partitions
# has two rows.
NULLS: Final[LiteralString] = """
SELECT attname::text, max(null_frac)::float8 FROM pg_catalog.pg_stats WHERE schemaname = %s AND tablename = %s GROUP BY attname
"""


async def null_shares(conn: AsyncConnection[Any], chunk: Chunk) -> dict[str, float]:
    """The share of each column's values that is NULL, as far as it is known.

    Nothing is known of a compressed chunk, because its statistics speak of the rows that came later.
    """
    if chunk.is_compressed:
        return {}
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(NULLS, (chunk.relation.schema, chunk.relation.name))
            return dict(await cur.fetchall())
