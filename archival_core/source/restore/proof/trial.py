"""Rows that came back in trial, compared with the chunk's own by PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import AsyncConnection, sql
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk
from archival_core.model.chunks.moment import DAY, INFINITE_DAYS, INFINITE_MICROSECONDS
from archival_core.model.chunks.time_slice import TimeSlice
from archival_core.source.at_once import at_once
from archival_core.source.catalog.partitioning.bounds import INTEGER_TIMES
from archival_core.source.restore.columns.fitting import FittedColumn
from archival_core.source.restore.loading.staging import StagingTable
from archival_core.source.restore.proof import row_hash
from archival_core.source.statement import expression, name_of
from archival_core.source.translate import source_errors

_SHOWN: Final = 200
#: the condition of all rows
EVERY_ROW: Final = sql.SQL("true")
_EXAMPLE: Final = sql.SQL("""
SELECT pg_catalog.concat({name}) COLLATE "C" FROM {there}
EXCEPT ALL SELECT pg_catalog.concat({value}) COLLATE "C" FROM {staging} LIMIT 1
""")


def condition(chunk: Chunk, slices: Sequence[TimeSlice]) -> sql.Composable:
    """SQL of the chunk's rows that are in one of `slices`; of all its rows, if there are none."""
    column, time_type = sql.Identifier(chunk.time_column), chunk.time_type
    between = [
        sql.SQL("{} BETWEEN {} AND {}").format(column, _time(one.low, time_type), _time(one.high, time_type)) for one in slices
    ]
    return sql.SQL("({})").format(sql.SQL(" OR ").join(between)) if between else EVERY_ROW


class ComesBackOtherwiseError(PermanentError):
    """Rows of an archive came back, and are not those of the chunk."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="not-restorable")


async def check_same(
    conn: AsyncConnection[Any], chunk: Chunk, staging: StagingTable, columns: Sequence[FittedColumn], where: sql.Composable
) -> int:
    """Compare the staged rows with the chunk's rows of `where`, and return how many they are; `READ_SETTINGS` must be pinned.

    Guard TRIAL: what cannot be brought back is never removed. Raises `ComesBackOtherwiseError`, which names a column
    and a value.
    """
    there = sql.SQL("{} WHERE {}").format(name_of(chunk.relation), where)
    with source_errors():
        staged, found = await at_once(conn, row_hash.staged(conn, staging, columns), row_hash.of(conn, there, columns))
        if staged == found:
            return staged.count
        different = await row_hash.different_columns(conn, staging, columns, there)
        example = await _example(conn, staging, different[0], there) if different else ""
    names = ", ".join(repr(column.target.name) for column in different) or "none by itself"
    raise ComesBackOtherwiseError(
        f"{chunk.relation} is not removed, because its archive does not come back as it is: {staged.count} rows came back of"
        f" {found.count}; columns that differ: {names}{example}"
    )


async def has_rows(conn: AsyncConnection[Any], chunk: Chunk) -> bool:
    """Whether the hypertable has a row in the range of `chunk`."""
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(_range(chunk)))
            return await cur.fetchone() is not None


async def missing_from(
    conn: AsyncConnection[Any], chunk: Chunk, staging: StagingTable, columns: Sequence[FittedColumn]
) -> tuple[int, int]:
    """How many rows are staged, and how many of them are not in the hypertable in the range of `chunk`."""
    with source_errors():
        found = await row_hash.staged(conn, staging, columns)
        return found.count, await row_hash.missing(conn, staging, columns, _range(chunk))


async def missing_from_staged(
    conn: AsyncConnection[Any],
    staging: StagingTable,
    columns: Sequence[FittedColumn],
    beside: StagingTable,
    beside_columns: Sequence[FittedColumn],
) -> tuple[int, int]:
    """How many rows are staged, and how many of them are not among the rows of another archive, which are in `beside`.

    Raises `PermanentError` (`columns-differ`) if the other archive lacks a column.
    """
    others = {column.target.name: column for column in beside_columns}
    if lacking := [column.target.name for column in columns if column.target.name not in others]:
        raise PermanentError(
            f"a later archive does not have the columns {', '.join(lacking)}: nobody can tell whether it holds the rows",
            code="columns-differ",
        )
    values = [
        sql.SQL("{} AS {}").format(expression(others[column.target.name].value), sql.Identifier(column.target.name))
        for column in columns
    ]
    source = sql.SQL("(SELECT {} FROM {}) AS beside").format(sql.SQL(", ").join(values), name_of(beside.relation))
    with source_errors():
        found = await row_hash.staged(conn, staging, columns)
        return found.count, await row_hash.missing(conn, staging, columns, source)


def _range(chunk: Chunk) -> sql.Composed:
    return sql.SQL("{} WHERE {}").format(name_of(chunk.hypertable), row_hash.range_condition(chunk))


async def _example(conn: AsyncConnection[Any], staging: StagingTable, column: FittedColumn, there: sql.Composable) -> str:
    """A value of the chunk that did not come back, for people."""
    query = _EXAMPLE.format(
        name=sql.Identifier(column.target.name),
        there=there,
        value=expression(column.value),
        staging=name_of(staging.relation),
    )
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(query)).fetchone()
    return f"; for example, {row[0][:_SHOWN]!r} in the chunk" if row else ""


def _time(value: int | str, time_type: str) -> sql.Composed:
    """A value of the time column, as an archive's files have it, as SQL of its type."""
    typed, infinity = sql.SQL("{}::{}"), INFINITE_DAYS if time_type == "date" else INFINITE_MICROSECONDS
    if isinstance(value, str) or time_type in INTEGER_TIMES:
        return typed.format(str(value), expression(time_type))
    if abs(value) >= infinity:
        return typed.format("-infinity" if value < 0 else "infinity", expression(time_type))
    if time_type == "date":
        return sql.SQL("('epoch'::date + {})").format(value)
    days, rest = divmod(value, DAY)
    # less than a day is exact in a double, down to the microsecond
    after = sql.SQL("('epoch'::{} + pg_catalog.make_interval(days => {}, secs => {}))")
    return after.format(expression(time_type), days, rest / 1_000_000)
