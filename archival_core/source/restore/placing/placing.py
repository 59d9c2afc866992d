"""The step of a restore that counts: rows go from a staging table into their table, all of them or none, once."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection, sql
from psycopg import errors as postgres
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError, TransientError
from archival_core.model.chunks.chunk import Relation
from archival_core.source import catalog
from archival_core.source.catalog.partitioning import timescaledb
from archival_core.source.restore.errors import restore_errors
from archival_core.source.restore.loading.staging import StagingTable, is_staged
from archival_core.source.restore.placing import partition
from archival_core.source.restore.placing.sequences import advance_sequences
from archival_core.source.restore.placing.triggers import insert_triggers
from archival_core.source.restore.plan.kinship import check_apart
from archival_core.source.restore.plan.restore_plan import RestorePlan, differs, would_double
from archival_core.source.restore.proof import row_hash
from archival_core.source.restore.proof.row_hash import Rows
from archival_core.source.session import READ_SETTINGS, held, pin_statement, pinned
from archival_core.source.state.marks import copies
from archival_core.source.state.marks.placed import is_placed, record, rows_of_others
from archival_core.source.state.tables import identity_of
from archival_core.source.statement import name_of

#: Restores into one table wait for each other by this lock, because two archives of the table may hold the same rows.
_LOCK: Final[LiteralString] = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%s, 1))"
_INSERT: Final = sql.SQL("""
WITH placed AS ({insertion} RETURNING {hash} AS hash)
SELECT count(*), coalesce(sum(hash::pg_catalog.numeric), 0) FROM placed
""")
_PATIENT: Final = {"lock_timeout": "5min"}
#: Short, because whoever waits for a lock of a table makes others wait.
_HASTY: Final = {"lock_timeout": "10s"}


async def check_room(conn: AsyncConnection[Any], plan: RestorePlan) -> bool:
    """Refuse now, before any work, what `place` would refuse. `conn` is idle. Returns whether the rows' partition is missing
    and can be made.

    Raises `PermanentError` (`into-its-table`, `would-double`, `target-has-triggers`).
    """
    with restore_errors(plan.target.relation):
        async with pinned(conn, **(READ_SETTINGS | _HASTY)):
            await _check_apart(conn, plan)
            if plan.is_in_place and await is_placed(conn, plan.archive):
                return False
            there = await _count(conn, plan)
            if there not in (0, plan.rows) and plan.rows and not await _may_be_beside(conn, plan):
                raise would_double(plan, there)
            if there:
                return False
            is_missing = await _missing_partition(conn, plan) is not None
            if not is_missing:
                await _check_triggers(conn, plan)
            return is_missing


async def place(conn: AsyncConnection[Any], plan: RestorePlan, staging: StagingTable) -> int:
    """Put the rows of `staging` into their table inside the caller's transaction, and return how many went in.

    0 if exactly these rows are there already. The staging table goes with the same commit. The transaction must be READ
    COMMITTED: in another, who waits for the lock would not see what the one before has done. Settings are as before at the
    end.

    Raises `PermanentError` (`would-double`, `target-has-triggers`, `name-taken`, `generated-differs`, `placed-differs`,
    `target-refuses`) and `TransientError` (`staging-lost`, `source-locked`, …), and then nothing may be committed.
    """
    if conn.info.transaction_status is not TransactionStatus.INTRANS:
        raise RuntimeError("rows are placed inside the caller's transaction")
    with restore_errors(plan.target.relation):
        async with held(conn, READ_SETTINGS | _PATIENT):
            await _check_isolation(conn)
            await conn.execute(_LOCK, (f"archival_restore {plan.target.relation.sql}",))
            await conn.execute(pin_statement(_HASTY))
            await _check_target(conn, plan)
            wanted = await _staged(conn, plan, staging)
            inserted = 0
            if not await _is_there(conn, plan, staging, wanted):
                inserted = await _insert(conn, plan, staging, wanted)
                await advance_sequences(conn, plan.target.relation, staging, plan.columns)
            await _check_apart(conn, plan)
            if plan.is_in_place:
                await record(conn, plan.archive, wanted.count, plan.there)
            elif plan.copy is not None:
                await copies.record(conn, plan.copy, plan.target.relation, plan.there)
            await conn.execute(sql.SQL("DROP TABLE {}").format(name_of(staging.relation)))
    return inserted


async def _check_target(conn: AsyncConnection[Any], plan: RestorePlan) -> None:
    """Lock the target against every ALTER TABLE, and raise `TransientError` (`source-changed`) unless it is as it was planned.

    While the rows were loaded the table's name, or those of its columns, may have become those of others.
    """
    target = plan.target.relation
    changed = TransientError(f"{target} was altered or replaced while the archive was loaded", code="source-changed")
    if await identity_of(conn, target) != plan.identity:
        raise changed
    await conn.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS SHARE MODE").format(name_of(target)))
    if await identity_of(conn, target) != plan.identity or await catalog.columns(conn, target) != plan.existing:
        raise changed


async def _staged(conn: AsyncConnection[Any], plan: RestorePlan, staging: StagingTable) -> Rows:
    """The count and hash of the staged rows, if they still are what was proven."""
    wanted = None
    if await is_staged(conn, staging):
        wanted = await row_hash.staged(conn, staging, plan.columns)
    if wanted is None or wanted.count != plan.rows:
        raise TransientError(
            f"{wanted.count if wanted else 0} of {plan.rows} rows wait in {staging.relation}: the server has crashed since"
            " they were loaded, or a later attempt has cleared them away",
            code="staging-lost",
        )
    return wanted


async def _is_there(conn: AsyncConnection[Any], plan: RestorePlan, staging: StagingTable, wanted: Rows) -> bool:
    """Whether the archive's rows are in the target already. Raises `would-double` where some of them are, or may be."""
    there = await row_hash.of(conn, plan.there, plan.columns)
    if there == wanted and wanted.count:
        return True
    if there.count == 0 or wanted.count == 0:
        return there.count > 0
    if plan.is_in_place and await is_placed(conn, plan.archive):
        # the archive was restored before, and others have written since: what is there decides, not what was noted
        if await row_hash.missing(conn, staging, plan.columns, plan.there) == 0:
            return True
        raise would_double(plan, there.count)
    if await _may_be_beside(conn, plan):
        if plan.is_in_place and await rows_of_others(conn, plan.archive, plan.there) >= there.count:
            return False  # equal rows among them are of other archives
        missing = await row_hash.missing(conn, staging, plan.columns, plan.there)
        if missing in (0, wanted.count):
            return missing == 0
        raise would_double(plan, there.count, wanted.count - missing)
    raise would_double(plan, there.count)


