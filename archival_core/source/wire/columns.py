"""How the columns of a hypertable are read, so that what arrives is exactly what PostgreSQL holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import pyarrow as pa

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Column, quote_identifier
from archival_core.model.chunks.printed import printed_array
from archival_core.model.lake.lake_column import LakeColumn, text_of
from archival_core.source.wire.holding import Held
from archival_core.source.wire.joining import Joined, joined
from archival_core.source.wire.measuring import measured
from archival_core.source.wire.packing import PACKED_TYPES, packs
from archival_core.source.wire.types import Form, form_of, whole_text
from archival_core.source.wire.values import in_form

_UNKNOWN: Final[Mapping[str, float]] = MappingProxyType({})
_AS_ARCHIVED: Final[Mapping[str, Form]] = MappingProxyType({})
#: A column of which a larger share is NULL is not packed, because a packed row with a NULL costs more than an unpacked one.
_MOST_NULLS: Final = 0.01
#: SQL that is true for an array that an Arrow list cannot carry: one of more dimensions, or one that does not begin at 1.
_ODD_SHAPE = "(pg_catalog.array_ndims({0}) > 1 OR pg_catalog.array_lower({0}, 1) <> 1)"


@dataclass(frozen=True, slots=True)
class Output:
    """One value of the SELECT."""

    sql: str
    #: how the values of many rows can travel as one
    joined: Joined | None = None


@dataclass(frozen=True, slots=True)
class _Reader:
    """One column's outputs in the SELECT, and how they become its values."""

    column: Column
    form: Form
    #: whether the column travels as a list
    is_array: bool
    #: whether the column is never NULL, as far as is known
    is_complete: bool

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def arrow(self) -> pa.DataType:
        return pa.list_(self.form.arrow) if self.is_array else self.form.arrow

    @property
    def is_stored_text(self) -> bool:
        """Whether the server knows the text's length without making the text, in a database in UTF8."""
        return self.form.is_text and self.form.is_stored and not self.is_array

    @property
    def value(self) -> str:
        """SQL of the value."""
        return in_form(self.form, self.column, quote_identifier(self.name), is_array=self.is_array)

    @property
    def outputs(self) -> list[Output]:
        if not self.is_array:
            return [Output(self.value, joined(self.value, self.form) if self.is_complete else None)]
        # The driver flattens dimensions without a word, and gives up at another lower bound. So such a value comes as NULL,
        # and a second output has its text.
        name = quote_identifier(self.name)
        odd = _ODD_SHAPE.format(name)
        text = whole_text(self.column).sql.format(name)
        return [Output(f"CASE WHEN {odd} THEN NULL ELSE {self.value} END"), Output(f"CASE WHEN {odd} THEN {text} END")]

    def read(self, arrived: list[pa.Array]) -> tuple[pa.Array, pa.Array | None]:
        """The values, and PostgreSQL's text of the values that the form does not hold, NULL for the others; `None` if the
        form holds all.
        """
        value = arrived.pop(0)
        if not self.is_array:
            held, given = self._held(value)
            if held.lost is None:
                return held.values, None
            return held.values, _beside(len(value), held.lost, self._printed(given.take(pa.array(held.lost))))
        odd, (items, given) = arrived.pop(0), self._held(value.values)
        texts = {}
        if odd.null_count < len(odd):
            texts = {row: text for row, text in enumerate(odd.to_pylist()) if text is not None}
        if items.lost is not None:
            offsets = value.offsets.to_numpy()
            for row in np.unique(np.searchsorted(offsets, items.lost, "right") - 1).tolist():
                elements = given.slice(offsets[row], offsets[row + 1] - offsets[row])
                texts[row] = printed_array(self._printed(elements))
        lists = pa.ListArray.from_arrays(value.offsets, items.values, type=self.arrow, mask=_nulls(value))
        return lists, _beside(len(value), np.array([*texts]), [*texts.values()]) if texts else None

    def _printed(self, given: pa.Array) -> list[str | None]:
        assert self.form.printed is not None, "a form that does not hold every value can print them"
        return self.form.printed(given)

    def _held(self, array: pa.Array) -> tuple[Held, pa.Array]:
        """What the form holds of the values that the driver gives."""
        if isinstance(array, pa.ExtensionArray):  # what the driver leaves as it is, such as the text of a numeric
            array = array.storage
        held = self.form.hold(array) if self.form.hold is not None else Held(array)
        if held.values.type != self.form.arrow:
            # a cast here could change values without a word
            raise PermanentError(
                f"the driver reads column {self.name!r} as {held.values.type}, planned was {self.form.arrow}",
                code="unexpected-schema",
            )
        return held, array


