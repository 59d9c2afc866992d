"""Rows go into their table, and into a partition that is made for them where theirs is gone."""

from __future__ import annotations

from typing import Any, Final

from psycopg import AsyncConnection, sql
from psycopg import errors as postgres
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError, TransientError
from archival_core.model.chunks.chunk import Relation
from archival_core.source.at_once import at_once
from archival_core.source.restore.loading.staging import StagingTable
from archival_core.source.restore.placing import partition
from archival_core.source.restore.placing.sequences import advance, owned_sequences
from archival_core.source.restore.placing.triggers import insert_triggers
from archival_core.source.restore.plan.restore_plan import RestorePlan, differs
from archival_core.source.restore.proof import row_hash
from archival_core.source.restore.proof.row_hash import Rows

_INSERT: Final = sql.SQL("""
WITH placed AS ({insertion} RETURNING {hash} AS hash)
SELECT count(*), coalesce(sum(hash::pg_catalog.numeric), 0) FROM placed
""")


async def insert(
    conn: AsyncConnection[Any], plan: RestorePlan, staging: StagingTable, wanted: Rows, apart: Relation | None
) -> int:
    """Insert all rows, and prove that what the table took is what was wanted. Sequences go on behind the rows.

    A partition that is missing is made `apart`, under this name.
    """
    if apart is None:
        await check_triggers(conn, plan)
    # None of these needs another's answer: what the table took is judged when the rows are in it, and all of it is undone where
    # that is not what was wanted.
    _, taken, _, owner, _, counted, sequences = await at_once(
        conn,
        _create(conn, plan, apart),
        _fill(conn, plan, staging, apart or plan.target.relation),
        _attach(conn, plan, apart),
        partition.other_owner(conn, plan.chunk),
        _check_deferred(conn),
        count(conn, plan),
        owned_sequences(conn, plan.target.relation),
    )
    if apart is not None and owner is not None:
        await partition.hand_over(conn, plan.chunk, owner)
    if taken != wanted or counted < wanted.count:
        raise await differs(conn, plan, staging, taken.count)
    await advance(conn, sequences, staging, plan.columns)
    return wanted.count


async def check_triggers(conn: AsyncConnection[Any], plan: RestorePlan) -> None:
    """Raise `PermanentError` (`target-has-triggers`) if triggers of the target would fire that must not."""
    if plan.fire_triggers:
        return
    names = await insert_triggers(conn, plan.target.relation)
    if names:
        raise PermanentError(
            f"{plan.target.relation} has triggers that would fire for rows that were there before: {', '.join(names)};"
            " disable them meanwhile, ask for them to fire, or restore into a table of its own",
            code="target-has-triggers",
        )


async def count(conn: AsyncConnection[Any], plan: RestorePlan) -> int:
    """How many rows there are in the archive's range of the target."""
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(sql.SQL("SELECT count(*) FROM {}").format(plan.there))).fetchone()
    assert row is not None
    return int(row[0])


async def _create(conn: AsyncConnection[Any], plan: RestorePlan, apart: Relation | None) -> None:
    if apart is not None:
        await partition.create_apart(conn, plan.chunk)


async def _fill(conn: AsyncConnection[Any], plan: RestorePlan, staging: StagingTable, into: Relation) -> Rows:
    """Insert all rows, and return what the table took."""
    query = _INSERT.format(insertion=plan.insertion(into, staging), hash=row_hash.hash_of(row_hash.table_values(plan.columns)))
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(query)).fetchone()
    assert row is not None
    return Rows(*row)


async def _attach(conn: AsyncConnection[Any], plan: RestorePlan, apart: Relation | None) -> None:
    if apart is None:
        return
    try:
        await partition.attach(conn, plan.chunk)
    except postgres.InvalidObjectDefinition as error:
        # somebody has made a partition for the range meanwhile, which the next attempt finds
        raise TransientError(
            f"the range of {plan.chunk.relation} was taken while the archive was loaded", code="source-changed"
        ) from error


async def _check_deferred(conn: AsyncConnection[Any]) -> None:
    """A deferred constraint is to fail here, where the error can be explained, and not at the commit."""
    await conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
