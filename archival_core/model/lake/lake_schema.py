"""The columns of a table in the lake, and whether an archive's files fit them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from archival_core.model.lake.delta_log import TableColumn, delta_type
from archival_core.model.lake.lake_column import EXACT, LakeColumn
from archival_core.model.lake.manifest import ManifestColumn

_EXACT_FORM: Final = "map<string, string>"
#: of a column in the table's metadata: its number in the lake, and its `attnum` in PostgreSQL
_NUMBER: Final = "archival.number"
_ATTNUM: Final = "archival.attnum"


class UnfitError(ValueError):
    """An archive whose files the table's schema does not describe; what it says is for people."""


def described(columns: Iterable[LakeColumn]) -> tuple[TableColumn, ...]:
    """The columns that the ledger gave the table, in the order of their numbers, and the one of texts of values without a
    form, which few files have."""
    given = tuple(
        TableColumn(
            column.name,
            column.form,
            {
                "postgresql.type": column.postgresql_type,
                "archival.column": column.column,
                _NUMBER: column.number,
                _ATTNUM: column.attnum,
            },
        )
        for column in sorted(columns, key=lambda column: column.number)
    )
    return (*given, TableColumn(EXACT, _EXACT_FORM)) if given else ()


def stored(columns: Iterable[ManifestColumn]) -> tuple[TableColumn, ...]:
    """The columns that an archive's files have."""
    found = []
    for column in columns:
        said = {"postgresql.type": column.postgresql_type, _NUMBER: column.lake_number, _ATTNUM: column.number}
        # archives of before do not say all of it
        found.append(TableColumn(column.stored, column.arrow_type, {key: value for key, value in said.items() if value}))
    return tuple(found)


def fitted(table: Sequence[TableColumn], archive: Iterable[TableColumn], *, may_add: bool) -> tuple[TableColumn, ...]:
    """The table's columns, with those of the archive that are new if it `may_add` some.

    A file that lacks a column has NULL in it. Raises `UnfitError` where a column of the same name is another one, has another
    form, or a name that differs in case alone: engines would read such files wrongly, or not at all.
    """
    found = {column.name.casefold(): column for column in table}
    for column in archive:
        known = found.get(column.name.casefold())
        if known is None and not may_add:
            raise UnfitError(f"the table has no column {column.name!r}")
        if known is not None and known.name != column.name:
            raise UnfitError(f"column {column.name!r} differs from the table's {known.name!r} in case alone")
        if known is not None and known.form != column.form:
            raise UnfitError(f"column {column.name!r} is {column.form} in it and {known.form} in the table")
        if known is not None and not _is_same(known, column):
            raise UnfitError(f"column {column.name!r} in it is another one than the table's, which has that name since")
        try:
            delta_type(column.form)
        except ValueError as error:
            raise UnfitError(str(error)) from None
        found.setdefault(column.name.casefold(), column)
    return tuple(found.values())


def _is_same(known: TableColumn, column: TableColumn) -> bool:
    """By their numbers, or, for an archive of before there were such, by what PostgreSQL numbers them."""
    for key in (_NUMBER, _ATTNUM):
        one, other = known.metadata.get(key), column.metadata.get(key)
        if one is not None and other is not None:
            return bool(one == other)
    return True
