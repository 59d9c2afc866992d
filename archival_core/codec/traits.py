"""What a Parquet file is begun with, since its writer cannot change afterwards: which columns have no bounds.

The bounds of a column of floats leave NaN out, and a reader that goes by them misses rows: none of `v > 100`, `v = 'NaN'` and
`NOT v < 100` finds a NaN then. So a column that holds a NaN has no bounds in that file. The first row group tells most; where a
later one tells more, the file is written again from its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

#: A file that was begun so often gets no bounds of floats at all.
_MOST_BEGINNINGS: Final = 3


@dataclass(frozen=True, slots=True)
class FileTraits:
    """What the writer of one file is told at its beginning."""

    #: columns without bounds
    unbounded: frozenset[str] = frozenset()
    #: how often the file was begun before
    beginnings: int = 0

    def with_group(self, group: pa.Table) -> FileTraits:
        """What the file needs to take `group` too."""
        unbounded = {name for name in group.column_names if name not in self.unbounded and _has_nan(group.column(name))}
        return FileTraits(self.unbounded | unbounded, self.beginnings) if unbounded else self

    def again(self, schema: pa.Schema) -> FileTraits:
        """What the file is begun with after a row group has asked for these traits too late."""
        if self.beginnings + 1 < _MOST_BEGINNINGS:
            return FileTraits(self.unbounded, self.beginnings + 1)
        floats = {field.name for field in schema if _floats(field.type) is not None}
        return FileTraits(self.unbounded | floats, self.beginnings + 1)


class BegunOtherwiseError(Exception):
    """A row group came that the file was not begun for."""

    def __init__(self, traits: FileTraits) -> None:
        super().__init__(traits)
        #: what the file has to be begun with
        self.traits = traits


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
