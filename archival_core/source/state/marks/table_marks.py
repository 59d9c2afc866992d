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


async def of_table(conn: AsyncConnection[Any], hypertable: str, archives: Collection[UUID]) -> dict[UUID, StandIn] | None:
    """What became of the rows of the hypertable's archives, and of `archives`; `None` where there are no marks at all."""
    with source_errors():
        if not await mark_schema.is_there(conn):
            return None
        async with conn.cursor(row_factory=dict_row) as cur:
            rows = await (await cur.execute(OF_TABLE, (hypertable, list(archives)))).fetchall()
    return {row["archive"]: StandIn(**{**row, "kind": StandInKind(row["kind"])}) for row in rows}