def arrow_type(column: Column) -> pa.DataType:
    """The type that the column's values have in the lake."""
    form = form_of(column).arrow
    return pa.list_(form) if column.is_array else form


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How the columns of a hypertable are read."""

    #: what has to be selected, in this order
    outputs: tuple[Output, ...]
    #: how many of the first outputs are packed numbers
    packed: int
    #: whether outputs are arrays
    has_arrays: bool
    #: of the batches that `exact` gives, but for the texts of values that are not exact, which stand behind these columns;
    #: fields carry `postgresql.name`, `postgresql.type` and `postgresql.not_null`
    schema: pa.Schema
    exact: Callable[[pa.RecordBatch], pa.RecordBatch]

    @property
    def select_list(self) -> str:
        """SQL of `outputs`."""
        return ", ".join(output.sql for output in self.outputs)


def plan_columns(
    columns: Sequence[Column],
    nulls: Mapping[str, float] = _UNKNOWN,
    *,
    lake: Sequence[LakeColumn] = (),
    as_text: Collection[str] = (),
    forms: Mapping[str, Form] = _AS_ARCHIVED,
    in_utf8: bool = False,
) -> ColumnPlan:
    """The plan that reads `columns` exactly.

    `nulls` is the share of NULLs in a column, where it is known. It decides how values travel, and changes no value:

    - Numbers that are hardly ever NULL are packed.
    - Values that are never NULL can be joined.
    - So can texts whose lengths travel with packed numbers; lengths are known only where the database is `in_utf8`.

    The columns named in `as_text` come as PostgreSQL's text; those in `forms` in another form than their type's. With `lake`,
    the columns of the table in the lake, batches have the lake's names and numbers.
    """
    shares = {column.name: 0.0 if column.not_null else nulls.get(column.name, 1.0) for column in columns}
    readers = [
        _Reader(column, whole_text(column), False, shares[column.name] == 0)
        if column.name in as_text
        else _Reader(column, forms.get(column.name) or form_of(column), column.is_array, shares[column.name] == 0)
        for column in columns
    ]
    schema = pa.schema(_field(reader, lake[place] if lake else None) for place, reader in enumerate(readers))

    packed = packs([(r.name, r.arrow) for r in readers if r.arrow in PACKED_TYPES and shares[r.name] <= _MOST_NULLS])
    names = {name for pack in packed for name in pack.names}
    others = [reader for reader in readers if reader.name not in names]

    def exact(batch: pa.RecordBatch) -> pa.RecordBatch:
        arrived = list(batch.columns)
        arrays: dict[str, pa.Array] = {}
        texts: dict[str, pa.Array | None] = {}
        for pack in packed:
            arrays |= pack.read(arrived.pop(0))
        for reader in others:
            arrays[reader.name], texts[reader.name] = reader.read(arrived)
        read = pa.RecordBatch.from_arrays([arrays[reader.name] for reader in readers], schema=schema)
        for reader, field in zip(readers, schema, strict=True):
            if (beside := texts.get(reader.name)) is not None:
                read = read.append_column(text_of(field.name), beside)
        return read

    complete = {number: pack for number, pack in enumerate(packed) if all(shares[name] == 0 for name in pack.names)}
    texts = measured({r.name: r.value for r in others if r.is_stored_text}, complete) if in_utf8 else {}
    outputs = []
    for number, pack in enumerate(packed):
        lengths = [text.octets for text in texts.values() if text.pack == number]
        outputs.append(Output(pack.output, pack.joined(lengths) if number in complete else None))
    for reader in others:
        outputs += [Output(reader.value, texts[reader.name])] if reader.name in texts else reader.outputs
    return ColumnPlan(tuple(outputs), len(packed), any(reader.is_array for reader in others), schema, exact)


def _field(reader: _Reader, lake: LakeColumn | None) -> pa.Field:
    column = reader.column
    metadata = {"postgresql.type": column.type_name, "postgresql.not_null": str(column.not_null).lower()}
    if lake is None:
        return pa.field(column.name, reader.arrow, metadata=metadata)
    metadata |= {"postgresql.name": column.name, "PARQUET:field_id": str(lake.number)}
    return pa.field(lake.name, reader.arrow, metadata=metadata)


def _beside(rows: int, places: np.ndarray, texts: Sequence[str | None]) -> pa.Array:
    """An array of as many texts as there are rows: `texts` at their places, NULL elsewhere."""
    found = np.full(rows, -1)
    found[places] = np.arange(len(places))
    return pa.array(texts, pa.string()).take(pa.array(found, mask=found < 0))


def _nulls(array: pa.Array) -> pa.Array | None:
    return array.is_null() if array.null_count else None
