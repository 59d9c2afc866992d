"""Continuous aggregates over a chunk: what they would lose with it."""

from __future__ import annotations

from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row, tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk
from archival_core.model.chunks.moment import moment
from archival_core.source.catalog.partitioning.bounds import INTEGER_TIMES
from archival_core.source.catalog.partitioning.timescaledb_internals import invalidations
from archival_core.source.catalog.partitioning.timescaledb_internals.forms import NO_BEGIN, NO_END
from archival_core.source.catalog.partitioning.timescaledb_internals.invalidations import Pending
from archival_core.source.statement import name_of
from archival_core.source.translate import source_errors

AGGREGATES: Final[LiteralString] = """
SELECT EXISTS (
    SELECT FROM timescaledb_information.continuous_aggregates
    WHERE hypertable_schema = %(schema)s AND hypertable_name = %(name)s
)
"""

# Aggregates whose next refresh looks at the range again, and finds no rows there. The end of a range of integers is no time,
# and as a text it is not read as one.
REFRESHED_AGGREGATES: Final[LiteralString] = """
SELECT format('%%I.%%I', a.view_schema, a.view_name) AS name, j.config ->> 'start_offset' AS start_offset
FROM timescaledb_information.continuous_aggregates a
JOIN timescaledb_information.jobs j
    ON j.proc_name = 'policy_refresh_continuous_aggregate'
   AND (j.hypertable_schema, j.hypertable_name) IN (
       (a.materialization_hypertable_schema, a.materialization_hypertable_name),
       (a.view_schema, a.view_name)  -- in newer versions
   )
WHERE a.hypertable_schema = %(schema)s AND a.hypertable_name = %(name)s
  AND CASE WHEN j.config ->> 'start_offset' IS NULL OR %(range_end)s::text IS NULL OR %(is_integer)s THEN true
           ELSE (%(range_end)s::text)::timestamptz > now() - (j.config ->> 'start_offset')::interval END
ORDER BY 1
"""

# TimescaleDB 2.22 to 2.25 could take changes from the write-ahead log, where only its decoder sees them.
WRITES_ARE_DECODED: Final[LiteralString] = """
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_replication_slots s JOIN pg_catalog.pg_database d ON d.datname = current_database()
    WHERE s.slot_name = 'ts_' || d.oid || '_cagg'
)
"""

#: PostgreSQL's first timestamp. TimescaleDB leaves entries behind that end before it, and so before every row.
_FIRST_MICROSECOND: Final = -210_866_803_200_000_000


async def check_aggregates(conn: AsyncConnection[Any], chunk: Chunk) -> None:
    """Raise `PermanentError` if a continuous aggregate would lose its part of `chunk`, in the caller's transaction.

    - `continuous-aggregate`: a refresh policy reaches into the chunk's range, and would delete what is aggregated there,
      after the drop or as soon as one late row comes into the range. Integer time has no age that could be told here, so
      any policy is in the way.
    - `aggregate-not-refreshed`: rows of the chunk, or changes of rows, are not aggregated yet.
    - `unknown-timescaledb`: this version of TimescaleDB does not tell.
    """
    if chunk.kind == "native":
        return
    names = {"schema": chunk.hypertable.schema, "name": chunk.hypertable.name}
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            if await (await cur.execute(AGGREGATES, names)).fetchone() != (True,):
                return
        await _check_policies(conn, chunk, names)
        await _check_refreshed(conn, chunk)


async def _check_policies(conn: AsyncConnection[Any], chunk: Chunk, names: dict[str, str]) -> None:
    values = {"range_end": chunk.range.end, "is_integer": chunk.time_type in INTEGER_TIMES}
    async with conn.cursor(row_factory=dict_row) as cur:
        found = await (await cur.execute(REFRESHED_AGGREGATES, names | values)).fetchall()
    if found:
        named = ", ".join(f"{row['name']} (start_offset {row['start_offset'] or 'without limit'})" for row in found)
        raise PermanentError(
            f"{chunk.relation} is not removed: the refresh policy of continuous aggregate {named} reaches back into its range"
            " and would delete what was aggregated there; give the policy a start_offset shorter than the chunk's age"
            " (remove_continuous_aggregate_policy, then add_continuous_aggregate_policy)",
            code="continuous-aggregate",
        )


