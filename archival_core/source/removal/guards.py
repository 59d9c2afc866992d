"""Who would suffer if a chunk went: what a removal has to look at besides the chunk's own rows."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import dict_row, tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunk import Chunk, Relation
from archival_core.source.catalog.bounds import INTEGER_TIMES
from archival_core.source.session import pinned
from archival_core.source.translate import source_errors

SIBLINGS: Final[LiteralString] = """
SELECT s.chunk_schema, s.chunk_name
FROM timescaledb_information.chunks c
JOIN timescaledb_information.chunks s USING (hypertable_schema, hypertable_name)
WHERE c.hypertable_schema = %(schema)s AND c.hypertable_name = %(name)s
  AND c.chunk_schema = %(chunk_schema)s AND c.chunk_name = %(chunk_name)s
  AND (s.range_start, s.range_end, s.range_start_integer, s.range_end_integer)
      IS NOT DISTINCT FROM (c.range_start, c.range_end, c.range_start_integer, c.range_end_integer)
  AND (s.chunk_schema, s.chunk_name) <> (c.chunk_schema, c.chunk_name)
ORDER BY 1, 2
"""

# Whose next refresh looks at the range again and finds no rows there.
REFRESHED_AGGREGATES: Final[LiteralString] = """
SELECT format('%%I.%%I', a.view_schema, a.view_name) AS name, j.config ->> 'start_offset' AS start_offset
FROM timescaledb_information.continuous_aggregates a
JOIN timescaledb_information.jobs j
    ON j.proc_name = 'policy_refresh_continuous_aggregate'
   AND (j.hypertable_schema, j.hypertable_name) IN (
       (a.materialization_hypertable_schema, a.materialization_hypertable_name),
       (a.view_schema, a.view_name)  -- in newer versions
   )
WHERE a.hypertable_schema = %(schema)s AND a.hypertable_name = %(name)s
  AND CASE WHEN j.config ->> 'start_offset' IS NULL OR %(range_end)s::text IS NULL OR %(is_integer)s THEN true
           ELSE %(range_end)s::timestamptz > now() - (j.config ->> 'start_offset')::interval END
ORDER BY 1
"""

# Not among the information views; where a version has no such column, nobody knows, and DROP does not ask.
KNOWS_FROZEN: Final[LiteralString] = """
SELECT 1 FROM pg_catalog.pg_attribute
WHERE attrelid = to_regclass('_timescaledb_catalog.chunk') AND attname = 'status' AND NOT attisdropped
"""
FROZEN: Final[LiteralString] = """
SELECT 1 FROM _timescaledb_catalog.chunk WHERE schema_name = %(schema)s AND table_name = %(name)s AND status & 4 <> 0
"""


async def siblings(conn: AsyncConnection[Any], chunk: Chunk) -> list[Relation]:
    """The other chunks of the same time range: a hypertable with a space dimension has several."""
    if chunk.kind == "native":
        return []
    names = {"chunk_schema": chunk.relation.schema, "chunk_name": chunk.relation.name}
    with source_errors():
        async with pinned(conn), conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(SIBLINGS, _parent(chunk) | names)
            return [Relation(schema, name) for schema, name in await cur.fetchall()]


async def check_aggregates(conn: AsyncConnection[Any], chunk: Chunk) -> None:
    """Raise `PermanentError` (`continuous-aggregate`) if a refresh policy reaches into the chunk's range.

    It would delete what it has aggregated there: after the drop, or as soon as one late row comes into the range. Integer
    time has no age that could be told here, so any policy is in the way.
    """
    if chunk.kind == "native":
        return
    values = {"range_end": chunk.range.end, "is_integer": chunk.time_type in INTEGER_TIMES}
    with source_errors():
        async with pinned(conn), conn.cursor(row_factory=dict_row) as cur:
            await cur.execute(REFRESHED_AGGREGATES, _parent(chunk) | values)
            found = await cur.fetchall()
    if found:
        names = ", ".join(f"{row['name']} (start_offset {row['start_offset'] or 'without limit'})" for row in found)
        raise PermanentError(
            f"{chunk.relation} is not removed: the refresh policy of continuous aggregate {names} reaches back into its range"
            " and would delete what was aggregated there; give the policy a start_offset shorter than the chunk's age"
            " (remove_continuous_aggregate_policy, then add_continuous_aggregate_policy)",
            code="continuous-aggregate",
        )


async def check_frozen(conn: AsyncConnection[Any], chunk: Chunk) -> None:
    """Raise `PermanentError` (`frozen`) for a chunk that somebody has frozen: DROP TABLE would not mind."""
    if chunk.kind == "native":
        return
    with source_errors():
        async with pinned(conn), conn.cursor(row_factory=tuple_row) as cur:
            if await (await cur.execute(KNOWS_FROZEN)).fetchone() is None:
                return
            await cur.execute(FROZEN, {"schema": chunk.relation.schema, "name": chunk.relation.name})
            if await cur.fetchone() is not None:
                raise PermanentError(
                    f"{chunk.relation} is frozen and stays; unfreeze_chunk() lets it be removed", code="frozen"
                )


def _parent(chunk: Chunk) -> dict[str, Any]:
    return {"schema": chunk.hypertable.schema, "name": chunk.hypertable.name}
