"""The columns by which a chunk's rows belong together, as its owner has said."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.model.chunks.chunk import Chunk
from archival_core.source.translate import source_errors

_SETTINGS_VIEW: Final[LiteralString] = "SELECT to_regclass('timescaledb_information.compression_settings') IS NOT NULL"

SEGMENT_BY: Final[LiteralString] = """
SELECT attname FROM timescaledb_information.compression_settings
WHERE hypertable_schema = %(schema)s AND hypertable_name = %(table)s AND segmentby_column_index IS NOT NULL
ORDER BY segmentby_column_index
"""

# Indexes of plain columns, without a condition, that hold the time: the primary key first, then the index with the most
# columns.
INDEX: Final[LiteralString] = """
SELECT names FROM (
    SELECT i.indisprimary, i.indisunique, array_agg(a.attname::text ORDER BY k.position) AS names
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (attnum, position)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
    WHERE n.nspname = %(schema)s AND c.relname = %(table)s AND i.indpred IS NULL AND i.indexprs IS NULL
      AND k.position <= i.indnkeyatts
    GROUP BY i.indexrelid
) indexes
WHERE %(time)s = ANY (names)
ORDER BY indisprimary DESC, cardinality(names) DESC, indisunique DESC, names LIMIT 1
"""


async def order_columns(conn: AsyncConnection[Any], chunk: Chunk) -> tuple[str, ...]:
    """The segment-by columns, or those of the hypertable's index with the time; then the time column."""
    names = {"schema": chunk.hypertable.schema, "table": chunk.hypertable.name, "time": chunk.time_column}
    found: list[str] = []
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            if (await (await cur.execute(_SETTINGS_VIEW)).fetchone()) == (True,):
                found = [name for (name,) in await (await cur.execute(SEGMENT_BY, names)).fetchall()]
            if not found and (row := await (await cur.execute(INDEX, names)).fetchone()):
                found = [name for name in row[0] if name != chunk.time_column]
    return (*found, chunk.time_column)
