"""Texts whose lengths travel among packed numbers.

To look for the ends of joined texts costs the client more than all else that it does with them, and to send each length as a
value of its own would cost the server as much. One packed number more costs it hardly anything, as long as it fills up a group
of four, and a NULL can have a length too. Only in databases in UTF8 is the length known without a look at the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from archival_core.source.wire.joining import Before, bounds_of
from archival_core.source.wire.packing import Pack, words_of

#: the length of a NULL
_NULL: Final = -1


@dataclass(frozen=True, slots=True)
class MeasuredTexts:
    """Texts, NULLs among them, one behind the other."""

    value: str
    #: which output the packed numbers are, and which of their words are the lengths
    pack: int
    word: int

    @property
    def octets(self) -> str:
        """SQL of the length of one, in bytes as the database stores it: those that are sent only if that is UTF8."""
        return f"COALESCE(pg_catalog.octet_length({self.value}), {_NULL})"

    @property
    def aggregate(self) -> str:
        """NULLs are left out."""
        return f"pg_catalog.string_agg({self.value}, NULL)"

    def split(self, arrived: pa.StringArray, rows: np.ndarray, before: Before) -> pa.StringArray | None:
        """As many bytes a group as its lengths say."""
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
    """How `texts`, SQL by column, travel: as many of them as have room in `packs`, which are by the number of their output."""
    room = ((pack, word) for pack, numbers in packs.items() for word in numbers.free_words)
    return {column: MeasuredTexts(value, *place) for (column, value), place in zip(texts.items(), room, strict=False)}
