"""A native partition that was dropped is made again.

The partition is filled apart from its table and attached at the end, so that nobody who uses the table waits. ATTACH
PARTITION takes a lock that readers and writers of rows do not mind; CREATE TABLE … PARTITION OF would make them wait.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection, sql
from psycopg import errors as postgres
from psycopg.rows import tuple_row

from archival_core import telemetry
from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.source.at_once import at_once
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
_SAVEPOINT: Final = sql.SQL("SAVEPOINT archival_partition")
_UNDO: Final = sql.SQL("ROLLBACK TO archival_partition; RELEASE archival_partition")
_HAND_OVER: Final = sql.SQL("ALTER TABLE {} OWNER TO {}")
_HAS_SCHEMA: Final[LiteralString] = "SELECT FROM pg_catalog.pg_namespace WHERE nspname = %s"
_EXISTS: Final[LiteralString] = "SELECT to_regclass(%s) IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Look:
    """What the catalog has about a partition. Only `missing` judges it, and refuses: where the rows are there already, it does
    not matter what became of their partition.
    """

    key: list[dict[str, Any]]
    partition: dict[str, Any] | None
    has_name: bool


async def look(conn: AsyncConnection[Any], chunk: Chunk) -> Look:
    """Look for the partition, for its name and for the key of its table."""
    return Look(
        *await at_once(
            conn,
            native.key_answer(conn, chunk.hypertable),
            native.chunk_answer(conn, chunk.hypertable, chunk.relation),
            _is_taken(conn, chunk.relation),
        )
    )


async def missing(conn: AsyncConnection[Any], chunk: Chunk, found: Look, *, is_free: bool = False) -> Relation | None:
    """The partition's name, if it is free and its table has no other place for its range. Where the place `is_free` by an
    earlier answer, it is not tried again: if it is taken meanwhile, the attachment fails.

    Raises `PermanentError` (`name-taken`) if the name is that of something else.
    """
    key = native.key_of(chunk.hypertable, found.key)
    there = native.chunk_of(chunk.hypertable, key, chunk.relation, found.partition) if key else None
    if there is not None and there.range == chunk.range:
        return None
    if found.has_name:
        raise PermanentError(
            f"{chunk.relation} is the name of the partition that the archive was, and now of something else; rename that,"
            " or restore into a table of its own",
            code="name-taken",
        )
    return chunk.relation if is_free or await _is_free(conn, chunk) else None


async def has_schema(conn: AsyncConnection[Any], table: Relation) -> bool:
    """Whether there is a schema of the name that the table's has."""
    async with conn.cursor(row_factory=tuple_row) as cur:
        return await (await cur.execute(_HAS_SCHEMA, (table.schema,))).fetchone() is not None


def in_schema_of_its_table(chunk: Chunk) -> Chunk:
    """The chunk in the schema of its table, for where its own schema is gone: a schema that was renamed."""
    return replace(chunk, relation=Relation(chunk.hypertable.schema, chunk.relation.name))


async def create_apart(conn: AsyncConnection[Any], chunk: Chunk) -> None:
    """A table of the partition's name, like its table but alone."""
    await conn.execute(_creation(chunk))


async def attach(conn: AsyncConnection[Any], chunk: Chunk) -> None:
    """Make it the partition of the archive's range."""
    await conn.execute(_attachment(chunk))


async def other_owner(conn: AsyncConnection[Any], chunk: Chunk) -> str | None:
    """The owner of the chunk's table; `None` if it is the chunk's owner too, or the chunk is gone."""
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(_OTHER_OWNER, (chunk.hypertable.sql, chunk.relation.sql))).fetchone()
    return str(row[0]) if row else None


async def hand_over(conn: AsyncConnection[Any], chunk: Chunk, owner: str) -> None:
    """Give the partition to the owner of its table, so that the owner's retention job drops it like any other.

    If that fails, the rows are back all the same: the owner may lack CREATE on the schema.
    """
    try:
        async with conn.transaction():
            await conn.execute(_HAND_OVER.format(name_of(chunk.relation), sql.Identifier(owner)))
    except postgres.InsufficientPrivilege as error:
        _LOG.warning(
            "%s belongs to the service's role, and not to %s: %s",
            chunk.relation,
            owner,
            error,
            extra=telemetry.named("archival.partition.owner_lost", owner=owner),
        )


async def _is_free(conn: AsyncConnection[Any], chunk: Chunk) -> bool:
    """Whether no other partition covers the range. It is tried while the new partition is empty, before there is any work
    to lose.
    """
    tried = [_SAVEPOINT, _creation(chunk), _attachment(chunk), _UNDO]
    try:
        # in one way to the server
        await conn.execute(sql.SQL("; ").join(tried), prepare=False)
    except postgres.InvalidObjectDefinition:
        await conn.execute(_UNDO, prepare=False)
        return False
    return True


def _creation(chunk: Chunk) -> sql.Composed:
    return _CREATE.format(name_of(chunk.relation), name_of(chunk.hypertable))


def _attachment(chunk: Chunk) -> sql.Composed:
    start, end = (
        openness if bound is None else literal(bound, chunk.time_type)
        for bound, openness in ((chunk.range.start, sql.SQL("MINVALUE")), (chunk.range.end, sql.SQL("MAXVALUE")))
    )
    return _ATTACH.format(table=name_of(chunk.hypertable), partition=name_of(chunk.relation), start=start, end=end)


async def _is_taken(conn: AsyncConnection[Any], name: Relation) -> bool:
    async with conn.cursor(row_factory=tuple_row) as cur:
        return await (await cur.execute(_EXISTS, (name.sql,))).fetchone() == (True,)
