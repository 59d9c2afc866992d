"""The ledger's record of the columns that each hypertable's table in the lake has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archival_core.clients.postgres.database import Connection
from archival_core.ledger.pool import LedgerPool, Row
from archival_core.ledger.sql import queries
from archival_core.model.chunks.chunk import Relation
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.model.lake.lake_column import Decision, LakeColumn


class LakeColumns:
    """Table `archival.lake_column`."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def columns_of(self, hypertable: Relation) -> tuple[LakeColumn, ...]:
        """Every column that the table has or ever had, by its number."""
        return tuple(map(read_lake_column, await self._pool.all("lake_columns", hypertable=str(hypertable))))

    async def columns_of_table(self, table: TableIdentity) -> tuple[LakeColumn, ...]:
        """Every column that was seen last in this very table, whatever its name was then."""
        return tuple(map(read_lake_column, await self._pool.all("lake_columns_of_table", oid=table.oid, born=table.born)))

    async def decide(
        self, hypertable: Relation, decision: Callable[[tuple[LakeColumn, ...]], Decision]
    ) -> tuple[LakeColumn, ...]:
        """What `decision` makes of the columns that there are, recorded; nobody else decides about the table meanwhile."""
        async with self._pool.transaction("decide_lake_columns") as connection:
            await _execute(connection, "lock_lake_columns", hypertable=str(hypertable))
            known = tuple(map(read_lake_column, await _execute(connection, "lake_columns", hypertable=str(hypertable))))
            decided = decision(known)
            for column in decided.changed:
                await _execute(connection, "record_lake_column", hypertable=str(hypertable), **_row(column))
        return decided.columns


async def _execute(connection: Connection, query: str, **parameters: Any) -> list[Row]:
    cursor = await connection.execute(queries()[query], parameters)
    return await cursor.fetchall() if cursor.description else []


def read_lake_column(row: Row) -> LakeColumn:
    """What a row of the table says."""
    table = TableIdentity(oid=row["table_oid"], born=row["table_born"]) if row["table_oid"] is not None else None
    return LakeColumn(
        row["number"],
        table,
        row["attnum"],
        row["column_name"],
        row["name"],
        row["postgresql_type"],
        row["form"],
        row["default_before"],
        row["since"],
        row["until"],
    )


def _row(column: LakeColumn) -> dict[str, Any]:
    return {
        "number": column.number,
        "table_oid": column.table.oid if column.table else None,
        "table_born": column.table.born if column.table else None,
        "attnum": column.attnum,
        "column_name": column.column,
        "name": column.name,
        "postgresql_type": column.postgresql_type,
        "form": column.form,
        "default_before": column.default,
        "since": column.since,
        "until": column.until,
    }
