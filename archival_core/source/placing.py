"""The step of a restore that counts: rows from a staging table into their table, all of them or none, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError, TransientError
from archival_core.model.chunk import Chunk, quote_identifier
from archival_core.source import partition, row_hash, timescaledb
from archival_core.source.fitting import FittedColumn
from archival_core.source.restore_errors import restore_errors
from archival_core.source.row_hash import Rows
from archival_core.source.session import READING, held
from archival_core.source.staging import StagingTable
from archival_core.source.target import Target

#: Restores into one table wait for each other here: two archives of it may hold the same rows.
_LOCK: Final[LiteralString] = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%s, 1))"
_LOCK_TIMEOUT: Final = {"lock_timeout": "5min"}

# TimescaleDB's own triggers belong to its extension.
_TRIGGERS: Final[LiteralString] = """
SELECT t.tgname FROM pg_catalog.pg_trigger t
WHERE t.tgrelid = to_regclass(%s) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 4 <> 0
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass
                  AND d.objid = t.tgfoid AND d.deptype = 'e')
ORDER BY t.tgname
"""


@dataclass(frozen=True, slots=True)
class Placing:
    """What goes where."""

    #: the archive's chunk, as it was
    chunk: Chunk
    #: of the archive
    rows: int
    columns: tuple[FittedColumn, ...]
    target: Target
    #: rows of others may be in the archive's range, if none of them is one of the archive's
    beside: bool = False
    #: what the target's own triggers do, they may do again for rows that come back
    fire_triggers: bool = False

    @property
    def there(self) -> str:
        """SQL of the archive's range of the target."""
        return f"{self.target.relation.sql} WHERE {row_hash.range_condition(self.chunk)}"


async def check_room(conn: AsyncConnection[Any], placing: Placing) -> None:
    """Refuse now, before any work, what `place` would refuse; `conn` is idle.

    Raises `PermanentError` (`would-double`, `target-has-triggers`).
    """
    with restore_errors(placing.target.relation):
        async with conn.transaction(force_rollback=True), held(conn, READING):
            await _check_triggers(conn, placing)
            there = await _count(conn, placing)
            if there not in (0, placing.rows) and placing.rows and not await _may_be_beside(conn, placing):
                raise _would_double(placing, there)


async def place(conn: AsyncConnection[Any], placing: Placing, staging: StagingTable) -> int:
    """Put the rows of `staging` into their table inside the caller's transaction, and return how many went in.

    0 if exactly these rows are there already. The staging table goes with the same commit. The transaction must be READ
    COMMITTED: in another, who waits for the lock would not see what the one before has done. Settings are as before at the
    end.

    Raises `PermanentError` (`would-double`, `target-has-triggers`, `name-taken`, `generated-differs`, `placed-differs`,
    `target-refuses`) and `TransientError` (`staging-lost`, `source-locked`, …), and then nothing may be committed.
    """
    if conn.info.transaction_status is not TransactionStatus.INTRANS:
        raise RuntimeError("rows are placed inside the caller's transaction")
    with restore_errors(placing.target.relation):
        async with held(conn, READING | _LOCK_TIMEOUT):
            await _check_isolation(conn)
            await conn.execute(_LOCK, (f"archival_restore {placing.target.relation.sql}",))
            wanted = await row_hash.staged(conn, staging, placing.columns)
            if wanted.count != placing.rows:
                raise TransientError(
                    f"{wanted.count} of {placing.rows} rows wait in {staging.relation}: the server has crashed since they"
                    " were loaded, or somebody was there; they are loaded again",
                    code="staging-lost",
                )
            inserted = 0
            if not await _is_there(conn, placing, staging, wanted):
                inserted = await _insert(conn, placing, staging, wanted)
            await conn.execute(f"DROP TABLE {staging.relation.sql}".encode())
    return inserted


async def _is_there(conn: AsyncConnection[Any], placing: Placing, staging: StagingTable, wanted: Rows) -> bool:
    """Whether the archive's rows are in the target already; raises `would-double` for anything between yes and no."""
    there = await row_hash.of(conn, placing.there, [quote_identifier(c.target.name) for c in placing.columns])
    if there == wanted and wanted.count:
        return True
    if there.count == 0 or wanted.count == 0:
        return there.count > 0
    if await _may_be_beside(conn, placing):
        missing = await row_hash.missing(conn, staging, placing.columns, placing.there)
        if missing in (0, wanted.count):
            return missing == 0
        raise _would_double(placing, there.count, wanted.count - missing)
    raise _would_double(placing, there.count)