async def _insert(conn: AsyncConnection[Any], plan: RestorePlan, staging: StagingTable, wanted: Rows) -> int:
    """Insert all rows, and prove that what the table took is what was wanted."""
    apart = await _missing_partition(conn, plan)
    if apart is None:
        await _check_triggers(conn, plan)
    else:
        await partition.create_apart(conn, plan.chunk)
    query = _INSERT.format(
        insertion=plan.insertion(apart or plan.target.relation, staging),
        hash=row_hash.hash_of(row_hash.table_values(plan.columns)),
    )
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(query)).fetchone()
    assert row is not None
    if apart is not None:
        try:
            await partition.attach(conn, plan.chunk)
        except postgres.InvalidObjectDefinition as error:
            # somebody has made a partition for the range meanwhile, which the next attempt finds
            raise TransientError(
                f"the range of {plan.chunk.relation} was taken while the archive was loaded", code="source-changed"
            ) from error
        await partition.hand_over(conn, plan.chunk)
    # a deferred constraint is to fail here, where the error can be explained, and not at the commit
    await conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
    if Rows(*row) != wanted or await _count(conn, plan) < wanted.count:
        raise await differs(conn, plan, staging, row[0])
    return wanted.count


async def _check_apart(conn: AsyncConnection[Any], plan: RestorePlan) -> None:
    """Raise `PermanentError` (`into-its-table`) if what is to be a table of the rows' own is part of the archive's table."""
    if not plan.is_in_place:
        await check_apart(conn, plan.target.relation, plan.chunk.hypertable, plan.origin)


async def _missing_partition(conn: AsyncConnection[Any], plan: RestorePlan) -> Relation | None:
    """The partition that the rows go to, if it has to be made. Triggers come with its attachment, after the rows."""
    is_original = plan.target.relation == plan.chunk.hypertable
    if is_original and plan.target.kind == plan.chunk.kind == "native":
        return await partition.missing(conn, plan.chunk, is_free=plan.makes_partition)
    return None


async def _check_triggers(conn: AsyncConnection[Any], plan: RestorePlan) -> None:
    if plan.fire_triggers:
        return
    names = await insert_triggers(conn, plan.target.relation)
    if names:
        raise PermanentError(
            f"{plan.target.relation} has triggers that would fire for rows that were there before: {', '.join(names)};"
            " disable them meanwhile, ask for them to fire, or restore into a table of its own",
            code="target-has-triggers",
        )


async def _may_be_beside(conn: AsyncConnection[Any], plan: RestorePlan) -> bool:
    """Chunks of a hypertable with more dimensions share their range of time with others."""
    if plan.beside or plan.target.kind != "timescaledb":
        return plan.beside
    return await timescaledb.dimensions(conn, plan.target.relation) > 1


async def _count(conn: AsyncConnection[Any], plan: RestorePlan) -> int:
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(sql.SQL("SELECT count(*) FROM {}").format(plan.there))).fetchone()
    assert row is not None
    return int(row[0])


async def _check_isolation(conn: AsyncConnection[Any]) -> None:
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute("SHOW transaction_isolation")).fetchone()
    if row != ("read committed",):
        raise RuntimeError(f"rows are placed in a READ COMMITTED transaction, this one is {row}")