async def _check_refreshed(conn: AsyncConnection[Any], chunk: Chunk) -> None:
    async with conn.cursor(row_factory=tuple_row) as cur:
        if await (await cur.execute(WRITES_ARE_DECODED)).fetchone() == (True,):
            raise PermanentError(
                f"{chunk.relation} is not removed: continuous aggregates of {chunk.hypertable} learn from the write-ahead log"
                " what was written, so nobody can tell whether the chunk is aggregated; make them anew without"
                " timescaledb.enable_cagg_wal_based_invalidation",
                code="aggregate-not-refreshed",
            )
    first, last = _span(chunk)
    is_integer = chunk.time_type in INTEGER_TIMES
    for found in await invalidations.pending(conn, chunk.hypertable, first, last, is_integer=is_integer):
        if await _has_rows(conn, chunk, found):
            raise _not_refreshed(chunk, found.aggregate)


async def _has_rows(conn: AsyncConnection[Any], chunk: Chunk, pending: Pending) -> bool:
    """Whether rows of the chunk may be missing in the aggregate.

    A stretch that lies before or after everything that was ever refreshed has an open end, and only its rows matter. A
    stretch with two ends counts even without rows, since rows may have been deleted there.
    """
    if pending.lowest != NO_BEGIN and pending.greatest != NO_END:
        return True
    column = sql.Identifier(chunk.time_column)
    conditions: list[sql.Composable] = [sql.SQL("true")]
    if pending.lowest != NO_BEGIN:
        conditions.append(sql.SQL("{} >= {}").format(column, _moment(pending.lowest, chunk.time_type)))
    if pending.greatest != NO_END:
        # of UUIDs of the last millisecond, all
        conditions.append(sql.SQL("{} <= {}").format(column, _moment(pending.greatest, chunk.time_type, is_last=True)))
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {})").format(
        name_of(chunk.relation), sql.SQL(" AND ").join(conditions)
    )
    async with conn.cursor(row_factory=tuple_row) as cur:
        return await (await cur.execute(query)).fetchone() == (True,)


def _not_refreshed(chunk: Chunk, aggregate: str) -> PermanentError:
    bounds = ", ".join(
        "NULL" if bound is None else f"'{bound}'::{chunk.time_type}" if chunk.time_type in INTEGER_TIMES else f"'{bound}'"
        for bound in (chunk.range.start, chunk.range.end)
    )
    name = sql.Literal(aggregate).as_string(None)
    return PermanentError(
        f"{chunk.relation} is not removed: continuous aggregate {aggregate} has not aggregated all of its rows, or not as they"
        f" are now, and could not after the removal; run CALL refresh_continuous_aggregate({name}, {bounds}) with bounds"
        " widened to whole buckets, after restoring what was removed of these buckets before: a refresh aggregates the rows"
        " that are there",
        code="aggregate-not-refreshed",
    )


def _span(chunk: Chunk) -> tuple[int, int]:
    """The first and the last moment of the chunk's range, as TimescaleDB's catalog counts them."""
    start, end = moment(chunk.range.start), moment(chunk.range.end)
    begin = NO_BEGIN if chunk.time_type in INTEGER_TIMES else _FIRST_MICROSECOND
    return start if isinstance(start, int) else begin, end - 1 if isinstance(end, int) else NO_END


def _moment(value: int, time_type: str, *, is_last: bool = False) -> sql.Composed:
    """A moment of TimescaleDB's catalog as SQL that compares with the time column."""
    if time_type in INTEGER_TIMES:
        return sql.SQL("{}::pg_catalog.int8").format(str(value))
    if time_type == "uuid":
        rest = (1 << 62) - 1 if is_last else 0
        found = UUID(int=(value // 1000 << 80) | (7 << 76) | (is_last * 0xFFF << 64) | (2 << 62) | rest)
        return sql.SQL("{}::pg_catalog.uuid").format(str(found))
    epoch = sql.SQL("'epoch'::timestamptz" if time_type == "timestamp with time zone" else "'epoch'::timestamp")
    seconds, microseconds = divmod(value, 1_000_000)
    # two products, since one of so many microseconds would be rounded
    after = sql.SQL("({} + {} * interval '1 second' + {} * interval '1 microsecond')")
    return after.format(epoch, seconds, microseconds)
