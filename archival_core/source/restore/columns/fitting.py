"""How each column of an archive fits into the table that the archive goes back to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Column, Relation, quote_identifier
from archival_core.model.lake.manifest import Manifest, ManifestColumn
from archival_core.source.restore.columns.wire import Wire, wire_of
from archival_core.source.wire.types import Form, form_of, whole_text
from archival_core.source.wire.values import each

#: How a column is filled whose values follow from others.
COMPUTED: Final = frozenset({"stored", "virtual"})


@dataclass(frozen=True, slots=True)
class FittedColumn:
    """One column, on its way from the archive through the staging table into its table."""

    #: the column's name in the archive's files
    stored: str
    #: the column's name in the staging table, made from its position so that no name of the archive can clash with another
    staged: str
    wire: Wire
    #: the column of the target
    target: Column
    #: the form in which the column was read when it was archived
    form: Form
    #: the column of the staging table that has the texts of values that the archive's form does not hold; `None` if the
    #: form holds all
    exact: str | None = None

    @property
    def natural(self) -> str:
        """SQL of what the archive's form holds, from the staging table."""
        return self.wire.natural.format(self.staged)

    @property
    def value(self) -> str:
        """SQL of the value in the target's type, from the staging table."""
        if self.exact is None:
            return self._held
        return f"CASE WHEN {self.exact} IS NULL THEN {self._held} ELSE {self._input(self.exact, self.target.type_name)} END"

    @property
    def _held(self) -> str:
        """SQL of what the archive's form holds, in the target's type."""
        if self._element_type is None:
            return self._read(self.natural, self.target.type_name)
        return f"{each(self.natural, self._read('e', self._element_type))}::{self.target.type_name}"

    @property
    def is_cast(self) -> bool:
        """Whether the target's type is not that of the archive's value."""
        return self.wire.type_name != self.target.type_name

    @property
    def may_lose(self) -> bool:
        """Whether the target's type might not hold the value exactly."""
        return self.is_cast or self.exact is not None

    @property
    def is_kept_as_text(self) -> bool:
        """Whether the archive has texts in place of the target's values."""
        return self.wire.base_type == "text" and self.is_cast

    @property
    def loss(self) -> str:
        """SQL that is true where the value in the target's type, archived again, would not be what the archive has."""
        held = self._held_loss if self.is_cast else "false"
        if self.exact is None:
            return held
        printed = f'{whole_text(self.target).sql.format(self.value)} COLLATE "C"'
        return f"CASE WHEN {self.exact} IS NULL THEN {held} ELSE {printed} IS DISTINCT FROM {self.exact} END"

    @property
    def _held_loss(self) -> str:
        forms = [self._again(self.form.sql)]
        if self.form.earlier is not None:
            forms.append(self._again(self.form.earlier))
        # a row prints each value by its type's own output function, and tells a NULL from an empty text
        texts = [f'ROW({value})::pg_catalog.text COLLATE "C"' for value in (self.natural, *forms)]
        return f"{texts[0]} NOT IN ({', '.join(texts[1:])})"

    @property
    def _element_type(self) -> str | None:
        """The type into which a list's elements have to be turned one by one."""
        return self.target.element_type if self.wire.is_array and self.is_cast else None

    def _read(self, value: str, type_name: str) -> str:
        """SQL of one value in a type."""
        if self.is_kept_as_text and self.target.has_cast_from_text and self.form.back == "{0}":
            return self._input(value, type_name)
        return f"{self.form.back.format(value)}::{type_name}"

    def _input(self, text: str, type_name: str) -> str:
        """SQL of the value that the type's input function makes of a text."""
        if not self.target.has_cast_from_text:
            return f"{text}::{type_name}"
        # Where the catalog has a function as a cast, a cast would call that function in place of the type's input function.
        # Taking the value out of JSON always calls the input function, but is slower.
        given = f"pg_catalog.json_to_record(pg_catalog.json_build_object('v', {text}))"
        return f"(SELECT given.v FROM {given} AS given (v {type_name}))"

    def _again(self, form: str) -> str:
        """The value in the target's type, as `form` reads it."""
        if self._element_type is None:
            return form.format(self._held)
        return each(self.natural, form.format(self._read("e", self._element_type)))


def fit_columns(
    manifest: Manifest, existing: Sequence[Column], target: Relation, *, by_number: bool
) -> tuple[FittedColumn, ...]:
    """Match an archive's columns with the columns that `target` has now.

    In the table that the archive was taken from, a column is matched with the column of the same number (`by_number`),
    whatever that is called now; in any other table with the column of the same name. Values that are kept as text also fit
    into a column of type text: that is the way back for values that their type does not take any more. Raises
    `PermanentError`: `columns-differ`, which names the columns that are missing or have another type; `unknown-form`.
    """
    archived = manifest.columns
    found = [(column, _now(column, existing, by_number=by_number)) for column in archived]
    wrong = [
        f"{then.name!r} was {then.postgresql_type} and is {now.type_name}" if now else f"{then.name!r} is gone"
        for then, now in found
        if now is None or not _takes(now, then)
    ]
    if wrong:
        raise PermanentError(
            f"{target} does not have the archive's columns any more: {', '.join(wrong)};"
            " restore into a table of its own, which is made with the archive's columns",
            code="columns-differ",
        )
    corrected = manifest.corrected
    return tuple(
        _fit(number, then, now, has_texts=then.stored in corrected)
        for number, (then, now) in enumerate(found)
        if now is not None
    )


def _now(then: ManifestColumn, existing: Sequence[Column], *, by_number: bool) -> Column | None:
    """The column that takes the values of an archive's column."""
    named = next((column for column in existing if column.name == then.name), None)
    # an archive from before numbers were recorded has names alone
    if not by_number or not then.number or (named is not None and named.number == then.number):
        return named
    numbered = next((column for column in existing if column.number == then.number), None)
    if numbered is None and named is not None and {named.generated, then.generated} <= COMPUTED:
        # made again for another expression: PostgreSQL computes its values, which are compared with the archive's
        return named
    return numbered


def _takes(existing: Column, archived: ManifestColumn) -> bool:
    texts = {"string": "text", "list<item: string>": "text[]", "list<element: string>": "text[]"}
    return existing.type_name in (archived.postgresql_type, texts.get(archived.arrow_type))


def _fit(number: int, archived: ManifestColumn, target: Column, *, has_texts: bool) -> FittedColumn:
    wire, form = wire_of(archived.arrow_type), form_of(target)
    if wire.arrow != (pa.list_(form.arrow) if target.is_array else form.arrow):
        # The column was archived as text because a value did not fit the type's own form, or because the type is a domain
        # that has changed since. Each value is tried in the type of today.
        form = whole_text(target) if archived.arrow_type == "string" else Form(wire.arrow)
    exact = quote_identifier(f"c{number}x") if has_texts else None
    return FittedColumn(archived.stored, quote_identifier(f"c{number}"), wire, target, form, exact)
