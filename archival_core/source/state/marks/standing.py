"""The archives that stand in for rows, as whoever asks questions needs them of the marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.source.state.marks import mark_schema
from archival_core.source.translate import source_errors

_STAND_INS: Final[LiteralString] = """
SELECT archive, hypertable, lake_path, manifest, born, xmin::text FROM archival_marks.stand_in
WHERE kind IN ('removed', 'dropped by others') AND (%(of)s::text IS NULL OR hypertable = %(of)s)
"""


@dataclass(frozen=True, slots=True)
class StandingArchive:
    """An archive that stands in for rows, as its mark says."""

    archive: UUID
    hypertable: str
    lake_path: str
    #: SHA-256 of its manifest
    manifest: str
    #: number of the transaction that made the chunk
    born: str
    #: number of the transaction that wrote the mark; of another count than `born` where the mark came with a dump
    marked: str


async def standing(conn: AsyncConnection[Any], of: str | None = None) -> tuple[StandingArchive, ...]:
    """Archives that stand in for rows; those alone that have the name of the hypertable `of`, where it is given."""
    if not await mark_schema.is_there(conn):
        return ()
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            return tuple(StandingArchive(*row) for row in await (await cur.execute(_STAND_INS, {"of": of})).fetchall())
