"""Steps that the tests of both kinds of source share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pyarrow as pa
from psycopg.rows import tuple_row

from archival_core.model.chunks.chunk import Chunk, quote_identifier
from archival_core.source import catalog
from archival_core.source.session import pinned
from archival_core.source.state.snapshot import parts
from archival_core.source.state.snapshot.snapshot import ChunkFacts, ReadSnapshot
from archival_core.source.wire.columns import plan_columns
from archival_core.source.wire.extract import read_batches
from archival_core.source.wire.gathering import gathered_pages

Connection = psycopg.AsyncConnection[Any]


async def read_chunk(
    url: str, conn: Connection, chunk: Chunk, nulls: float | Mapping[str, float] = 0.0, **options: Any
) -> tuple[pa.Table, ChunkFacts]:
    """The chunk as the service reads it, unless `options` say otherwise, and the facts measured in the same snapshot.

    `nulls` is what the statistics may wrongly say of every column, or of some.
    """
    async with ReadSnapshot(conn, chunk) as snapshot:
        columns = await catalog.columns(conn, chunk.hypertable)
        shares = nulls if isinstance(nulls, Mapping) else dict.fromkeys((column.name for column in columns), nulls)
        plan = plan_columns(columns, nulls=shares, in_utf8=snapshot.in_utf8)
        facts = await snapshot.measure()
        options = {"gathered_pages": gathered_pages(chunk, plan, await parts.storage(conn, chunk))} | options
        with closing(read_batches(url, snapshot.snapshot_id, chunk, plan, **options)) as batches:
            tables = [pa.Table.from_batches([batch]) for batch in batches]
            # texts stand behind the columns of a batch that needs them
            table = pa.concat_tables([plan.schema.empty_table(), *tables], promote_options="default")
    table.validate(full=True)
    assert "part" in options or table.num_rows == facts.rows
    return table, facts


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """The rows in a stable order."""
    return sorted((tuple(row.values()) for row in table.to_pylist()), key=repr)


async def plain_rows(conn: Connection, chunk: Chunk, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """The same rows by an ordinary SELECT on the hypertable."""
    selected = ", ".join(f"h.{quote_identifier(name)}" for name in names)
    query = f"SELECT {selected} FROM {chunk.hypertable.sql} h WHERE h.tableoid = '{chunk.relation.sql}'::regclass"
    async with pinned(conn), conn.cursor(row_factory=tuple_row) as cur:
        await cur.execute(query.encode())
        return sorted((_utc(row) for row in await cur.fetchall()), key=repr)


async def assert_equal_rows(url: str, conn: Connection, chunk: Chunk) -> ChunkFacts:
    """Every row of the chunk arrives, and nothing else."""
    table, facts = await read_chunk(url, conn, chunk)
    assert rows(table) == await plain_rows(conn, chunk, table.column_names)
    return facts


def _utc(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """As pyarrow gives timestamps: with the zone UTC itself."""
    return tuple(value.astimezone(ZoneInfo("UTC")) if isinstance(value, datetime) and value.tzinfo else value for value in row)
