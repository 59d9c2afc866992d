"""The columns of a hypertable as they are now, and the columns of its table in the lake that hold their archived values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archival_core.clients.postgres.database import Database
from archival_core.ledger.tables.lake_columns import LakeColumns
from archival_core.model.chunks.chunk import Column, Relation
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.model.lake.lake_column import LakeColumn
from archival_core.source import catalog
from archival_core.source.state.tables import identity_of
from archival_core.source.wire.columns import arrow_type


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """A column of the table in the lake."""

    name: str
    #: name of the Arrow type
    form: str


@dataclass(frozen=True, slots=True)
class ColumnPlace:
    """Where a column's archived values are."""

    #: in the database, as it is now; `None` for a column that was dropped
    name: str | None
    #: as `format_type` prints it
    type: str | None
    #: name of the Arrow type that its values would have in the lake now
    form: str | None
    #: the newest first, and each archived row has its value in one of them; none for a column younger than every archive
    stored: tuple[StoredColumn, ...]


class ColumnPlaces:
    """Asks the source's catalog and the ledger."""

    def __init__(self, source: Database, columns: LakeColumns) -> None:
        self._source, self._columns = source, columns

    async def of(self, hypertable: Relation) -> tuple[ColumnPlace, ...]:
        """Every column of the hypertable in its order, and behind them those that were dropped.

        Raises `PermanentError` (`unknown-hypertable`) if the source has no such table.
        """
        async with self._source.connect() as connection:
            columns = await catalog.columns(connection, hypertable)
            table = await identity_of(connection, hypertable)
        return placed(columns, table, await self._columns.columns_of(hypertable))


def placed(columns: Sequence[Column], table: TableIdentity | None, known: Sequence[LakeColumn]) -> tuple[ColumnPlace, ...]:
    """Where the values of `columns` are, among the `known` columns of the lake, by their number.

    A column of this very table is told by its `attnum`, which a new name leaves as it is, and one of another table by its name.
    """
    left = {one.number: one for one in known}
    places = []
    for column in columns:
        form = str(arrow_type(column))
        own = [one for one in known if one.table == table and one.attnum == column.number]
        others = [one for one in known if one.table != table and one.column == column.name]
        found = [StoredColumn(one.name, one.form) for one in (*reversed(own), *reversed(others))]
        for one in (*own, *others):
            left.pop(one.number, None)
        if not known:  # archives of before tables had a schema have the table's own names
            found = [StoredColumn(column.name, form)]
        places.append(ColumnPlace(column.name, column.type_name, form, tuple(found)))
    return (*places, *(ColumnPlace(None, None, None, (StoredColumn(one.name, one.form),)) for one in left.values()))
