"""The sequences behind a table's columns: the next row must not get a number that was restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row

from archival_core.model.chunks.chunk import Relation
from archival_core.source.restore.columns.fitting import FittedColumn
from archival_core.source.restore.loading.staging import StagingTable
from archival_core.source.statement import expression, name_of

# Those of identity columns and of `serial`. A sequence that goes down, or that the user may not set, is left alone.
_OWNED: Final[LiteralString] = """
SELECT a.attname AS column, n.nspname AS schema, s.relname AS name
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
  AND d.deptype IN ('a', 'i') AND d.refobjid = to_regclass(%s) AND q.seqincrement > 0
  AND has_sequence_privilege(s.oid, 'UPDATE') AND has_sequence_privilege(s.oid, 'SELECT')
"""
_ADVANCE: Final = sql.SQL("""
SELECT setval({name}::regclass, top::bigint)
FROM (SELECT max({natural}) AS top FROM {staging}) AS restored, {sequence} AS s
WHERE top > s.last_value
""")


async def advance_sequences(
    conn: AsyncConnection[Any], target: Relation, staging: StagingTable, columns: Sequence[FittedColumn]
) -> None:
    """Move each sequence past the greatest restored value, if it is not there yet.

    The sequence of a table that was made anew is at its beginning.
    """
    by_name = {column.target.name: column for column in columns}
    async with conn.cursor(row_factory=dict_row) as cur:
        for row in await (await cur.execute(_OWNED, (target.sql,))).fetchall():
            if (column := by_name.get(row["column"])) is None:
                continue
            sequence = Relation(row["schema"], row["name"])
            advance = _ADVANCE.format(
                name=sequence.sql,
                natural=expression(column.natural),
                staging=name_of(staging.relation),
                sequence=name_of(sequence),
            )
            await cur.execute(advance)
