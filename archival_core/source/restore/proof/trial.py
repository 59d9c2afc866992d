"""Rows that came back in trial, compared with the chunk's own by PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import AsyncConnection, sql
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, quote_identifier
from archival_core.model.chunks.moment import DAY, INFINITE_DAYS, INFINITE_MICROSECONDS
from archival_core.model.chunks.time_slice import TimeSlice
from archival_core.source.catalog.partitioning.bounds import INTEGER_TIMES
from archival_core.source.restore.columns.fitting import FittedColumn
from archival_core.source.restore.loading.staging import StagingTable
from archival_core.source.restore.proof import row_hash
from archival_core.source.translate import source_errors

_SHOWN: Final = 200


def condition(chunk: Chunk, slices: Sequence[TimeSlice]) -> str:
    """SQL of the chunk's rows that are in one of `slices`."""
    column = quote_identifier(chunk.time_column)
    between = [f"{column} BETWEEN {_literal(s.low, chunk.time_type)} AND {_literal(s.high, chunk.time_type)}" for s in slices]
    return f"({' OR '.join(between)})"


class ComesBackOtherwiseError(PermanentError):
    """Rows of an archive came back, and are not those of the chunk."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="not-restorable")


async def check_same(
    conn: AsyncConnection[Any], chunk: Chunk, staging: StagingTable, columns: Sequence[FittedColumn], where: str
) -> int:
    """Compare the staged rows with the chunk's rows of `where`, and return how many they are; `READ_SETTINGS` must be pinned.

    Guard TRIAL: what cannot be brought back is never removed. Raises `ComesBackOtherwiseError`, which names a column
    and a value.
    """
    there = f"{chunk.relation.sql} WHERE {where}"
    with source_errors():
        staged = await row_hash.staged(conn, staging, columns)
        found = await row_hash.of(conn, there, columns)
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
            await cur.execute(f"SELECT 1 FROM {_range(chunk)} LIMIT 1".encode())
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
    values = ", ".join(f"{others[c.target.name].value} AS {quote_identifier(c.target.name)}" for c in columns)
    source = f"(SELECT {values} FROM {beside.relation.sql}) AS beside"
    with source_errors():
        found = await row_hash.staged(conn, staging, columns)
        return found.count, await row_hash.missing(conn, staging, columns, source)


def _range(chunk: Chunk) -> str:
    return f"{chunk.hypertable.sql} WHERE {row_hash.range_condition(chunk)}"


async def _example(conn: AsyncConnection[Any], staging: StagingTable, column: FittedColumn, there: str) -> str:
    """A value of the chunk that did not come back, for people."""
    name = quote_identifier(column.target.name)
    query = f"""
        SELECT pg_catalog.concat({name}) COLLATE "C" FROM {there}
        EXCEPT ALL SELECT pg_catalog.concat({column.value}) COLLATE "C" FROM {staging.relation.sql} LIMIT 1
    """
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(query.encode())).fetchone()
    return f"; for example, {row[0][:_SHOWN]!r} in the chunk" if row else ""


def _literal(value: int | str, time_type: str) -> str:
    if isinstance(value, str):
        return f"{sql.Literal(value).as_string(None)}::{time_type}"
    if time_type in INTEGER_TIMES:
        return f"'{value}'::{time_type}"
    infinity = INFINITE_DAYS if time_type == "date" else INFINITE_MICROSECONDS
    if abs(value) >= infinity:
        return f"'{'-' if value < 0 else ''}infinity'::{time_type}"
    if time_type == "date":
        return f"('epoch'::date + ({value}))"
    days, rest = divmod(value, DAY)
    # less than a day is exact in a double, down to the microsecond
    return f"('epoch'::{time_type} + pg_catalog.make_interval(days => {days}, secs => {rest / 1_000_000!r}))"
