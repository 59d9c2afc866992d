"""What a Parquet file is begun with, since its writer cannot change afterwards: corrected columns, those without bounds, and
those without a dictionary.

A column has no bounds in a file in which `_archival_exact` corrects one of its values, since bounds are of what it holds. The
bounds of a column of floats leave NaN out, and a reader that goes by them misses rows: none of `v > 100`, `v = 'NaN'` and
`NOT v < 100` finds a NaN then. So a column that holds a NaN has no bounds in that file. Spark looks `v = 0` up in a
dictionary, where -0 is another value, and skips the rows that have it. So a column that holds a -0 has no dictionary in that
file. The first row group tells most; where a later one tells more, the file is written again from its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa

from archival_core.codec.exact import corrected

#: A file that was begun so often is begun for whatever a column could need.
_MOST_BEGINNINGS: Final = 3


@dataclass(frozen=True, slots=True)
class FileTraits:
    """What the writer of one file is told at its beginning."""

    #: columns that have values whose text is in `_archival_exact`
    exact: frozenset[str] = frozenset()
    #: columns that hold a NaN
    nan: frozenset[str] = frozenset()
    #: columns of numbers that hold a -0
    negative_zero: frozenset[str] = frozenset()
    #: how often the file was begun before
    beginnings: int = 0

    @property
    def unbounded(self) -> frozenset[str]:
        """Columns without bounds."""
        return self.exact | self.nan

    def with_group(self, group: pa.Table, schema: pa.Schema) -> FileTraits:
        """What the file, of `schema`, needs to take `group` too."""
        nan = {name for name in schema.names if name not in self.nan and _has_nan(group.column(name))}
        zero = {name for name in schema.names if name not in self.negative_zero and _has_negative_zero(group.column(name))}
        return replace(
            self,
            exact=self.exact | corrected(group, schema),
            nan=self.nan | nan,
            negative_zero=self.negative_zero | zero,
        )

    def again(self, schema: pa.Schema) -> FileTraits:
        """What the file is begun with after a row group has asked for these traits too late."""
        if self.beginnings + 1 < _MOST_BEGINNINGS:
            return replace(self, beginnings=self.beginnings + 1)
        exact = {field.name for field in schema if _may_be_corrected(field.type)}
        nan = {field.name for field in schema if _floats(field.type) is not None}
        zero = {field.name for field in schema if pa.types.is_floating(field.type)}
        return FileTraits(self.exact | exact, self.nan | nan, self.negative_zero | zero, self.beginnings + 1)


class BegunOtherwiseError(Exception):
    """A row group came that the file was not begun for."""

    def __init__(self, traits: FileTraits) -> None:
        super().__init__(traits)
        #: what the file has to be begun with
        self.traits = traits


def _may_be_corrected(kind: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(kind) or pa.types.is_temporal(kind) or pa.types.is_list(kind))


def _floats(kind: pa.DataType) -> np.dtype | None:
    """The numbers of a column, or of the lists in it, if they are floats."""
    items = kind.value_type if pa.types.is_list(kind) else kind
    return np.dtype(items.to_pandas_dtype()) if pa.types.is_floating(items) else None


def _has_nan(column: pa.ChunkedArray) -> bool:
    """Whether a NaN is among the numbers; what stands in the place of a NULL may be taken for one."""
    kind = _floats(column.type)
    if kind is None:
        return False
    for chunk in column.chunks:
        numbers = chunk.flatten() if pa.types.is_list(chunk.type) else chunk
        if not len(numbers):
            continue
        with np.errstate(invalid="ignore"):
            # the least of numbers with a NaN among them is NaN
            least = np.frombuffer(numbers.buffers()[1], kind, len(numbers), numbers.offset * kind.itemsize).min()
        if np.isnan(least):
            return True
    return False


def _has_negative_zero(column: pa.ChunkedArray) -> bool:
    """Whether a -0 is among the numbers; what stands in the place of a NULL may be taken for one.

    Its bits, taken for an integer, are the least that there is.
    """
    if not pa.types.is_floating(column.type):
        return False
    kind, least = (np.int32, -(1 << 31)) if column.type.bit_width == 32 else (np.int64, -(1 << 63))
    size = column.type.bit_width // 8
    return any(
        np.frombuffer(chunk.buffers()[1], kind, len(chunk), chunk.offset * size).min() == least
        for chunk in column.chunks
        if len(chunk)
    )
