"""The values of many rows as one value.

An array costs the server by the element, as COPY does by the value: each is sent by a call into a buffer of its own. To append
them to each other (`string_agg`) is cheaper, where it can be told afterwards which bytes were whose. Numbers are all of one
length. Texts send their lengths ahead, and a NULL has one too. Texts that the server would have to make twice for that, once to
measure and once to send, have a character between them. Neither numbers nor the last can carry NULL, and a text may hold that
character itself; both are noticed, and then the values have to travel otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archival_core.source.types import EPOCH_DAYS, EPOCH_MICROSECONDS, Form

#: Between texts, and in the place of a NULL. So there seem to be too many texts if one is NULL or holds it; were NULLs left
#: out, the one could make up for the other.
_SEPARATOR: Final = "\x01"
_SEPARATOR_SQL: Final = r"E'\x01'"

#: SQL of a text's length as it is sent, which is in UTF-8. Most databases are in it, and there the length is known without a
#: look at the text; a subquery that depends on nothing is asked once.
_OCTETS: Final = (
    "CASE WHEN (SELECT pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=) 'UTF8') THEN pg_catalog.octet_length({0})"
    " ELSE pg_catalog.octet_length(pg_catalog.convert_to({0}, 'UTF8')) END"
)
_NULL_OCTETS: Final = -1

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


class Joined(Protocol):
    """A way in which the values of a group of rows travel as one."""

    @property
    def aggregate(self) -> str:
        """SQL of that one."""
        ...

    def split(self, arrived: pa.Array, rows: np.ndarray) -> pa.Array | None:
        """The values of several groups, as they would have come one by one.

        `arrived` has one value a group, and `rows` says how many rows each has. `None` if they cannot be told apart.
        """
        ...


def joined(value: str, form: Form, is_complete: bool) -> Joined | None:
    """How values of `form`, of which `value` is the SQL, travel joined; `None` if they cannot.

    `is_complete` says whether they are never NULL, as far as one knows.
    """
    if form.is_text and form.is_stored:
        return JoinedTexts(value)
    if not is_complete:
        return None
    if form.is_text:
        return SeparatedTexts(value)
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

    def split(self, arrived: pa.BinaryArray, rows: np.ndarray) -> pa.FixedSizeBinaryArray | None:
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

    def split(self, arrived: pa.BinaryArray, rows: np.ndarray) -> pa.Array | None:
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
    """Texts, NULLs among them, one behind the other and behind all their lengths."""

    value: str

    @property
    def aggregate(self) -> str:
        """A `bytea`: an `int4` for each text, then the texts."""
        octets = f"COALESCE({_OCTETS.format(self.value)}, {_NULL_OCTETS})"
        texts = f"COALESCE(pg_catalog.textsend(pg_catalog.string_agg({self.value}, NULL)), '')"
        return f"pg_catalog.string_agg(pg_catalog.int4send({octets}), NULL) OPERATOR(pg_catalog.||) {texts}"

    def split(self, arrived: pa.BinaryArray, rows: np.ndarray) -> pa.StringArray | None:
        """`None` if there are not as many bytes as the lengths say."""
        if arrived.null_count:
            return None
        data, bounds = memoryview(arrived.buffers()[2]), bounds_of(arrived).tolist()
        lengths, texts = [], []
        for (start, end), count in zip(pairwise(bounds), rows.tolist(), strict=True):
            if end - start < count * 4:
                return None
            lengths.append(np.frombuffer(data, ">i4", count, start))
            texts.append(data[start + count * 4 : end])
        octets = np.concatenate(lengths, dtype=np.int32)
        offsets = np.zeros(len(octets) + 1, np.int32)
        np.cumsum(np.maximum(octets, 0), out=offsets[1:])
        if octets.min() < _NULL_OCTETS or offsets[np.cumsum(rows)].tolist() != list(accumulate(map(len, texts))):
            return None
        is_there = pa.py_buffer(np.packbits(octets >= 0, bitorder="little")) if octets.min() < 0 else None
        buffers = [is_there, pa.py_buffer(offsets), pa.py_buffer(b"".join(texts))]
        return pa.Array.from_buffers(pa.string(), len(octets), buffers)


@dataclass(frozen=True, slots=True)
class SeparatedTexts:
    """Texts, with a separator between them."""

    value: str

    @property
    def aggregate(self) -> str:
        """With a separator for each NULL too."""
        return f"pg_catalog.string_agg(COALESCE({self.value}::pg_catalog.text, {_SEPARATOR_SQL}), {_SEPARATOR_SQL})"

    def split(self, arrived: pa.StringArray, rows: np.ndarray) -> pa.StringArray | None:
        """As many as rows, or there were NULLs or separators among them."""
        texts = pc.split_pattern(arrived, _SEPARATOR)
        if texts.null_count or not np.array_equal(np.diff(texts.offsets), rows):
            return None
        return texts.flatten()
