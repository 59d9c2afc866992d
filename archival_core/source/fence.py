"""Has a chunk changed since it was read?

The answer may be a false alarm, never a false all-clear: a row that was written by a transaction which the reading snapshot
did not yet see has an `xmin` no older than the oldest one then running; a row that went away is missing in the count; rows that
were moved lie in another file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.model.chunk import Chunk
from archival_core.source.translate import source_errors

# age() compares modulo 2^32, as PostgreSQL itself does.
_NEWER: LiteralString = "age(xmin) <= age((pg_snapshot_xmin(%(snapshot)s::pg_snapshot)::text::bigint %% 4294967296)::text::xid)"


@dataclass(frozen=True, slots=True)
class Mark:
    """What a chunk was like when it was read."""

    #: `pg_current_snapshot()` of the reading transaction
    snapshot: str
    rows: int
    #: `Storage.files`
    files: tuple[int, ...]


async def is_unchanged(conn: AsyncConnection[Any], chunk: Chunk, mark: Mark, files: tuple[int, ...]) -> bool:
    """Whether `chunk` holds now, for the transaction of `conn`, the same rows in the same places as at `mark`.

    False for a compressed chunk: what is inside its compressed batches has no `xmin` of its own.
    """
    if chunk.is_compressed or files != mark.files:
        return False
    query: LiteralString = f"SELECT count(*), count(*) FILTER (WHERE {_NEWER}) FROM "
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            relation = chunk.relation.sql.replace("%", "%%")  # a name may hold what psycopg takes for a placeholder
            await cur.execute((query + relation).encode(), {"snapshot": mark.snapshot})
            row = await cur.fetchone()
    assert row is not None
    return tuple(row) == (mark.rows, 0)
