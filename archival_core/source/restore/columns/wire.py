"""How the columns of an archive travel back into PostgreSQL, as one table.

Each Arrow type of an archive has one PostgreSQL type that holds the same values. Where the driver would change a value on
the way, the driver is given the bytes that PostgreSQL reads, or text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Column
from archival_core.model.chunks.moment import INFINITE_DAYS, INFINITE_MICROSECONDS
from archival_core.source.restore.columns.array_bytes import array_bytes
from archival_core.source.wire.holding import EPOCH_DAYS, EPOCH_MICROSECONDS, Held
from archival_core.source.wire.types import Form
from archival_core.source.wire.values import each

_LIST = re.compile(r"list<\w+: (.+)>")
_DECIMAL = re.compile(r"decimal128\((\d+), (\d+)\)")


@dataclass(frozen=True, slots=True)
class Wire:
    """The way of one Arrow type into a staging table's column."""

    arrow: pa.DataType
    #: type of the staging table's column
    staged: str
    #: the type that holds the archive's values, as `format_type` prints it, …
    type_name: str
    #: … its `typname` or its elements', …
    base_type: str
    #: … and SQL of it; `{0}` is the staged column
    natural: str = "{0}"
    modifier: int = -1
    is_array: bool = False
    #: makes of the archive's values what the driver is given
    encode: Callable[[pa.Array], pa.Array] = lambda values: values
    #: how the archive's values are read back, where that is not how the type is archived today
    form: Form | None = None

    def column(self, name: str) -> Column:
        """The natural value as a column that is read."""
        return Column(name, self.type_name, False, f"pg_catalog.{self.base_type}", self.is_array, self.modifier)


def _days(values: pa.Array) -> pa.Array:
    """Dates as PostgreSQL counts them: the driver knows no infinities, but passes integers on."""
    return _counted(values.view(pa.int32()), INFINITE_DAYS, EPOCH_DAYS)


def _microseconds(values: pa.Array) -> pa.Array:
    """Timestamps likewise."""
    return _counted(values.view(pa.int64()), INFINITE_MICROSECONDS, EPOCH_MICROSECONDS)


def _days_again(values: pa.Array) -> Held:
    """What `_days` was given, of dates as the driver gives them."""
    return _stored(values, pa.int32(), INFINITE_DAYS, EPOCH_DAYS)


def _microseconds_again(values: pa.Array) -> Held:
    """Timestamps likewise."""
    return _stored(values, pa.int64(), INFINITE_MICROSECONDS, EPOCH_MICROSECONDS)


def _stored(values: pa.Array, kind: pa.DataType, infinity: int, epoch: int) -> Held:
    """Archives of before tables had a schema have numbers for the infinities, and far dates and times as they are."""
    numbers = values.view(kind)
    # the driver's sum of PostgreSQL's infinities and the epoch wraps around
    infinite, minus_infinite = (pa.scalar(epoch - infinity - below, kind) for below in (2, 1))
    numbers = pc.if_else(pc.equal(numbers, infinite), pa.scalar(infinity, kind), numbers)
    numbers = pc.if_else(pc.equal(numbers, minus_infinite), pa.scalar(-infinity, kind), numbers)
    return Held(numbers.view(values.type))


def _counted(values: pa.Array, infinity: int, epoch: int) -> pa.Array:
    def scalar(value: int) -> pa.Scalar:
        return pa.scalar(value, values.type)

    counted = pc.subtract(values, scalar(epoch))  # wraps around for what is replaced below
    counted = pc.if_else(pc.equal(values, scalar(infinity)), scalar(infinity), counted)
    # PostgreSQL's -infinity is the least integer
    return pc.if_else(pc.equal(values, scalar(-infinity)), scalar(-infinity - 1), counted)


def _digits(values: pa.Array) -> pa.Array:
    """Decimals as text: the driver loses their scale."""
    return values.cast(pa.string())


def _time_wire(arrow: pa.DataType, base_type: str, type_name: str) -> Wire:
    form = Form(arrow, hold=_microseconds_again)
    return Wire(arrow, base_type, type_name, base_type, encode=_microseconds, form=form)


_WIRES: Final[dict[str, Wire]] = {
    "int16": Wire(pa.int16(), "int2", "smallint", "int2"),
    "int32": Wire(pa.int32(), "int4", "integer", "int4"),
    "int64": Wire(pa.int64(), "int8", "bigint", "int8"),
    "float": Wire(pa.float32(), "float4", "real", "float4"),
    "double": Wire(pa.float64(), "float8", "double precision", "float8"),
    "bool": Wire(pa.bool_(), "bool", "boolean", "bool"),
    "string": Wire(pa.string(), "text", "text", "text"),
    "binary": Wire(pa.binary(), "bytea", "bytea", "bytea"),
    "date32[day]": Wire(pa.date32(), "date", "date", "date", encode=_days, form=Form(pa.date32(), hold=_days_again)),
    "timestamp[us]": _time_wire(pa.timestamp("us"), "timestamp", "timestamp without time zone"),
    "timestamp[us, tz=UTC]": _time_wire(pa.timestamp("us", tz="UTC"), "timestamptz", "timestamp with time zone"),
}
#: Of the staged types: `pg_type.oid`, which never changes for these. An array's bytes name the type of its elements.
_OIDS: Final = {
    "bool": 16, "bytea": 17, "int8": 20, "int2": 21, "int4": 23, "text": 25, "float4": 700, "float8": 701,
    "date": 1082, "timestamp": 1114, "timestamptz": 1184,
}  # fmt: skip


def wire_of(arrow_type: str) -> Wire:
    """The way of an Arrow type by its name in the manifest.

    Raises `PermanentError` (`unknown-form`) for one that no archive of this version has.
    """
    if match := _LIST.fullmatch(arrow_type):
        return _list_wire(_element_wire(match[1], arrow_type))
    return _element_wire(arrow_type, arrow_type)


def _element_wire(name: str, arrow_type: str) -> Wire:
    if match := _DECIMAL.fullmatch(name):
        precision, scale = int(match[1]), int(match[2])
        kind = f"numeric({precision},{scale})"
        modifier = (precision << 16 | scale) + 4
        arrow = pa.decimal128(precision, scale)
        # not a cast from text, which can be defined as something else
        natural = f"pg_catalog.numeric_in(pg_catalog.textout({{0}}), 0, {modifier})"
        return Wire(arrow, "text", kind, "numeric", natural, modifier, encode=_digits)
    if name not in _WIRES:
        raise PermanentError(
            f"the archive has a column in the form {arrow_type!r}, which this version of the service does not know;"
            " restore it with the version that the manifest names",
            code="unknown-form",
        )
    return _WIRES[name]


def _list_wire(element: Wire) -> Wire:
    def encode(lists: pa.Array) -> pa.Array:
        return array_bytes(lists, element.encode(lists.values), _OIDS[element.staged])

    return replace(
        element,
        arrow=pa.list_(element.arrow),
        staged=f"{element.staged}[]",
        type_name=f"{element.type_name}[]",
        natural=element.natural if element.natural == "{0}" else each("{0}", element.natural.format("e")),
        is_array=True,
        encode=encode,
    )
