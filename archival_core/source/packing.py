"""Several numbers of a row as one value on the wire.

Most of what COPY costs, on both sides, it costs by the value: a call of the type's send function into a buffer of its own, a
length, a call of the client's reader. PostgreSQL has types that are nothing but two, three or four doubles (`point`, `circle`,
`lseg`), and each is sent by one call. So numbers travel in those, joined to one `bytea`; docs/performance.md has what it saves.

Every double keeps its bits, and the smaller numbers are doubles exactly. The constructors give NULL when one of their numbers
is NULL. Such a row travels with zeros in the places of its NULLs, and a word more, whose bits say where they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archival_core.errors import PermanentError
from archival_core.model.chunk import quote_identifier

#: Arrow types whose every value is a double.
PACKED_TYPES: Final = frozenset({pa.float64(), pa.float32(), pa.int32(), pa.int16()})
#: With fewer nothing is won.
LEAST_NUMBERS: Final = 3
#: A NULL in one makes all of them travel the longer way, and joining copies.
MOST_NUMBERS: Final = 16
_DOUBLE: Final = 8


@dataclass(frozen=True, slots=True)
class Pack:
    """Columns that travel as one value."""

    names: tuple[str, ...]
    types: tuple[pa.DataType, ...]

    @property
    def output(self) -> str:
        """SQL of the value, a `bytea`."""
        columns = [quote_identifier(name) for name in self.names]
        numbers = [f"{column}::pg_catalog.float8" for column in columns]
        nulls = [f"CASE WHEN {column} IS NULL THEN {1 << bit} ELSE 0 END" for bit, column in enumerate(columns)]
        instead = [*_sent([f"COALESCE({number}, 0)" for number in numbers]), f"pg_catalog.int8send({' + '.join(nulls)})"]
        return f"COALESCE({_joined(_sent(numbers))}, {_joined(instead)})"

    def read(self, arrived: pa.BinaryArray) -> dict[str, pa.Array]:
        """The columns, of as many rows as values arrived."""
        width = len(self.names)
        whole = pc.equal(pc.binary_length(arrived), width * _DOUBLE)
        columns = _columns(arrived, width) if pc.all(whole).as_py() else _with_nulls(arrived, whole, width)
        return {name: column.cast(kind) for name, kind, column in zip(self.names, self.types, columns, strict=True)}


def _sent(numbers: Sequence[str]) -> Iterator[str]:
    """SQL of `bytea`s that hold all `numbers`, by as few calls as there can be."""
    for start in range(0, len(numbers), 4):
        match numbers[start : start + 4]:
            case [a, b, c, d]:
                yield f"pg_catalog.lseg_send(pg_catalog.lseg(pg_catalog.point({a}, {b}), pg_catalog.point({c}, {d})))"
            case [a, b, c]:
                yield f"pg_catalog.circle_send(pg_catalog.circle(pg_catalog.point({a}, {b}), {c}))"
            case [a, b]:
                yield f"pg_catalog.point_send(pg_catalog.point({a}, {b}))"
            case [a]:
                yield f"pg_catalog.float8send({a})"


def _joined(values: Iterable[str]) -> str:
    return " OPERATOR(pg_catalog.||) ".join(values)


def _columns(values: pa.BinaryArray, width: int) -> list[pa.Array]:
    """The doubles of `values`, each of which holds `width` of them, column by column."""
    _, offsets, data = values.buffers()
    bounds = pa.Array.from_buffers(pa.int32(), len(values) + 1, [None, offsets], offset=values.offset)
    received = memoryview(data)[bounds[0].as_py() : bounds[len(values)].as_py()]
    # as words, because nothing may look at them as numbers: that could change the bits of a NaN
    rows = np.frombuffer(received, ">u8").reshape(len(values), width)
    columns = (pa.py_buffer(rows[:, column].astype("=u8")) for column in range(width))
    return [pa.Array.from_buffers(pa.float64(), len(values), [None, column]) for column in columns]


def _with_nulls(values: pa.BinaryArray, whole: pa.BooleanArray, width: int) -> list[pa.Array]:
    longer = pc.invert(whole)
    rest = values.filter(longer)
    if not pc.all(pc.equal(pc.binary_length(rest), (width + 1) * _DOUBLE)).as_py():
        raise PermanentError("packed numbers arrived in another length than was asked for", code="unexpected-schema")
    *mended, bits = _columns(rest, width + 1)
    # the whole ones stand before the longer ones; from there each goes to its row
    count = whole.true_count
    before = pc.cumulative_sum(whole.cast(pa.int64()))
    after = pc.add(pc.cumulative_sum(longer.cast(pa.int64())), count)
    places = pc.subtract(pc.if_else(whole, before, after), 1)
    columns = []
    for column, numbers in enumerate(_columns(values.filter(whole), width)):
        is_null = pc.not_equal(pc.bit_wise_and(bits.view(pa.int64()), 1 << column), 0)
        with_nulls = pc.if_else(is_null, pa.scalar(None, pa.float64()), mended[column])
        columns.append(pa.concat_arrays([numbers, with_nulls]).take(places))
    return columns
