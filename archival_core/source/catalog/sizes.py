"""The sizes of many chunks at once, by the database's own statistics and without reading a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from archival_core.model.chunks.chunk import Chunk
from archival_core.source.catalog.partitioning import timescaledb
from archival_core.source.session import pinned
from archival_core.source.translate import source_errors

# The leaves of a partition that is partitioned itself; any other chunk is its own leaf. A table that was never analysed has
# -1 rows, and then the number of rows inserted since the statistics were reset is the better guess.
ESTIMATES: Final[LiteralString] = """
SELECT asked.oid::bigint AS oid,
       sum(CASE WHEN c.reltuples >= 0 THEN c.reltuples ELSE pg_stat_get_live_tuples(c.oid) END)::bigint AS rows,
       sum(pg_total_relation_size(c.oid))::bigint AS bytes
FROM unnest(%(oids)s::bigint[]) AS asked (oid)
LEFT JOIN LATERAL pg_partition_tree(asked.oid::oid::regclass) t ON t.isleaf
JOIN pg_catalog.pg_class c ON c.oid = coalesce(t.relid::oid, asked.oid::oid)
GROUP BY asked.oid
"""


@dataclass(frozen=True, slots=True)
class Size:
    """Of one chunk."""

    #: `None` where the statistics do not tell, as of compressed chunks
    rows: int | None
    #: on disk: table, indexes, TOAST, and its compressed data where that can be told
    bytes: int


async def estimates(conn: AsyncConnection[Any], chunks: Sequence[Chunk]) -> dict[int, Size]:
    """The size of each of `chunks`, by its oid; a chunk that was dropped is left out.

    Raises `TransientError` (`source-locked`) if one of them is being dropped for longer than 2 s.
    """
    compressed = {chunk.relation: chunk.oid for chunk in chunks if chunk.is_compressed}
    with source_errors():
        async with pinned(conn, lock_timeout="2s"), conn.cursor(row_factory=dict_row) as cur:
            await cur.execute(ESTIMATES, {"oids": [chunk.oid for chunk in chunks]})
            found = {row["oid"]: Size(row["rows"], row["bytes"]) for row in await cur.fetchall() if row["bytes"] is not None}
            if compressed:
                totals = await timescaledb.total_bytes(conn, chunks[0].hypertable)
                for relation, oid in compressed.items():
                    if oid in found:
                        found[oid] = Size(None, totals.get(relation, found[oid].bytes))
    return found
