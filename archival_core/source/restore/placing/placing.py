"""The step of a restore that counts: rows go from a staging table into their table, all of them or none, once."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection, sql
from psycopg import errors as postgres
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from archival_core.errors import TransientError
from archival_core.model.chunks.chunk import Relation
from archival_core.source import catalog
from archival_core.source.at_once import at_once
from archival_core.source.catalog.partitioning import timescaledb
from archival_core.source.restore.errors import restore_errors
from archival_core.source.restore.loading.staging import StagingTable, keep_staged
from archival_core.source.restore.placing import partition
from archival_core.source.restore.placing.filling import check_triggers, count, insert
from archival_core.source.restore.plan.kinship import check_apart
from archival_core.source.restore.plan.restore_plan import RestorePlan, would_double
from archival_core.source.restore.proof import row_hash
from archival_core.source.restore.proof.row_hash import Rows
from archival_core.source.session import READ_SETTINGS, counted_as_pinned, pin_statement, pinned, set_again, settings_now
from archival_core.source.state.marks import copies
from archival_core.source.state.marks.placed import is_placed, record, rows_of_others
from archival_core.source.state.tables import identity_of
from archival_core.source.statement import name_of

#: Restores into one table wait for each other by this lock, because two archives of the table may hold the same rows.
_LOCK: Final[LiteralString] = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%s, 1))"
_PATIENT: Final = {"lock_timeout": "5min"}
#: Short, because whoever waits for a lock of a table makes others wait.
_HASTY: Final = {"lock_timeout": "10s"}
#: What is placed is locked until the caller commits, so the server ends the session of a host that is frozen.
_BOUNDED: Final = {"idle_in_transaction_session_timeout": "10s"}
#: under which a restore is planned
LOOKING: Final = READ_SETTINGS | _HASTY


async def check_room(conn: AsyncConnection[Any], plan: RestorePlan) -> bool:
    """Refuse now, before any work, what `place` would refuse. `conn` is idle, or in a stretch under `LOOKING`. Returns whether
    the rows' partition is missing and can be made.

    Raises `PermanentError` (`into-its-table`, `would-double`, `target-has-triggers`).
    """
    with restore_errors(plan.target.relation):
        async with pinned(conn, **LOOKING):
            await _check_apart(conn, plan)
            was_placed, there, found = await at_once(conn, _was_placed(conn, plan), count(conn, plan), _look(conn, plan))
            if was_placed:
                return False
            if there not in (0, plan.rows) and plan.rows and not await _may_be_beside(conn, plan):
                raise would_double(plan, there)
            if there:
                return False
            is_missing = await _missing_partition(conn, plan, found) is not None
            if not is_missing:
                await check_triggers(conn, plan)
            return is_missing


async def place(conn: AsyncConnection[Any], plan: RestorePlan, staging: StagingTable) -> int:
    """Put the rows of `staging` into their table inside the caller's transaction, and return how many went in.

    0 if exactly these rows are there already. The staging table goes with the same commit. The transaction must be READ
    COMMITTED: in another, who waits for the lock would not see what the one before has done. Settings are as before at the
    end, but for the time that the transaction may be idle.

    Raises `PermanentError` (`would-double`, `target-has-triggers`, `name-taken`, `generated-differs`, `placed-differs`,
    `target-refuses`) and `TransientError` (`staging-lost`, `source-locked`, …), and then nothing may be committed.
    """
    if conn.info.transaction_status is not TransactionStatus.INTRANS:
        raise RuntimeError("rows are placed inside the caller's transaction")
    with restore_errors(plan.target.relation):
        before = await _begin(conn, plan)
        await _check_target(conn, plan, staging)
        # the partition is looked for last, because counting the rows may take long
        wanted, there, found = await at_once(
            conn,
            row_hash.staged(conn, staging, plan.columns),
            row_hash.of(conn, plan.there, plan.columns),
            _look(conn, plan),
        )
        _check_staged(plan, staging, wanted.count)
        inserted = 0
        if not await _is_there(conn, plan, staging, wanted, there):
            inserted = await insert(conn, plan, staging, wanted, await _missing_partition(conn, plan, found))
        await _check_apart(conn, plan)
        # Rows are placed by the table's name, and no lock keeps its schema from being renamed meanwhile.
        said = [
            _check_identity(conn, plan),
            *_note(conn, plan, wanted.count),
            _drop(conn, staging.relation),
            set_again(conn, before),
        ]
        await at_once(conn, *said)
    return inserted


async def _begin(conn: AsyncConnection[Any], plan: RestorePlan) -> dict[str, str]:
    """Wait for the restore's turn under the settings of a restore. Returns which settings there were before."""
    settings = READ_SETTINGS | _PATIENT
    before, *_ = await at_once(
        conn,
        settings_now(conn, settings.keys() - _BOUNDED),
        conn.execute(pin_statement(settings | _BOUNDED)),
        _check_isolation(conn),
        _take_turn(conn, plan),
        # whoever has had its turn waits no longer for anything
        conn.execute(pin_statement(_HASTY)),
        # no lock is asked for on another table that has the name by now; `_check_target` looks again under the lock
        _check_identity(conn, plan),
    )
    return before


