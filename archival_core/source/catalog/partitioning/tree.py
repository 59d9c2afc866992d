"""The tables in which a chunk's rows lie.

A partition may be partitioned again, and a compressed chunk is two tables. The root says nothing about the tables below it,
which somebody may have exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, Leaf, Relation
from archival_core.source.catalog.partitioning.timescaledb_internals import compressed_rows
from archival_core.source.translate import source_errors

# The planner does not know how few members there are. An array and OFFSET 0 keep it from reading the whole catalog, or from
# compiling the statement: each member is found by an oid, however large the database is. The row of a system column is written
# when its table is made, and no ALTER TABLE changes it. A partition that is detached CONCURRENTLY is not read any more with its
# table, and is dropped with it until the detachment is complete; PostgreSQL before 14 has no such ones.
_MEMBERS: Final[LiteralString] = """
WITH RECURSIVE member (oid) AS (
    SELECT %(chunk)s::bigint::oid
    UNION ALL
    SELECT child.oid
    FROM member m CROSS JOIN LATERAL (
        SELECT i.inhrelid AS oid FROM pg_catalog.pg_inherits i WHERE i.inhparent = m.oid OFFSET 0
    ) child
)
SELECT found.*
FROM unnest(ARRAY(SELECT oid FROM member {compressed})) AS s (oid) CROSS JOIN LATERAL (
    SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, c.relfilenode::bigint AS relfilenode,
           c.relpersistence::text AS persistence, c.relkind::text AS kind, a.xmin::text::bigint AS created,
           c.oid <> %(chunk)s::bigint::oid AND EXISTS (
               SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid AND (to_jsonb(i) ->> 'inhdetachpending')::boolean
           ) AS is_leaving
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = -1
    WHERE c.oid = s.oid OFFSET 0
) found
ORDER BY found.oid
"""


async def tree(conn: AsyncConnection[Any], chunk: Chunk) -> tuple[Leaf, ...]:
    """Every table in which rows of `chunk` lie, by oid.

    These are the leaves of a partition that is partitioned again, a hypertable's chunk itself, and its compressed table.
    Looked up by the chunk's oid, in the caller's transaction; what is told stays so as long as the caller holds a lock on the
    chunk. Raises `PermanentError`: `unknown-chunk` if there is no such table, `detach-pending`, and `unknown-timescaledb`
    where this version does not tell the compressed table of a compressed chunk.
    """
    with source_errors():
        compressed = None
        if chunk.kind == "timescaledb":
            compressed = await compressed_rows.compressed_oid(conn, chunk)
        return await _leaves(conn, chunk, f" UNION ALL {compressed}" if compressed else "")


async def readable_leaves(conn: AsyncConnection[Any], chunk: Chunk) -> tuple[Leaf, ...]:
    """As `tree`, without the compressed table, if all of them can be read.

    Raises `PermanentError`, besides those of `tree`: `foreign-partition` for a foreign table, which no snapshot covers,
    `temporary-table` for one that only its own session can read, and `no-leaves` where no table holds rows.
    """
    with source_errors():
        leaves = await _leaves(conn, chunk, "")
    check_readable(chunk, leaves)
    return leaves


def check_readable(chunk: Chunk, leaves: Sequence[Leaf]) -> None:
    """Raise `PermanentError` (`foreign-partition`, `temporary-table`, `no-leaves`) unless `leaves` can all be read."""
    if not leaves:
        raise PermanentError(
            f"{chunk.relation} is partitioned and has no partitions: no table holds rows of it; drop it, or give it partitions",
            code="no-leaves",
        )
    if foreign := [str(leaf.relation) for leaf in leaves if leaf.is_foreign]:
        raise PermanentError(
            f"{chunk.relation} holds the foreign table {', '.join(foreign)}, whose rows are in another database and in no"
            " snapshot of this one: archive them where they are stored, and detach the foreign table",
            code="foreign-partition",
        )
    if temporary := [str(leaf.relation) for leaf in leaves if leaf.persistence == "t"]:
        raise PermanentError(
            f"{', '.join(temporary)} is a temporary table, which its own session alone can read", code="temporary-table"
        )


async def _leaves(conn: AsyncConnection[Any], chunk: Chunk, compressed: LiteralString) -> tuple[Leaf, ...]:
    async with conn.cursor(row_factory=dict_row) as cur:
        rows = await (await cur.execute(_MEMBERS.format(compressed=compressed), {"chunk": chunk.oid})).fetchall()
    if not rows:
        raise PermanentError(f"{chunk.relation} is gone", code="unknown-chunk")
    if leaving := [str(_leaf(row).relation) for row in rows if row["is_leaving"]]:
        raise PermanentError(
            f"{', '.join(leaving)} is being detached from {chunk.relation} and would be dropped with it: complete that with"
            " ALTER TABLE … DETACH PARTITION … FINALIZE",
            code="detach-pending",
        )
    return tuple(_leaf(row) for row in rows if row["kind"] != "p")


def _leaf(row: dict[str, Any]) -> Leaf:
    return Leaf(
        relation=Relation(row["schema"], row["name"]),
        oid=row["oid"],
        relfilenode=row["relfilenode"],
        persistence=row["persistence"],
        is_foreign=row["kind"] == "f",
        created=row["created"],
    )
