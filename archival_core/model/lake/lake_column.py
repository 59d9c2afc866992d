"""The columns of a hypertable's table in the lake, which has one schema whatever becomes of the hypertable.

Files of one table never disagree about a column. So a column of the lake is given its number, its name and its form once, and
keeps them: a column of the hypertable that is renamed, or whose form changes, goes on as another column of the lake, and a
dropped one stays, with NULL in later files. `decide` says which columns a reading of the hypertable has there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Final

from archival_core.model.chunks.grounds import TableIdentity

#: Column of the lake that holds PostgreSQL's text of values that have no exact form (a map of column to text), …
EXACT: Final = "_archival_exact"
#: … and its number, which is no other column's.
EXACT_NUMBER: Final = 1_000_000


def text_of(name: str) -> str:
    """The name of the Arrow column that has PostgreSQL's texts of what the lake column `name` does not hold.

    Such columns exist on the way to `EXACT` and back alone. No lake column has a space in its name.
    """
    return f"{name} exact"


@dataclass(frozen=True, slots=True)
class SeenColumn:
    """A column of the hypertable as one snapshot shows it."""

    attnum: int
    name: str
    postgresql_type: str
    #: name of the Arrow type that its values have in the lake
    form: str
    #: PostgreSQL's text of what rows have that were stored before the column was added
    default: str | None = None


@dataclass(frozen=True, slots=True)
class LakeColumn:
    """A column of the table in the lake."""

    #: field id in Parquet; given once in a table, never again
    number: int
    #: the hypertable's own table, since one that is dropped and made again has the same `attnum`s; `None` if it is not known
    table: TableIdentity | None
    attnum: int
    #: in PostgreSQL
    column: str
    #: in the lake, where no other column of the table has it, in upper or lower case
    name: str
    #: as `format_type` prints it
    postgresql_type: str
    #: name of the Arrow type
    form: str
    #: PostgreSQL's text of what rows have that were stored before the column was added
    default: str | None
    #: of the first snapshot that showed it, by the source's clock
    since: datetime
    #: of the first snapshot that did not show it any more; `None` for a column that is there
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Which columns of the lake a reading has."""

    #: one for each column of the hypertable, in its order
    columns: tuple[LakeColumn, ...]
    #: what is to be recorded; nothing if all is as it was
    changed: tuple[LakeColumn, ...]


def decide(known: Collection[LakeColumn], seen: Sequence[SeenColumn], table: TableIdentity | None, as_of: datetime) -> Decision:
    """The columns of the lake for `seen`, the hypertable's columns in the snapshot of `as_of`; `known` are all there ever were.

    A table that was dropped and made again goes on with the columns that had the same name and form when it was dropped. A
    snapshot that is older than the last change looks back: it finds its columns, and changes nothing about which are there.
    """
    columns: list[LakeColumn] = []
    for column in seen:
        found = _known_column(known, column, table)
        columns.append(_again(found, column, table) if found else _new([*known, *columns], column, table, as_of))
    return Decision(*_decided(known, columns, as_of))


def learn(known: Collection[LakeColumn], found: Iterable[LakeColumn], as_of: datetime) -> Decision:
    """What a manifest of `as_of` tells of the columns: its own are `found`.

    A number or a name that is another column's is not taken from it: `columns` are those that agree with `known`.
    """
    by_number = {column.number: column for column in known}
    names = {_caseless(column.name): column.number for column in known}
    agreed = [
        replace(column, since=by_number[column.number].since if column.number in by_number else as_of)
        for column in found
        if names.get(_caseless(column.name), column.number) == column.number
        and (column.number not in by_number or _same(by_number[column.number], column))
    ]
    return Decision(*_decided(known, agreed, as_of))


def lake_name(column: str, others: Iterable[str]) -> str:
    """The name of a new column of the lake: `column`, escaped where engines need it, and numbered where one of `others` has it.

    Letters, digits and `_` stay. Anything else becomes its code point, `temp °C` for example `temp_x20__xb0_C`: Delta Lake
    takes no spaces, and SQL no dots.
    """
    escaped = "".join(sign if sign.isalnum() or sign == "_" else f"_x{ord(sign):x}_" for sign in column)
    used = {_caseless(name) for name in (*others, EXACT)}
    names = (escaped if number == 1 else f"{escaped}__{number}" for number in count(1))
    return next(name for name in names if _caseless(name) not in used)


def _caseless(name: str) -> str:
    """Engines that do not tell upper from lower case do not agree on how."""
    return name.casefold().lower()


def _same(one: LakeColumn, other: LakeColumn) -> bool:
    return (one.name, one.form) == (other.name, other.form)


def _known_column(known: Collection[LakeColumn], column: SeenColumn, table: TableIdentity | None) -> LakeColumn | None:
    alike = [k for k in known if (k.column, k.form) == (column.name, column.form)]
    own = [k for k in alike if k.table == table and k.attnum == column.attnum]
    # what was dropped from a table does not come back with another one
    earlier = [k for k in alike if k.table != table and k.until is None]
    return next(iter([*own, *earlier]), None)


def _again(known: LakeColumn, column: SeenColumn, table: TableIdentity | None) -> LakeColumn:
    default = known.default if column.default is None else column.default
    return replace(
        known, table=table, attnum=column.attnum, postgresql_type=column.postgresql_type, default=default, until=None
    )


def _new(known: Sequence[LakeColumn], column: SeenColumn, table: TableIdentity | None, as_of: datetime) -> LakeColumn:
    # a change of type writes the rows anew, and PostgreSQL then forgets what those of before had
    before = [k.default for k in known if k.table == table and k.attnum == column.attnum and k.default is not None]
    return LakeColumn(
        number=max((k.number for k in known), default=0) + 1,
        table=table,
        attnum=column.attnum,
        column=column.name,
        name=lake_name(column.name, [k.name for k in known]),
        postgresql_type=column.postgresql_type,
        form=column.form,
        default=column.default if column.default is not None or not before else before[-1],
        since=as_of,
    )


def _decided(
    known: Collection[LakeColumn], columns: Sequence[LakeColumn], as_of: datetime
) -> tuple[tuple[LakeColumn, ...], tuple[LakeColumn, ...]]:
    """`columns`, which are there at `as_of`, and what changes by that."""
    by_number = {column.number: column for column in known}
    last_change = max((moment for k in known for moment in (k.since, k.until) if moment is not None), default=as_of)
    if as_of < last_change:
        decided = [by_number.get(column.number) or replace(column, until=as_of) for column in columns]
        return tuple(decided), tuple(column for column in decided if column.number not in by_number)
    numbers = {column.number for column in columns}
    gone = [replace(k, until=as_of) for k in known if k.until is None and k.number not in numbers]
    changed = [column for column in columns if by_number.get(column.number) != column]
    return tuple(columns), (*changed, *gone)
