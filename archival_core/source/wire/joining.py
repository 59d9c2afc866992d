"""The values of many rows as one value.

An array costs the server by the element, as COPY does by the value: each is sent by a call into a buffer of its own. To append
them to each other (`string_agg`) is cheaper, where it can be told afterwards which bytes were whose: of numbers because all are
of one length, of texts by a character between them, if not by their lengths (`source.measuring`). Neither can carry NULL, and a
text may hold that character itself. Both are noticed, and then the values have to travel otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archival_core.source.wire.types import EPOCH_DAYS, EPOCH_MICROSECONDS, Form

#: Between texts, and in the place of a NULL. So there seem to be too many texts if one is NULL or holds it; were NULLs left
#: out, the one could make up for the other.
_SEPARATOR: Final = "\x01"
_SEPARATOR_SQL: Final = r"E'\x01'"

#: What sends the numbers of an Arrow type, as integers in network byte order, and what the driver adds to them.
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


#: The outputs before one, split, or `None` where that could not be.
type Before = Sequence[pa.Array | None]


class Joined(Protocol):
    """A way in which the values of a group of rows travel as one."""

    @property
    def aggregate(self) -> str:
        """SQL of that one."""
        ...

    def split(self, arrived: pa.Array, rows: np.ndarray, before: Before) -> pa.Array | None:
        """The values of several groups, as they would have come one by one.

        `arrived` has one value a group, and `rows` says how many rows each has. `None` if they cannot be told apart.
        """
        ...


def joined(value: str, form: Form) -> Joined | None:
    """How values of `form`, of which `value` is the SQL, travel joined; `None` if they cannot."""
    if form.is_text:
        return JoinedTexts(value)
    if form.arrow not in _NUMBERS:
        return None
    send, shift = _NUMBERS[form.arrow]
    return JoinedNumbers(JoinedBytes(f"pg_catalog.{send}({value})", form.arrow.bit_width // 8), form.arrow, shift)


def bounds_of(values: pa.BinaryArray) -> np.ndarray:
    """Where each value begins in the buffer of all, and where the last ends."""
    return np.frombuffer(values.buffers()[1], np.int32)[values.offset : values.offset + len(values) + 1]


@dataclass(frozen=True, slots=True)
class JoinedBytes:
    """`bytea`s of `size` bytes each, one behind the other."""

    value: str
    size: int

    @property
    def aggregate(self) -> str:
        """NULLs are left out, so the length tells."""
        return f"pg_catalog.string_agg({self.value}, NULL)"

    def split(self, arrived: pa.BinaryArray, rows: np.ndarray, before: Before = ()) -> pa.FixedSizeBinaryArray | None:
        """They stay where they arrived."""
        bounds = bounds_of(arrived)
        if arrived.null_count or (bounds[1:] - bounds[:-1] != rows * self.size).any():
            return None
        start, size = int(bounds[0]), int(bounds[-1] - bounds[0])
        return pa.Array.from_buffers(pa.binary(self.size), size // self.size, [None, arrived.buffers()[2].slice(start, size)])


@dataclass(frozen=True, slots=True)
class JoinedNumbers:
    """Numbers, and dates and times, which are numbers, as they are sent; `shift` is what the driver would add."""

    sent: JoinedBytes
    arrow: pa.DataType
    shift: int

    @property
    def aggregate(self) -> str:
        """Each as a `bytea`."""
        return self.sent.aggregate

    def split(self, arrived: pa.BinaryArray, rows: np.ndarray, before: Before = ()) -> pa.Array | None:
        """In the byte order of this machine."""
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
    """Texts, with a separator between them."""

    value: str

    @property
    def aggregate(self) -> str:
        """With a separator for each NULL too."""
        return f"pg_catalog.string_agg(COALESCE({self.value}::pg_catalog.text, {_SEPARATOR_SQL}), {_SEPARATOR_SQL})"

    def split(self, arrived: pa.StringArray, rows: np.ndarray, before: Before = ()) -> pa.StringArray | None:
        """As many as rows, or there were NULLs or separators among them."""
        texts = pc.split_pattern(arrived, _SEPARATOR)
        if texts.null_count or not np.array_equal(np.diff(texts.offsets), rows):
            return None
        return texts.flatten()
