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

# Those of identity columns and of `serial`. A sequence that goes down, or that the user may not set, is left alone, and so is
# one that belongs to a column of texts: nobody knows which number is in which text.
_OWNED: Final[LiteralString] = """
SELECT a.attname AS column, n.nspname AS schema, s.relname AS name, q.seqmax AS last
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
  AND d.deptype IN ('a', 'i') AND d.refobjid = to_regclass(%s) AND q.seqincrement > 0
  AND has_sequence_privilege(s.oid, 'UPDATE') AND has_sequence_privilege(s.oid, 'SELECT')
"""
_NUMBERS: Final = frozenset({"pg_catalog.int2", "pg_catalog.int4", "pg_catalog.int8", "pg_catalog.numeric"})
# Numbers that the sequence cannot give, and its last one, came from elsewhere: past these no sequence can be moved, and at its
# last number it would refuse the next row.
_ADVANCE: Final = sql.SQL("""
SELECT setval({name}::regclass, top::bigint)
FROM (SELECT max({value}::numeric) AS top FROM {staging} WHERE {value}::numeric < {last}) AS restored, {sequence} AS s
WHERE top > s.last_value OR (top = s.last_value AND NOT s.is_called)
""")


async def owned_sequences(conn: AsyncConnection[Any], target: Relation) -> list[dict[str, Any]]:
    """The sequences behind columns of `target`, for `advance`."""
    async with conn.cursor(row_factory=dict_row) as cur:
        return await (await cur.execute(_OWNED, (target.sql,))).fetchall()


async def advance(
    conn: AsyncConnection[Any], sequences: Sequence[dict[str, Any]], staging: StagingTable, columns: Sequence[FittedColumn]
) -> None:
    """Move each sequence past the greatest restored value that it could have given, if it is not there yet.

    The sequence of a table that was made anew is at its beginning.
    """
    by_name = {column.target.name: column for column in columns}
    async with conn.cursor() as cur:
        for row in sequences:
            column = by_name.get(row["column"])
            if column is None or column.target.is_array or column.target.base_type not in _NUMBERS:
                continue
            sequence = Relation(row["schema"], row["name"])
            statement = _ADVANCE.format(
                name=sequence.sql,
                value=expression(f"({column.value})"),
                staging=name_of(staging.relation),
                sequence=name_of(sequence),
                last=row["last"],
            )
            await cur.execute(statement)
