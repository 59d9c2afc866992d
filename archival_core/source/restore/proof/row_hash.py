"""Many rows are told by their count and the sum of their hashes. Equal sets of rows have the same count and sum, in whatever
order. Sets that differ have the same only by an accident of 64-bit hashes, whose chance is about one in 2^64.

A row's hash is that of its text, as PostgreSQL prints each value by its type (`session.TEXT_FORMS` must be pinned), so that
1.0 is not 1.00 and -0 is not 0. The sum needs neither memory nor sorting, however many rows there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.rows import tuple_row

from archival_core.model.chunks.chunk import Chunk, quote_identifier
from archival_core.model.chunks.moment import moment
from archival_core.source.catalog.partitioning.bounds import INTEGER_TIMES, check_time_type
from archival_core.source.restore.columns.fitting import FittedColumn
from archival_core.source.restore.loading.staging import StagingTable
from archival_core.source.statement import expression, name_of
from archival_core.source.wire.values import identity

#: No finite moment in a hypertable is as late; a chunk that begins later holds infinity alone.
_AFTER_ALL: Final = "294247-01-01T00:00:00Z"

_NOT_BEFORE: Final = sql.SQL(">=")
_BEFORE: Final = sql.SQL("<")
_SUM: Final = sql.SQL("SELECT count(*), coalesce(sum({hash}::pg_catalog.numeric), 0) FROM {source}")
_MISSING: Final = sql.SQL("""
SELECT count(*) FROM (SELECT {staged} FROM {staging} EXCEPT ALL SELECT {there} FROM {source}) AS missing
""")


@dataclass(frozen=True, slots=True)
class Rows:
    """What a set of rows holds."""

    count: int
    #: the sum of the rows' hashes
    sum: Decimal


def table_identity(columns: Sequence[FittedColumn]) -> sql.Composed:
    """SQL of a text that two rows of the target share exactly if all their values are the same, as their types' output
    functions print them; NULL is a value of its own. Types' own operators of equality have no part in it."""
    return _text(table_values(columns))


def staged_identity(columns: Sequence[FittedColumn]) -> sql.Composed:
    """SQL of the same text for a row of the staging table, whose values are read in the target's types."""
    return _text(staged_values(columns))


def table_values(columns: Sequence[FittedColumn]) -> list[str]:
    """SQL of the values by which a row of the target is told from others."""
    return [value for column in columns for value in identity(column.target, quote_identifier(column.target.name))]


def staged_values(columns: Sequence[FittedColumn]) -> list[str]:
    """SQL of the same values of a row of the staging table."""
    return [value for column in columns for value in identity(column.target, column.value)]


def hash_of(values: Sequence[str]) -> sql.Composed:
    """SQL of one row's hash."""
    return sql.SQL("pg_catalog.hashtextextended({}, 0)").format(_text(values))


def _text(values: Sequence[str]) -> sql.Composed:
    """SQL of a row as PostgreSQL prints it: each value's text by its output function, in quotes where it could be mistaken."""
    return sql.SQL('ROW({})::pg_catalog.text COLLATE "C"').format(sql.SQL(", ").join([expression(value) for value in values]))


async def of(conn: AsyncConnection[Any], source: sql.Composable, columns: Sequence[FittedColumn]) -> Rows:
    """Count and sum of the target's rows that `source` gives; `source` is what stands after FROM."""
    return await _of(conn, source, table_values(columns))


async def _of(conn: AsyncConnection[Any], source: sql.Composable, values: Sequence[str]) -> Rows:
    query = _SUM.format(hash=hash_of(values), source=source)
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(query)).fetchone()
    assert row is not None
    return Rows(*row)


async def staged(conn: AsyncConnection[Any], staging: StagingTable, columns: Sequence[FittedColumn]) -> Rows:
    """Count and sum of a staging table, with its values as the target has them."""
    return await _of(conn, name_of(staging.relation), staged_values(columns))


async def missing(
    conn: AsyncConnection[Any], staging: StagingTable, columns: Sequence[FittedColumn], source: sql.Composable
) -> int:
    """How many rows of a staging table are not in `source`. A row that is there once stands for one staged row."""
    query = _MISSING.format(
        staged=hash_of(staged_values(columns)),
        staging=name_of(staging.relation),
        there=hash_of(table_values(columns)),
        source=source,
    )
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(query)).fetchone()
    assert row is not None
    return int(row[0])


async def different_columns(
    conn: AsyncConnection[Any], staging: StagingTable, columns: Sequence[FittedColumn], source: sql.Composable
) -> list[FittedColumn]:
    """Columns that do not hold the same values in `source` as in the staging table, each looked at by itself."""
    return [column for column in columns if await staged(conn, staging, [column]) != await of(conn, source, [column])]


def range_condition(chunk: Chunk) -> sql.Composable:
    """SQL of the rows in the chunk's range."""
    # the bounds came out of the lake
    check_time_type(chunk.hypertable, chunk.time_column, chunk.time_type)
    column, time_type = sql.Identifier(chunk.time_column), expression(chunk.time_type)
    bounds = [
        sql.SQL("{} {} {}::{}").format(column, operator, literal(bound, chunk.time_type), time_type)
        for operator, bound in ((_NOT_BEFORE, _bound(chunk, chunk.range.start)), (_BEFORE, _bound(chunk, chunk.range.end)))
        if bound is not None
    ]
    return sql.SQL(" AND ").join(bounds) if bounds else sql.SQL("true")


def _bound(chunk: Chunk, bound: str | None) -> str | None:
    """`bound` as a hypertable can be asked for it.

    A hypertable's last chunk ends at infinity and holds the rows there too, while a native partition that ends there does not.
    Before TimescaleDB 2.28 a hypertable cannot even be asked for a moment after the last finite one that it takes.
    """
    if chunk.kind != "timescaledb" or bound is None or chunk.time_type in INTEGER_TIMES:
        return bound
    found, after_all = moment(bound), moment(_AFTER_ALL)
    assert isinstance(after_all, int)
    if isinstance(found, int):
        return bound if found <= after_all else _AFTER_ALL
    return None if bound in ("-infinity", "infinity") else bound


def literal(bound: str, time_type: str) -> sql.Literal:
    """A bound as a literal of SQL."""
    time = moment(bound)
    if time_type == "uuid" and isinstance(time, int):
        # the first that a version 7 UUID of that millisecond can be
        bound = str(UUID(int=(time // 1000 << 80) | (7 << 76) | (1 << 63)))
    return sql.Literal(bound)
