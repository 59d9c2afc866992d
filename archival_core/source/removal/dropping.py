"""One chunk is dropped from the database, in a transaction in which the caller compares it before.

The lock comes first, then the comparison, then the drop. So a row that was committed just before is seen, and none can be
added any more.

A hypertable is locked before its chunk, as writers lock them. To lock the chunk alone makes writers deadlock on older
versions of TimescaleDB, and SHARE mode makes two removers deadlock. A partitioned table is locked at once as its DETACH
needs it, because to begin with a lower lock and rise later deadlocks.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection, IsolationLevel, sql
from psycopg import errors as postgres
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError, TransientError
from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.source.at_once import at_once
from archival_core.source.session import READ_SETTINGS, counted_as_pinned, pin_statement
from archival_core.source.statement import name_of
from archival_core.source.translate import source_errors

#: Writers wait behind a lock that cannot be had. While the chunk's lock is asked for, the hypertable's is held, and a
#: report that reads the chunk must not stop ingest.
_PARENT_TIMEOUT: Final = "2s"
_CHUNK_TIMEOUT: Final = "100ms"
#: Time-outs by which a frozen remover, or a comparison that takes too long, ends by itself and lets writers go on.
_BOUNDED: Final = {"idle_in_transaction_session_timeout": "5s", "statement_timeout": "60s"}

#: Removers of one hypertable wait for one another at this advisory lock, and not in the queue of the table's lock, where
#: writers would wait behind them.
_TURN_TIMEOUT: Final = "10s"
_TURN: Final = sql.SQL("SELECT pg_catalog.pg_advisory_xact_lock({})")
_VACUUM_TIMEOUT: Final[LiteralString] = (
    "SELECT set_config('lock_timeout', setting::bigint + 2000 || 'ms', true) FROM pg_catalog.pg_settings"
    " WHERE name = 'deadlock_timeout'"
)
_WAITING: Final = sql.SQL("SET LOCAL lock_timeout = {}")
_LOCK_HYPERTABLE: Final = sql.SQL("LOCK TABLE ONLY {} IN SHARE ROW EXCLUSIVE MODE")
_LOCK_PARENT_OF_PARTITION: Final = sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE")
_LOCK_CHUNK: Final = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE")
_LOCK_AGAINST_VACUUM: Final = sql.SQL("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE")
_DETACH: Final = sql.SQL("ALTER TABLE {} DETACH PARTITION {}")
_DROP: Final = sql.SQL("DROP TABLE {}")
# A table is dropped by its name, and no lock keeps its schema from being renamed, and another one from taking the
# name. The table that was proven has to be gone.
_IS_THERE: Final = sql.SQL("SELECT FROM pg_catalog.pg_class WHERE oid = {}::pg_catalog.int8::pg_catalog.oid")
# Such a sequence would go with the table. Others may draw from it all the same: a table that was attached as the first
# partition of the one that took its place has brought the sequence along.
_SEQUENCES: Final[LiteralString] = """
SELECT n.nspname, s.relname
FROM pg_catalog.pg_partition_tree(to_regclass(%s)) t
JOIN pg_catalog.pg_depend d ON d.refobjid = t.relid AND d.deptype = 'a' AND d.refobjsubid > 0
JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
ORDER BY s.oid
"""
_KEEP_SEQUENCE: Final = sql.SQL("ALTER SEQUENCE {} OWNED BY NONE")
_CLAIM: Final[LiteralString] = "SELECT pg_catalog.pg_try_advisory_lock(%s)"
# The parent's lock keeps others from adding or removing chunks meanwhile. Chunks inherit from their hypertable as
# partitions do.
_CHUNKS: Final[LiteralString] = (
    "SELECT n.nspname, c.relname FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE i.inhparent = to_regclass(%s)"
)
#: TimescaleDB 2.28 and later: the drop does not ask continuous aggregates to look at the range again.
_KEEP_AGGREGATES: Final[LiteralString] = (
    "SELECT set_config(name, 'on', true) FROM pg_catalog.pg_settings WHERE name = 'timescaledb.skip_cagg_invalidation'"
)


async def claim(conn: AsyncConnection[Any], archive: UUID) -> bool:
    """Keep other workers from removing the chunk of `archive` for as long as `conn` is open.

    Returns false if a worker is removing it already.
    """
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            return (await (await cur.execute(_CLAIM, (_key(f"claim {archive}"),))).fetchone()) == (True,)


@asynccontextmanager
async def locked(conn: AsyncConnection[Any], chunk: Chunk) -> AsyncIterator[None]:
    """A READ COMMITTED transaction in which nobody else writes to `chunk`. It commits at the end, and rolls back on an
    error.

    Earlier removers of the hypertable are waited for. Then the lock is waited for at most two seconds, and writers wait
    behind it as long. Raises `TransientError` (`source-locked`, `source-busy`) when somebody else is faster.
    """
    # All locks that the drop needs are taken at once. To begin with a lower lock and rise later would wait for readers,
    # with writers in the queue.
    parent_lock = _LOCK_PARENT_OF_PARTITION if chunk.kind == "native" else _LOCK_HYPERTABLE
    with source_errors():
        # a snapshot from before the lock would not show what was committed while the lock was waited for
        await conn.set_isolation_level(IsolationLevel.READ_COMMITTED)
        async with conn.transaction():
            # in one message: writers wait from the second lock on, and after a pipeline a frozen session would not be ended
            with _blockers(chunk.relation):
                statements = [
                    pin_statement(READ_SETTINGS | _BOUNDED),
                    *_waiting(_TURN_TIMEOUT, _TURN.format(_key(f"turn {chunk.hypertable}"))),
                    *_waiting(_PARENT_TIMEOUT, parent_lock.format(name_of(chunk.hypertable))),
                    *_waiting(_CHUNK_TIMEOUT, _LOCK_CHUNK.format(name_of(chunk.relation))),
                ]
                await conn.execute(sql.SQL("; ").join(statements), prepare=False)
            with counted_as_pinned(conn, READ_SETTINGS | _BOUNDED | {"lock_timeout": _CHUNK_TIMEOUT}):
                yield


async def let_vacuum_give_way(conn: AsyncConnection[Any], chunk: Chunk) -> None:
    """End an autovacuum of `chunk`.

    An autovacuum gives way to a session that has waited for `deadlock_timeout`, which is longer than writers may wait. The
    lock that is waited for here hinders no reader and no writer, and is let go at once. Raises `TransientError`
    (`source-locked`) if the vacuum does not give way.
    """
    with source_errors():
        async with conn.transaction():
            await conn.execute(_VACUUM_TIMEOUT)
            await conn.execute(_LOCK_AGAINST_VACUUM.format(name_of(chunk.relation)))


async def drop(conn: AsyncConnection[Any], chunk: Chunk) -> None:
    """Drop `chunk`, locked, and nothing else. Sequences that a partition's columns own stay, and belong to no column then.

    Raises `PermanentError` (`removal-blocked`) when a view or a foreign key stands in the way, or the chunk is frozen, and
    `TransientError` (`dropped-other`) when another table went, which the caller has to undo.
    """
    with source_errors():
        if chunk.kind == "native":
            await _drop_partition(conn, chunk)
        else:
            await _drop_chunk(conn, chunk)


async def _drop_partition(conn: AsyncConnection[Any], chunk: Chunk) -> None:
    with _blockers(chunk.relation):
        for sequence in await _sequences(conn, chunk):
            await conn.execute(_KEEP_SEQUENCE.format(name_of(sequence)))
        detach, drop = _DETACH.format(name_of(chunk.hypertable), name_of(chunk.relation)), _DROP.format(name_of(chunk.relation))
        done = await conn.execute(sql.SQL("{}; {}; {}").format(detach, drop, _IS_THERE.format(chunk.oid)), prepare=False)
        await done.set_result(-1)
        if done.rowcount:
            raise _dropped_other(chunk, [chunk.relation])


async def _drop_chunk(conn: AsyncConnection[Any], chunk: Chunk) -> None:
    before = await _chunks(conn, chunk)
    await conn.execute(_KEEP_AGGREGATES)
    with _blockers(chunk.relation):
        # The chunk is named, because chunks of a space dimension share their range.
        await conn.execute(_DROP.format(name_of(chunk.relation)))
    after, is_there = await at_once(conn, _chunks(conn, chunk), _is_there(conn, chunk))
    if is_there or before - after != {chunk.relation}:
        raise _dropped_other(chunk, before - after)


def _dropped_other(chunk: Chunk, gone: Collection[Relation]) -> TransientError:
    return TransientError(f"dropping {chunk.relation} took {sorted(map(str, gone))}: undone", code="dropped-other")


def _key(of: str) -> int:
    """The number of an advisory lock."""
    return int.from_bytes(hashlib.sha256(f"archival removal: {of}".encode()).digest()[:8], signed=True)


def _waiting(most: str, lock: sql.Composed) -> tuple[sql.Composed, sql.Composed]:
    """SQL that takes a lock, waited for no longer than `most`."""
    return _WAITING.format(most), lock


async def _chunks(conn: AsyncConnection[Any], chunk: Chunk) -> set[Relation]:
    async with conn.cursor(row_factory=tuple_row) as cur:
        await cur.execute(_CHUNKS, (chunk.hypertable.sql,))
        return {Relation(schema, name) for schema, name in await cur.fetchall()}


async def _is_there(conn: AsyncConnection[Any], chunk: Chunk) -> bool:
    return bool((await conn.execute(_IS_THERE.format(chunk.oid))).rowcount)


async def _sequences(conn: AsyncConnection[Any], chunk: Chunk) -> list[Relation]:
    async with conn.cursor(row_factory=tuple_row) as cur:
        return [Relation(*row) for row in await (await cur.execute(_SEQUENCES, (chunk.relation.sql,))).fetchall()]


@contextmanager
def _blockers(chunk: Relation) -> Iterator[None]:
    """What keeps a chunk from being dropped until somebody changes something."""
    try:
        yield
    except (postgres.DependentObjectsStillExist, postgres.ForeignKeyViolation) as error:
        raise PermanentError(f"{chunk} cannot be dropped: {_detail(error)}", code="removal-blocked") from error
    except postgres.InsufficientPrivilege as error:
        raise PermanentError(
            f"{chunk} cannot be dropped: {error.diag.message_primary}; make the service's role a member of the table's owner",
            code="removal-not-permitted",
        ) from error
    except postgres.FeatureNotSupported as error:
        raise PermanentError(f"{chunk} cannot be dropped: {_detail(error)}", code="removal-blocked") from error


def _detail(error: postgres.Error) -> str:
    """What the server says, on one line. The objects in the way stand in its detail only."""
    detail = error.diag.message_detail
    primary = None if detail and isinstance(error, postgres.DependentObjectsStillExist) else error.diag.message_primary
    return ": ".join(text.strip() for text in (primary, detail) if text).replace("\n", "; ")[:500]
