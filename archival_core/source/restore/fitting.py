"""How each column of an archive fits into the table that it goes back to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from archival_core.errors import PermanentError
from archival_core.model.chunk import Column, Relation, quote_identifier
from archival_core.model.manifest import ManifestColumn
from archival_core.source.restore.wire import Wire, wire_of
from archival_core.source.wire.types import TEXT, Form, form_of


@dataclass(frozen=True, slots=True)
class FittedColumn:
    """One column on its way from the archive through the staging table into its table."""

    #: of the staging table; by position, so that no name of the archive's can clash with anything
    staged: str
    wire: Wire
    #: as the target has it; its name is that of the archive's column
    target: Column
    #: in which the column was read when it was archived
    form: Form

    @property
    def natural(self) -> str:
        """SQL of the archive's value, from the staging table."""
        return self.wire.natural.format(self.staged)

    @property
    def value(self) -> str:
        """SQL of the value in the target's type, from the staging table."""
        return f"{self._read_as(self.natural)}::{self.target.type_name}"

    @property
    def is_cast(self) -> bool:
        """Whether the target's type is another than that of the archive's value."""
        return self.wire.type_name != self.target.type_name

    @property
    def loss(self) -> str:
        """SQL that is true where the value in the target's type, archived again, would not be what the archive has."""
        # concat prints any value by its type's own output function; a cast of char(n) to text would strip its spaces
        again = f"concat({self._read_as(f'({self.value})')})"
        return f"num_nulls({self.natural}, {self.value}) = 1 OR {again} IS DISTINCT FROM concat({self.natural})"

    def _read_as(self, value: str) -> str:
        """The value in the type in which it was read when it was archived."""
        if self.form.sql == "{}":
            return value
        return self.form.sql.format(value) + ("[]" if self.wire.is_array else "")


def fit_columns(archived: Sequence[ManifestColumn], existing: Sequence[Column], target: Relation) -> tuple[FittedColumn, ...]:
    """Match an archive's columns with those that `target` has now; a column that the target has besides gets its default.

    Raises `PermanentError`: `columns-differ`, which names those that are gone or have another type; `unknown-form`.
    """
    by_name = {column.name: column for column in existing}
    wrong = [
        f"{column.name!r} was {column.postgresql_type} and is {by_name[column.name].type_name}"
        if column.name in by_name
        else f"{column.name!r} is gone"
        for column in archived
        if column.name not in by_name or by_name[column.name].type_name != column.postgresql_type
    ]
    if wrong:
        raise PermanentError(
            f"{target} does not have the archive's columns any more: {', '.join(wrong)};"
            " restore into a table of its own, which is made with the archive's columns",
            code="columns-differ",
        )
    return tuple(_fit(number, column, by_name[column.name]) for number, column in enumerate(archived))


def _fit(number: int, archived: ManifestColumn, target: Column) -> FittedColumn:
    wire, form = wire_of(archived.arrow_type), form_of(target)
    if wire.arrow != (pa.list_(form.arrow) if target.is_array else form.arrow):
        # Archived as text, because a value did not fit the type's own form; or the type itself, a domain, is not what it was.
        # Whether it still holds the values is looked at in each of them.
        form = TEXT if archived.arrow_type == "string" else Form(wire.arrow)
    return FittedColumn(quote_identifier(f"c{number}"), wire, target, form)