async def _check_target(conn: AsyncConnection[Any], plan: RestorePlan, staging: StagingTable) -> None:
    """Lock the target against every ALTER TABLE, and raise `TransientError` (`source-changed`) unless it is as it was planned.
    Keep the staging table as well.

    While the rows were loaded the table's name, or those of its columns, may have become those of others.
    """
    target = plan.target.relation
    # of the settings that hold here, none was changed by code of the table's owner: nothing was inserted yet
    with counted_as_pinned(conn, READ_SETTINGS):
        # the lock is asked for first, so both answers are of afterwards
        _, _, columns, _ = await at_once(
            conn,
            _lock(conn, target),
            _check_identity(conn, plan),
            catalog.columns(conn, target),
            _keep_staged(conn, plan, staging),
        )
    if columns != plan.existing:
        raise _changed(plan)


async def _check_identity(conn: AsyncConnection[Any], plan: RestorePlan) -> None:
    """Raise `TransientError` (`source-changed`) unless the target's name is that of the table that was planned for."""
    if await identity_of(conn, plan.target.relation) != plan.identity:
        raise _changed(plan)


def _changed(plan: RestorePlan) -> TransientError:
    return TransientError(f"{plan.target.relation} was altered or replaced while the archive was loaded", code="source-changed")


async def _lock(conn: AsyncConnection[Any], table: Relation) -> None:
    await conn.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS SHARE MODE").format(name_of(table)))


async def _keep_staged(conn: AsyncConnection[Any], plan: RestorePlan, staging: StagingTable) -> None:
    try:
        await keep_staged(conn, staging)
    except (postgres.UndefinedTable, postgres.InvalidSchemaName) as error:
        raise _lost(plan, staging, 0) from error


def _check_staged(plan: RestorePlan, staging: StagingTable, rows: int) -> None:
    """Raise `TransientError` (`staging-lost`) unless the staged rows still are as many as were proven."""
    if rows != plan.rows:
        raise _lost(plan, staging, rows)


def _lost(plan: RestorePlan, staging: StagingTable, rows: int) -> TransientError:
    return TransientError(
        f"{rows} of {plan.rows} rows wait in {staging.relation}: the server has crashed since they were loaded, or a later"
        " attempt has cleared them away",
        code="staging-lost",
    )


async def _is_there(conn: AsyncConnection[Any], plan: RestorePlan, staging: StagingTable, wanted: Rows, there: Rows) -> bool:
    """Whether the archive's rows are in the target already. Raises `would-double` where some of them are, or may be.

    `wanted` is what is staged, and `there` what is in the target's range.
    """
    if there == wanted and wanted.count:
        return True
    if there.count == 0 or wanted.count == 0:
        return there.count > 0
    if await _was_placed(conn, plan):
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


def _note(conn: AsyncConnection[Any], plan: RestorePlan, rows: int) -> list[Coroutine[Any, Any, None]]:
    """Questions that note where the archive's rows are now."""
    if plan.is_in_place:
        return [record(conn, plan.archive, rows, plan.there)]
    if plan.copy is not None:
        target = plan.target.relation
        return [copies.forget(conn, plan.copy, target), copies.record(conn, plan.copy, target, plan.there)]
    return []


async def _drop(conn: AsyncConnection[Any], table: Relation) -> None:
    await conn.execute(sql.SQL("DROP TABLE {}").format(name_of(table)))


async def _check_apart(conn: AsyncConnection[Any], plan: RestorePlan) -> None:
    """Raise `PermanentError` (`into-its-table`) if what is to be a table of the rows' own is part of the archive's table."""
    if not plan.is_in_place:
        await check_apart(conn, plan.target.relation, plan.chunk.hypertable, plan.origin)


async def _look(conn: AsyncConnection[Any], plan: RestorePlan) -> partition.Look | None:
    """What `_missing_partition` judges."""
    is_original = plan.target.relation == plan.chunk.hypertable
    if is_original and plan.target.kind == plan.chunk.kind == "native":
        return await partition.look(conn, plan.chunk)
    return None


async def _missing_partition(conn: AsyncConnection[Any], plan: RestorePlan, found: partition.Look | None) -> Relation | None:
    """The partition that the rows go to, if it has to be made. Triggers come with its attachment, after the rows."""
    if found is None:
        return None
    return await partition.missing(conn, plan.chunk, found, is_free=plan.makes_partition)


async def _may_be_beside(conn: AsyncConnection[Any], plan: RestorePlan) -> bool:
    """Chunks of a hypertable with more dimensions share their range of time with others."""
    if plan.beside or plan.target.kind != "timescaledb":
        return plan.beside
    return await timescaledb.dimensions(conn, plan.target.relation) > 1


async def _was_placed(conn: AsyncConnection[Any], plan: RestorePlan) -> bool:
    return plan.is_in_place and await is_placed(conn, plan.archive)


async def _take_turn(conn: AsyncConnection[Any], plan: RestorePlan) -> None:
    await conn.execute(_LOCK, (f"archival_restore {plan.target.relation.sql}",))


async def _check_isolation(conn: AsyncConnection[Any]) -> None:
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute("SHOW transaction_isolation")).fetchone()
    if row != ("read committed",):
        raise RuntimeError(f"rows are placed in a READ COMMITTED transaction, this one is {row}")
