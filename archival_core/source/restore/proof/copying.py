"""An archive's rows in a table of the types that they had, proven equal to the archive.

An archive is read again from such a copy where its files are to be written in another form. PostgreSQL says of each value
what its text is, before and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import AsyncConnection, sql

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Relation
from archival_core.source.restore.columns.fitting import FittedColumn
from archival_core.source.restore.errors import restore_errors
from archival_core.source.restore.loading.staging import StagingTable
from archival_core.source.restore.proof import row_hash
from archival_core.source.session import ALONE, READ_SETTINGS, pin_statement
from archival_core.source.statement import expression, name_of
from archival_core.source.translate import source_errors

_COPY: Final = sql.SQL("INSERT INTO {into} ({names}) SELECT {values} FROM {staging}")


async def copy(conn: AsyncConnection[Any], staging: StagingTable, into: Relation, columns: Sequence[FittedColumn]) -> int:
    """Bring all staged rows into the empty table `into`, in their order, and return how many they are.

    Raises `PermanentError` (`rewrite-differs`) if the table does not hold the rows as they are.
    """
    statement = _COPY.format(
        into=name_of(into),
        names=sql.SQL(", ").join([sql.Identifier(column.target.name) for column in columns]),
        values=sql.SQL(", ").join([expression(column.value) for column in columns]),
        staging=name_of(staging.relation),
    )
    with restore_errors(into):
        async with conn.transaction():
            await conn.execute(pin_statement(READ_SETTINGS | ALONE | {"synchronize_seqscans": "off"}))
            await conn.execute(statement)
            return await _check_same(conn, staging, into, columns)


async def check_same(
    conn: AsyncConnection[Any], staging: StagingTable, table: Relation, columns: Sequence[FittedColumn]
) -> int:
    """Compare the staged rows with those of `table`, and return how many they are.

    An archive takes another's place only if PostgreSQL prints each of its values as it prints that of the other. Raises
    `PermanentError` (`rewrite-differs`), which names the columns.
    """
    with source_errors():
        async with conn.transaction():
            await conn.execute(pin_statement(READ_SETTINGS))
            return await _check_same(conn, staging, table, columns)


async def _check_same(
    conn: AsyncConnection[Any], staging: StagingTable, table: Relation, columns: Sequence[FittedColumn]
) -> int:
    staged, found = await row_hash.staged(conn, staging, columns), await row_hash.of(conn, name_of(table), columns)
    if staged != found:
        different = await row_hash.different_columns(conn, staging, columns, name_of(table))
        names = ", ".join(repr(column.target.name) for column in different) or "none by itself"
        raise PermanentError(
            f"the archive's rows are not the same when they are written anew: {staged.count} rows of {found.count}, columns"
            f" that differ: {names}; the archive stays as it is",
            code="rewrite-differs",
        )
    return found.count
