"""A chunk that was compressed when it was archived is compressed again. Only TimescaleDB's Community edition can do that."""

from __future__ import annotations

from typing import Any, Final, LiteralString

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row

from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.source.catalog.partitioning import timescaledb
from archival_core.source.catalog.partitioning.bounds import INTEGER_TIMES

_OVERLAP: Final[dict[bool, LiteralString]] = {
    False: " AND range_start < coalesce(%(end)s, 'infinity')::timestamptz"
    " AND range_end > coalesce(%(start)s, '-infinity')::timestamptz",
    True: " AND range_start_integer < coalesce(%(end)s, '9223372036854775807')::bigint"
    " AND range_end_integer > coalesce(%(start)s, '-9223372036854775808')::bigint",
}


async def compress_again(conn: AsyncConnection[Any], hypertable: Relation, chunk: Chunk) -> str | None:
    """Compress the chunks of `hypertable` in the range of `chunk`; `conn` is idle.

    Returns why they are not compressed, or `None` if they are.
    """
    names = {"schema": hypertable.schema, "name": hypertable.name, "start": chunk.range.start, "end": chunk.range.end}
    try:
        async with conn.transaction(), conn.cursor(row_factory=dict_row) as cur:
            await cur.execute("SET LOCAL lock_timeout = '30s'")
            extension = await (await cur.execute(timescaledb.EXTENSION)).fetchone()
            assert extension is not None, "a hypertable has its extension"
            await cur.execute(timescaledb.CHUNKS + _OVERLAP[chunk.time_type in INTEGER_TIMES], names)
            compress = sql.SQL("SELECT {}.compress_chunk(%s::regclass, if_not_compressed => true)").format(
                sql.Identifier(extension["schema"])
            )
            for row in await cur.fetchall():
                await cur.execute(compress, (Relation(row["chunk_schema"], row["chunk_name"]).sql,))
    except psycopg.Error as error:
        return error.diag.message_primary or str(error).strip()
    return None
