"""Lists are given to the driver as PostgreSQL's binary arrays.

The driver writes the NULL elements of a list as zeros and empty text, without a word. So it is given the bytes that
PostgreSQL's `array_recv` reads: the number of dimensions, a flag, the elements' type, then length and lower bound, then
each element with its length in front, -1 for NULL (all in network order).
"""

from __future__ import annotations

import struct
import sys
from array import array
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_NULL_ELEMENT: Final = struct.pack(">i", -1)
#: The number of dimensions, and the lower bound. An array without elements is read as `{}`.
_ONE: Final = struct.pack(">i", 1)
_CODES: Final = {2: "h", 4: "i", 8: "q"}


def array_bytes(lists: pa.ListArray, items: pa.Array, element_oid: int) -> pa.Array:
    """`lists` as binary, a NULL list as NULL.

    `items` are what `lists.values` has become for PostgreSQL: text, binary, booleans, integers or floats, as many as before.
    """
    first, last = lists.offsets[0].as_py(), lists.offsets[-1].as_py()
    mask = lists.is_null() if lists.null_count else None
    elements = pa.ListArray.from_arrays(
        pc.subtract(lists.offsets, first), _elements(items.slice(first, last - first)), mask=mask
    )
    length = _network_order(pc.fill_null(pc.list_value_length(lists), 0).cast(pa.int32()))
    # the flag may say that there are NULLs although there are none
    header = _ONE + struct.pack(">iI", 1, element_oid)
    return pc.binary_join_element_wise(header, length, _ONE, pc.binary_join(elements, b""), b"")


def _elements(items: pa.Array) -> pa.Array:
    payload = _payload(items)
    sized = pc.binary_join_element_wise(_network_order(pc.binary_length(payload)), payload, b"")
    return pc.if_else(items.is_valid(), sized, pa.scalar(_NULL_ELEMENT, pa.binary()))


def _payload(items: pa.Array) -> pa.Array:
    """The bytes that PostgreSQL's `…recv` functions read. In the place of a NULL they mean nothing."""
    kind = items.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return pc.fill_null(items.cast(pa.binary()), b"")
    if pa.types.is_boolean(kind):
        return _fixed(pc.fill_null(items, False).cast(pa.uint8()), 1)
    return _network_order(items)


def _network_order(numbers: pa.Array) -> pa.Array:
    """Integers or floats as binary, the most significant byte first. In the place of a NULL they mean nothing."""
    width = numbers.type.bit_width // 8
    values = array(_CODES[width])
    data = numbers.buffers()[1]
    if data is not None:
        values.frombytes(memoryview(data)[numbers.offset * width : (numbers.offset + len(numbers)) * width])
    if sys.byteorder == "little":
        values.byteswap()
    return pa.Array.from_buffers(pa.binary(width), len(numbers), [None, pa.py_buffer(values)]).cast(pa.binary())


def _fixed(numbers: pa.Array, width: int) -> pa.Array:
    buffers = [None, numbers.buffers()[1]]
    return pa.Array.from_buffers(pa.binary(width), len(numbers), buffers, offset=numbers.offset).cast(pa.binary())
