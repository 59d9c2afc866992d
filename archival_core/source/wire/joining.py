"""The values of many rows as one value.

`string_agg` appends the values of a group of rows to each other. One large value costs PostgreSQL and the client less than many
small ones, and less than an array, which is sent element by element. The reader has to know afterwards which bytes belonged to
which row: numbers all have one size, and texts have a separator between them or travel with their lengths (`measuring`). A NULL
cannot be joined, and a text may contain the separator. The reader notices both, and the values then travel as an array.
docs/wire.md follows three rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archival_core.source.wire.holding import EPOCH_DAYS, EPOCH_MICROSECONDS
from archival_core.source.wire.types import Form

#: Stands between two texts and in place of a NULL. A NULL, or a text that contains the separator, therefore makes the
#: number of pieces larger than the number of rows, and the reader notices. If NULLs were left out, a missing NULL and a
#: separator inside a text could cancel out.
_SEPARATOR: Final = "\x01"
_SEPARATOR_SQL: Final = r"E'\x01'"

#: By Arrow type: the function that sends such numbers, as integers in network byte order, and what has to be added to each
#: of them because PostgreSQL counts time from the year 2000.
_NUMBERS: Final[dict[pa.DataType, tuple[str, int]]] = {
    pa.int16(): ("int2send", 0),
    pa.int32(): ("int4send", 0),
    pa.int64(): ("int8send", 0),
    pa.float32(): ("float4send", 0),
    pa.float64(): ("float8send", 0),
    pa.date32(): ("date_send", EPOCH_DAYS),
    pa.timestamp("us"): ("timestamp_send", EPOCH_MICROSECONDS),
    pa.timestamp("us", tz="UTC"): ("timestamptz_send", EPOCH_MICROSECONDS),
}


#: The outputs that stand before this one in the SELECT, already split; `None` where an output could not be split.
type Before = Sequence[pa.Array | None]


class Joined(Protocol):
    """A way in which the values of a group of rows travel as one."""

    @property
    def aggregate(self) -> str:
        """SQL of the joined value of a group of rows."""
        ...

    def split(self, arrived: pa.Array, rows: np.ndarray, before: Before) -> pa.Array | None:
        """The single values of several groups, in their order.

        `arrived` has one joined value for each group, and `rows` the number of rows of each group. Returns `None` if the
        values of a group cannot be told apart.
        """
        ...


def joined(value: str, form: Form) -> Joined | None:
    """The way in which values of `form` travel joined, where `value` is their SQL; `None` if there is none."""
    if form.is_text:
        return JoinedTexts(value)
    if form.arrow not in _NUMBERS:
        return None
    send, shift = _NUMBERS[form.arrow]
    return JoinedNumbers(JoinedBytes(f"pg_catalog.{send}({value})", form.arrow.bit_width // 8), form.arrow, shift)


def bounds_of(values: pa.BinaryArray) -> np.ndarray:
    """Where each value begins in the array's buffer, and where the last value ends."""
    return np.frombuffer(values.buffers()[1], np.int32)[values.offset : values.offset + len(values) + 1]


@dataclass(frozen=True, slots=True)
class JoinedBytes:
    """Values of type `bytea` that all have `size` bytes."""

    value: str
    size: int

    @property
    def aggregate(self) -> str:
        """SQL of the joined value. A NULL is left out, so the joined value is too short, and the reader notices."""
        return f"pg_catalog.string_agg({self.value}, NULL)"

    def split(self, arrived: pa.BinaryArray, rows: np.ndarray, before: Before = ()) -> pa.FixedSizeBinaryArray | None:
        """The values, without a copy."""
        bounds = bounds_of(arrived)
        if arrived.null_count or (bounds[1:] - bounds[:-1] != rows * self.size).any():
            return None
        start, size = int(bounds[0]), int(bounds[-1] - bounds[0])
        return pa.Array.from_buffers(pa.binary(self.size), size // self.size, [None, arrived.buffers()[2].slice(start, size)])


@dataclass(frozen=True, slots=True)
class JoinedNumbers:
    """Numbers, dates and times. PostgreSQL counts dates and times from the year 2000; `shift` makes that 1970."""

    sent: JoinedBytes
    arrow: pa.DataType
    shift: int

    @property
    def aggregate(self) -> str:
        """SQL of the joined value: each number as the bytes that its send function makes."""
        return self.sent.aggregate

    def split(self, arrived: pa.BinaryArray, rows: np.ndarray, before: Before = ()) -> pa.Array | None:
        """The numbers, in the byte order of this machine."""
        values = self.sent.split(arrived, rows)
        if values is None:
            return None
        size, data = self.sent.size, values.buffers()[1]
        # as integers: nothing may look at a NaN as a number, which could change its bits
        numbers = np.frombuffer(data, f">i{size}").astype(f"=i{size}")
        if self.shift:
            numbers += self.shift  # wraps around, as it does in the driver
        return pa.Array.from_buffers(self.arrow, len(numbers), [None, pa.py_buffer(numbers)])


@dataclass(frozen=True, slots=True)
class JoinedTexts:
    """Texts with a separator between them."""

    value: str

    @property
    def aggregate(self) -> str:
        """SQL of the joined value, with a separator in place of each NULL."""
        return f"pg_catalog.string_agg(COALESCE({self.value}::pg_catalog.text, {_SEPARATOR_SQL}), {_SEPARATOR_SQL})"

    def split(self, arrived: pa.StringArray, rows: np.ndarray, before: Before = ()) -> pa.StringArray | None:
        """The texts; `None` if there are not as many as rows, because of a NULL or a separator inside a text."""
        texts = pc.split_pattern(arrived, _SEPARATOR)
        if texts.null_count or not np.array_equal(np.diff(texts.offsets), rows):
            return None
        return texts.flatten()
