"""The archives that can be in a table: those whose files the table's schema describes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from archival_core.flows.tables.log_reading import folder_of
from archival_core.ledger.tables.lake_tables import Addition, Entered, HeldTable
from archival_core.model.lake.delta_log import TableColumn, TableFile
from archival_core.model.lake.file_statistics import bounded_columns, statistics_of
from archival_core.model.lake.lake_schema import UnfitError, described, fitted, stored
from archival_core.model.lake.lake_table import Plan

_STRANGE_NAME: Final = "its folder has a name that engines read differently"
_WAITS: Final = "it takes the place of the same rows as an archive that cannot enter yet"


@dataclass(frozen=True, slots=True)
class Entry:
    """An archive on its way into the table."""

    entered: Entered
    files: tuple[TableFile, ...]


@dataclass(frozen=True, slots=True)
class Fitting:
    """What a commit changes, of what was wanted."""

    columns: tuple[TableColumn, ...]
    entries: tuple[Entry, ...]
    #: folders
    removes: tuple[str, ...]
    #: why archives that count are not in the table, by folder
    left_out: dict[str, str]


async def given_columns(held: HeldTable) -> tuple[TableColumn, ...]:
    """The columns that the ledger has decided on for the table; none before it has."""
    return described(await held.lake_columns())


def has_others(given: Sequence[TableColumn], columns: Sequence[TableColumn]) -> bool:
    """Whether the ledger has decided on other columns than the table has: archives that were left out may fit now."""
    return bool(given) and _forms(given) != _forms(columns)


async def fit(
    held: HeldTable, columns: tuple[TableColumn, ...], given: tuple[TableColumn, ...], wanted: Plan, *, is_new: bool
) -> Fitting:
    """The part of `wanted` that can be committed. `columns` are those that the table has now; a log that `is_new` has its first
    commit with this.

    The ledger's columns, `given`, decide. Before the ledger has any, the table has the columns of its archives.
    """
    folder = folder_of(held.known.hypertable)
    asked = wanted.adds
    if given and _forms(columns).items() - _forms(given).items():
        # archives from before may be in a table whose columns were decided since, so each is looked at again
        asked = (*asked, *wanted.stays)
    additions = await held.additions(asked) if asked else []
    bounded = _bounded(columns, given, additions, is_new=is_new)
    columns = given or columns
    entries: list[Entry] = []
    left_out: dict[str, str] = {}
    for addition in additions:
        try:
            columns = _with(addition, folder, columns, may_add=not given)
        except UnfitError as error:
            left_out[addition.folder] = str(error)
        else:
            if addition.folder not in wanted.stays:
                entries.append(_entry(addition, folder, [column for column in columns if column.name in bounded]))
    kept = wanted.without(set(wanted.adds) - {entry.entered.folder for entry in entries})
    left_out |= {entry.entered.folder: _WAITS for entry in entries if entry.entered.folder in kept}
    removes = tuple(folder for folder in wanted.removes if folder not in kept)
    entries = [entry for entry in entries if entry.entered.folder not in kept]
    columns = tuple(column.with_bounds() if column.name in bounded else column for column in columns)
    return Fitting(columns, tuple(entries), (*removes, *sorted(left_out.keys() & set(wanted.stays))), left_out)


def _forms(columns: Sequence[TableColumn]) -> dict[str, str]:
    return {column.name: column.form for column in columns}


def _bounded(
    columns: Sequence[TableColumn], given: Sequence[TableColumn], additions: Sequence[Addition], *, is_new: bool
) -> frozenset[str]:
    """The columns that the log's statistics are of: decided with its first commit, since every file has to say them."""
    time_column = next(map(_time_column, additions), None)
    bounded = bounded_columns(given, time_column) if is_new else frozenset(c.name for c in columns if c.is_bounded)
    # a log of before has statistics of the time column alone
    return bounded or frozenset({time_column} if time_column else ())


def _time_column(addition: Addition) -> str:
    """Its name in the lake."""
    return next((c.stored for c in addition.columns if c.name == addition.time_column), addition.time_column)


def _with(addition: Addition, folder: str, columns: tuple[TableColumn, ...], *, may_add: bool) -> tuple[TableColumn, ...]:
    if "%" in addition.folder or not addition.folder.startswith(f"{folder}/"):
        raise UnfitError(_STRANGE_NAME)
    return fitted(columns, stored(addition.columns), may_add=may_add)


def _entry(addition: Addition, folder: str, bounded: Sequence[TableColumn]) -> Entry:
    name = addition.folder.removeprefix(f"{folder}/")
    names, time_column = {column.stored for column in addition.columns}, _time_column(addition)
    modified = int(addition.finished_at.timestamp() * 1000)
    files = tuple(
        TableFile(f"{name}/{part.file}", part.bytes, statistics_of(part, bounded, names, time_column), modified)
        for part in addition.parts
    )
    return Entry(Entered(addition.folder, tuple(part.file for part in addition.parts), addition.rows), files)
