"""Texts whose lengths travel among packed numbers.

The client has to know where each of the joined texts ends. Searching for separators is the most expensive thing that the
client does with texts, and lengths as values of their own would be expensive for the server. Packed numbers travel in
groups of four doubles, and a place that is free in such a group costs hardly anything: the length of a text goes there. The
length of a NULL is -1, so that NULLs can be joined as well. The server knows a text's length without looking at the text
only in a database in UTF8. docs/wire.md follows three rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from archival_core.source.wire.joining import Before, bounds_of
from archival_core.source.wire.packing import Pack, words_of

#: Stands for the length of a NULL.
_NULL: Final = -1


@dataclass(frozen=True, slots=True)
class MeasuredTexts:
    """Texts and NULLs, joined without a separator."""

    value: str
    #: the number of the output that has the packed numbers, and the place of the lengths among these numbers
    pack: int
    word: int

    @property
    def octets(self) -> str:
        """SQL of a text's length in bytes as the database stores the text; in a database in UTF8 as many bytes are sent."""
        return f"COALESCE(pg_catalog.octet_length({self.value}), {_NULL})"

    @property
    def aggregate(self) -> str:
        """SQL of the joined value. A NULL adds nothing to it; its length says that it was there."""
        return f"pg_catalog.string_agg({self.value}, NULL)"

    def split(self, arrived: pa.StringArray, rows: np.ndarray, before: Before) -> pa.StringArray | None:
        """The texts; `None` if the lengths are not known, or do not add up to the bytes of a group."""
        packed = before[self.pack]
        if packed is None or not pa.types.is_fixed_size_binary(packed.type):
            return None
        octets = words_of(packed)[:, self.word].view(">f8").astype(np.int32)
        least, bounds = octets.min(), bounds_of(arrived)
        offsets = np.zeros(len(octets) + 1, np.int32)
        np.cumsum(octets if least >= 0 else np.maximum(octets, 0), out=offsets[1:])
        if least < _NULL or (offsets[rows.cumsum()] != bounds[1:] - bounds[0]).any():
            return None
        is_there = pa.py_buffer(np.packbits(octets >= 0, bitorder="little")) if least < 0 else None
        # a copy, since what arrived is freed as a whole
        texts = arrived.buffers()[2].slice(bounds[0], bounds[-1] - bounds[0]).to_pybytes()
        return pa.Array.from_buffers(pa.string(), len(octets), [is_there, pa.py_buffer(offsets), pa.py_buffer(texts)])


def measured(texts: Mapping[str, str], packs: Mapping[int, Pack]) -> dict[str, MeasuredTexts]:
    """The columns of `texts` (SQL by column) whose lengths find a free place in `packs` (by the number of their output)."""
    room = ((pack, word) for pack, numbers in packs.items() for word in numbers.free_words)
    return {column: MeasuredTexts(value, *place) for (column, value), place in zip(texts.items(), room, strict=False)}
