"""Several numbers of a row as one value on the wire.

COPY costs by the value, on both sides: a call of the type's send function into a buffer of its own, a length, a call of the
client's reader. PostgreSQL has types that consist of two, three or four doubles (`point`, `circle`, `lseg`), and sends a
value of such a type by one call. So the numbers of a row travel as values of these types, appended to each other in one
`bytea`. docs/wire.md follows three rows, docs/performance.md says how much this saves.

Every double keeps its bits, and an `integer` is a double exactly. `real` is not packed, because the cast to a double
changes the bits of a signalling NaN. `point`, `circle` and `lseg` are NULL when one of their numbers is NULL. A row with a
NULL therefore travels with zeros in the places of its NULLs and with one word more, whose bits say which numbers were NULL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import quote_identifier
from archival_core.source.wire.joining import JoinedBytes, bounds_of

#: Arrow types of columns that are packed. A smaller integer would need more bytes as a double.
PACKED_TYPES: Final = frozenset({pa.float64(), pa.int32()})
#: A pack of fewer columns saves nothing.
_LEAST: Final = 3
#: One NULL makes all numbers of its pack travel the longer way. With 16 columns of which each has one NULL in a hundred
#: rows, 15 rows in a hundred do.
_MOST: Final = 16
#: Batches of wider tables have so few rows that unpacking costs more than packing saves.
_WIDEST: Final = 20 * _MOST
_WORD: Final = 8
_CACHED_ROWS: Final = 2048


@dataclass(frozen=True, slots=True)
class Pack:
    """Columns of numbers that travel as one value."""

    names: tuple[str, ...]
    #: doubles first
    types: tuple[pa.DataType, ...]

    @property
    def free_words(self) -> range:
        """Places for more numbers that cost the server hardly anything: those that are free in the last group of four."""
        return range(len(self.names), -(-len(self.names) // 4) * 4)

    @property
    def output(self) -> str:
        """SQL of the value, a `bytea`."""
        columns = [quote_identifier(name) for name in self.names]
        numbers = [f"COALESCE({number}, 0)" for number in self._numbers]
        nulls = [f"CASE WHEN {column} IS NULL THEN {1 << bit} ELSE 0 END" for bit, column in enumerate(columns)]
        return f"COALESCE({self._complete}, {_concatenated([*_sent(numbers), f'pg_catalog.int8send({" + ".join(nulls)})'])})"

    def joined(self, more: Sequence[str] = ()) -> JoinedBytes:
        """The way in which many rows without NULLs travel as one value.

        `more` is SQL of integers without NULLs that travel along; whoever asked for these integers reads them by `words_of`.
        """
        numbers = [*self._numbers, *(f"({number})::pg_catalog.float8" for number in more)]
        return JoinedBytes(_concatenated(_sent(numbers)), len(numbers) * _WORD)

    @property
    def _numbers(self) -> list[str]:
        return [f"{quote_identifier(name)}::pg_catalog.float8" for name in self.names]

    @property
    def _complete(self) -> str:
        """SQL of the value of a row without NULLs; NULL for other rows."""
        return _concatenated(_sent(self._numbers))

    def read(self, arrived: pa.BinaryArray | pa.FixedSizeBinaryArray) -> dict[str, pa.Array]:
        """The columns, with as many rows as values arrived. Values of one fixed size are of rows without NULLs."""
        width = len(self.names)
        if pa.types.is_fixed_size_binary(arrived.type):
            return self._columns(words_of(arrived)[:, :width], None)
        bounds = bounds_of(arrived)
        sizes = np.diff(bounds)
        longer = sizes == (width + 1) * _WORD
        if arrived.null_count or not ((sizes == width * _WORD) | longer).all():
            raise PermanentError("packed numbers arrived in another length than was asked for", code="unexpected-schema")
        # as integers: nothing may look at a NaN as a number, which could change its bits
        words = np.frombuffer(arrived.buffers()[2], ">u8", int(bounds[-1] - bounds[0]) // _WORD, int(bounds[0]))
        if not longer.any():
            rows, nulls = words.reshape(len(arrived), width), None
        else:
            first = (bounds[:-1] - bounds[0]) // _WORD
            rows = words[first[:, None] + np.arange(width)]
            nulls = np.zeros(len(arrived), np.uint64)
            nulls[longer] = words[first[longer] + width]
        return self._columns(rows, nulls)

    def _columns(self, rows: np.ndarray, nulls: np.ndarray | None) -> dict[str, pa.Array]:
        count, doubles = len(rows), self.types.count(pa.float64())
        words = np.empty((doubles, count), np.uint64)
        # in stretches that fit into the processor's cache, because each column reads all of a stretch
        for start in range(0, count, _CACHED_ROWS):
            words[:, start : start + _CACHED_ROWS] = rows[start : start + _CACHED_ROWS, :doubles].T
        together = _numbers(words, nulls, range(doubles))
        columns = [together.slice(bit * count, count) for bit in range(doubles)]
        # integers one by one, because each becomes an array of its own type
        for bit, kind in enumerate(self.types[doubles:], doubles):
            columns.append(_numbers(rows[:, bit].astype(np.uint64), nulls, range(bit, bit + 1)).cast(kind))
        return dict(zip(self.names, columns, strict=True))


def words_of(joined: pa.FixedSizeBinaryArray) -> np.ndarray:
    """The bits of packed numbers: one row for each row of the chunk, one column for each number."""
    width = joined.type.byte_width // _WORD
    words = np.frombuffer(joined.buffers()[1], ">u8", len(joined) * width, joined.offset * width * _WORD)
    return words.reshape(len(joined), width)


def apart(batch: pa.RecordBatch, packed: int) -> pa.RecordBatch:
    """Copies of the columns behind the first, as many as `packed` says: a batch is freed as a whole, and would keep the packed
    numbers in memory with them.
    """
    memory = pa.default_cpu_memory_manager()
    columns = [column.copy_to(memory) if number >= packed else column for number, column in enumerate(batch.columns)]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def packs(columns: Sequence[tuple[str, pa.DataType]]) -> list[Pack]:
    """The packs of `columns`, which are all of `PACKED_TYPES`. A column that is in no pack travels by itself."""
    ordered = sorted(columns[:_WIDEST], key=lambda column: column[1] != pa.float64())
    shares = [ordered[start : start + _MOST] for start in range(0, len(ordered), _MOST)]
    return [Pack(*zip(*share, strict=True)) for share in shares if len(share) >= _LEAST]


def _sent(numbers: Sequence[str]) -> Iterator[str]:
    """SQL of the `bytea`s that hold `numbers`, with as few calls as possible."""
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


def _concatenated(values: Iterable[str]) -> str:
    return " OPERATOR(pg_catalog.||) ".join(values)


def _numbers(words: np.ndarray, nulls: np.ndarray | None, bits: range) -> pa.Array:
    """All of `words` as one array of doubles. `nulls` has one word for each row, whose `bits` say which numbers are NULL."""
    is_null = None if nulls is None else (nulls >> np.array(bits, np.uint64)[:, None]) & np.uint64(1) != 0
    # not `from_pandas`, or a NaN would be a NULL
    return pa.array(words.view(np.float64).ravel(), mask=None if is_null is None else is_null.ravel(), from_pandas=False)