async def _insert(conn: AsyncConnection[Any], placing: Placing, staging: StagingTable, wanted: Rows) -> int:
    """Insert all rows, and prove that what the table took is what was wanted."""
    is_original = placing.target.relation == placing.chunk.hypertable
    apart = None
    if is_original and placing.target.kind == placing.chunk.kind == "native":
        apart = await partition.missing(conn, placing.chunk)
    if apart is None:
        await _check_triggers(conn, placing)
    else:
        await partition.create_apart(conn, placing.chunk)
    relation = placing.target.relation if apart is None else apart
    given = [column for column in placing.columns if column.target.generated not in ("stored", "virtual")]
    returned = row_hash.expression([quote_identifier(column.target.name) for column in placing.columns])
    query = f"""
        WITH placed AS (
            INSERT INTO {relation.sql} ({", ".join(quote_identifier(column.target.name) for column in given)})
            OVERRIDING SYSTEM VALUE SELECT {", ".join(column.value for column in given)} FROM {staging.relation.sql}
            RETURNING {returned} AS hash
        ) SELECT count(*), coalesce(sum(hash::pg_catalog.numeric), 0) FROM placed
    """
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(query.encode())).fetchone()
    assert row is not None
    if apart is not None:
        await partition.attach(conn, placing.chunk)
    # what is deferred to the commit is to fail here, where it can be explained
    await conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
    if Rows(*row) != wanted or await _count(conn, placing) < wanted.count:
        raise await _differs(conn, placing, staging, row[0])
    return wanted.count


async def _differs(conn: AsyncConnection[Any], placing: Placing, staging: StagingTable, taken: int) -> PermanentError:
    different = await row_hash.different_columns(conn, staging, placing.columns, placing.there)
    names = ", ".join(repr(column.target.name) for column in different) or "none by itself"
    if different and all(column.target.generated in ("stored", "virtual") for column in different):
        return PermanentError(
            f"{placing.target.relation} computes other values than the archive has: generated columns {names};"
            " restore into a table of its own, where they are plain columns",
            code="generated-differs",
        )
    return PermanentError(
        f"{placing.target.relation} took {taken} of {placing.rows} rows, or other values than it was given (columns that"
        f" differ: {names}): a trigger or a rule changes them; restore into a table of its own",
        code="placed-differs",
    )


async def _check_triggers(conn: AsyncConnection[Any], placing: Placing) -> None:
    if placing.fire_triggers:
        return
    async with conn.cursor(row_factory=tuple_row) as cur:
        names = [name for (name,) in await (await cur.execute(_TRIGGERS, (placing.target.relation.sql,))).fetchall()]
    if names:
        raise PermanentError(
            f"{placing.target.relation} has triggers that would fire for rows that were there before: {', '.join(names)};"
            " disable them meanwhile, ask for them to fire, or restore into a table of its own",
            code="target-has-triggers",
        )


async def _may_be_beside(conn: AsyncConnection[Any], placing: Placing) -> bool:
    """Chunks of a hypertable with more dimensions share their range of time with others."""
    if placing.beside or placing.target.kind != "timescaledb":
        return placing.beside
    return await timescaledb.dimensions(conn, placing.target.relation) > 1


async def _count(conn: AsyncConnection[Any], placing: Placing) -> int:
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(f"SELECT count(*) FROM {placing.there}".encode())).fetchone()
    assert row is not None
    return int(row[0])


async def _check_isolation(conn: AsyncConnection[Any]) -> None:
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute("SHOW transaction_isolation")).fetchone()
    if row != ("read committed",):
        raise RuntimeError(f"rows are placed in a READ COMMITTED transaction, this one is {row}")


def _would_double(placing: Placing, there: int, equal: int | None = None) -> PermanentError:
    table, span = placing.target.relation, placing.chunk.range
    some = "" if equal is None else f", {equal} of which are the archive's"
    return PermanentError(
        f"{table} holds {there} rows from {span.start or 'its beginning'} to {span.end or 'its end'}{some}, and the archive has"
        f" {placing.rows}: nothing was restored, since rows could be there twice; restore into a table of its own,"
        " or, if the rows that are there are others, ask for the archive beside them",
        code="would-double",
    )
