"""The marks of one table: which of its archives stand in for rows, whether or not a ledger knows them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from archival_core.source.state.marks import mark_schema
from archival_core.source.state.marks.stand_ins import StandIn, StandInKind
from archival_core.source.translate import source_errors

OF_TABLE: Final[LiteralString] = """
SELECT archive, kind, hypertable, chunk, lake_path, manifest, oid, born FROM archival_marks.stand_in
WHERE hypertable = %s OR archive = ANY(%s)
"""
ABOUT: Final[LiteralString] = """
SELECT archive, kind, hypertable, chunk, lake_path, manifest, oid, born FROM archival_marks.stand_in
WHERE archive = ANY(%(archives)s)
UNION
SELECT s.archive, s.kind, s.hypertable, s.chunk, s.lake_path, s.manifest, s.oid, s.born
FROM unnest(%(oids)s::bigint[], %(born)s::text[]) AS asked (oid, born)
JOIN archival_marks.stand_in s ON s.oid = asked.oid AND s.born = asked.born
WHERE s.hypertable = %(hypertable)s
"""


async def of_table(conn: AsyncConnection[Any], hypertable: str, archives: Collection[UUID]) -> dict[UUID, StandIn] | None:
    """What became of the rows of the hypertable's archives, and of `archives`; `None` where there are no marks at all."""
    return await _read(conn, OF_TABLE, (hypertable, list(archives)))


async def about(
    conn: AsyncConnection[Any], hypertable: str, archives: Collection[UUID], tables: Collection[tuple[int, str | None]]
) -> dict[UUID, StandIn] | None:
    """What became of the rows of `archives`, and of those archives of the hypertable that a mark says were in `tables`, each an
    oid and the transaction that made it; `None` where there are no marks at all."""
    oids, born = [oid for oid, _ in tables], [made_by for _, made_by in tables]
    return await _read(conn, ABOUT, {"archives": list(archives), "oids": oids, "born": born, "hypertable": hypertable})


async def _read(
    conn: AsyncConnection[Any], query: LiteralString, values: tuple[Any, ...] | dict[str, Any]
) -> dict[UUID, StandIn] | None:
    with source_errors():
        if not await mark_schema.is_there(conn):
            return None
        async with conn.cursor(row_factory=dict_row) as cur:
            rows = await (await cur.execute(query, values)).fetchall()
    return {row["archive"]: StandIn(**{**row, "kind": StandInKind(row["kind"])}) for row in rows}
