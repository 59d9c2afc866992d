"""A native partition that was dropped is made again.

The partition is filled apart from its table and attached at the end, so that nobody who uses the table waits. ATTACH
PARTITION takes a lock that readers and writers of rows do not mind; CREATE TABLE … PARTITION OF would make them wait.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection, sql
from psycopg import errors as postgres
from psycopg.rows import tuple_row

from archival_core import telemetry
from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.source.catalog.partitioning import native
from archival_core.source.restore.proof.row_hash import literal
from archival_core.source.statement import name_of

_LOG = logging.getLogger(__name__)

_OTHER_OWNER: Final[LiteralString] = """
SELECT pg_catalog.pg_get_userbyid(whole.relowner) FROM pg_catalog.pg_class whole, pg_catalog.pg_class part
WHERE whole.oid = to_regclass(%s) AND part.oid = to_regclass(%s) AND whole.relowner <> part.relowner
"""
# Indexes, foreign keys, triggers and identity come with ATTACH, which copies them from the table.
_CREATE: Final = sql.SQL(
    "CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS INCLUDING STORAGE)"
)
_ATTACH: Final = sql.SQL("ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({start}) TO ({end})")
_HAND_OVER: Final = sql.SQL("ALTER TABLE {} OWNER TO {}")
_HAS_SCHEMA: Final[LiteralString] = "SELECT FROM pg_catalog.pg_namespace WHERE nspname = %s"
_EXISTS: Final[LiteralString] = "SELECT to_regclass(%s) IS NOT NULL"


async def missing(conn: AsyncConnection[Any], chunk: Chunk, *, is_free: bool = False) -> Relation | None:
    """The partition's name, if it is free and its table has no other place for its range. Where the place `is_free` by an
    earlier answer, it is not tried again: if it is taken meanwhile, the attachment fails.

    Raises `PermanentError` (`name-taken`) if the name is that of something else.
    """
    key = await native.range_key(conn, chunk.hypertable)
    found = await native.find_chunk(conn, chunk.hypertable, key, chunk.relation) if key else None
    if found is not None and found.range == chunk.range:
        return None
    async with conn.cursor(row_factory=tuple_row) as cur:
        has_name = await (await cur.execute(_EXISTS, (chunk.relation.sql,))).fetchone() == (True,)
    if has_name:
        raise PermanentError(
            f"{chunk.relation} is the name of the partition that the archive was, and now of something else; rename that,"
            " or restore into a table of its own",
            code="name-taken",
        )
    return chunk.relation if is_free or await _is_free(conn, chunk) else None


async def in_its_schema(conn: AsyncConnection[Any], chunk: Chunk) -> Chunk:
    """The chunk in the schema of its table, where its own schema is gone: a schema that was renamed."""
    async with conn.cursor(row_factory=tuple_row) as cur:
        is_there = await (await cur.execute(_HAS_SCHEMA, (chunk.relation.schema,))).fetchone()
    return chunk if is_there else replace(chunk, relation=Relation(chunk.hypertable.schema, chunk.relation.name))


async def create_apart(conn: AsyncConnection[Any], chunk: Chunk) -> None:
    """A table of the partition's name, like its table but alone."""
    await conn.execute(_CREATE.format(name_of(chunk.relation), name_of(chunk.hypertable)))


async def attach(conn: AsyncConnection[Any], chunk: Chunk) -> None:
    """Make it the partition of the archive's range."""
    start, end = (
        openness if bound is None else literal(bound, chunk.time_type)
        for bound, openness in ((chunk.range.start, sql.SQL("MINVALUE")), (chunk.range.end, sql.SQL("MAXVALUE")))
    )
    await conn.execute(_ATTACH.format(table=name_of(chunk.hypertable), partition=name_of(chunk.relation), start=start, end=end))


async def hand_over(conn: AsyncConnection[Any], chunk: Chunk) -> None:
    """Give the partition to the owner of its table, so that the owner's retention job drops it like any other.

    If that fails, the rows are back all the same: the owner may lack CREATE on the schema.
    """
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(_OTHER_OWNER, (chunk.hypertable.sql, chunk.relation.sql))).fetchone()
    if row is None:
        return
    try:
        async with conn.transaction():
            await conn.execute(_HAND_OVER.format(name_of(chunk.relation), sql.Identifier(row[0])))
    except postgres.InsufficientPrivilege as error:
        _LOG.warning(
            "%s belongs to the service's role, and not to %s: %s",
            chunk.relation,
            row[0],
            error,
            extra=telemetry.named("archival.partition.owner_lost", owner=row[0]),
        )


async def _is_free(conn: AsyncConnection[Any], chunk: Chunk) -> bool:
    """Whether no other partition covers the range. It is tried while the new partition is empty, before there is any work
    to lose.
    """
    try:
        async with conn.transaction(force_rollback=True):
            await create_apart(conn, chunk)
            await attach(conn, chunk)
    except postgres.InvalidObjectDefinition:
        return False
    return True
