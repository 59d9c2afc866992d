"""Reads a filter out of pyarrow's expression, which cannot be looked into, by the Substrait message that pyarrow writes of it.

Substrait (https://substrait.io) says types and values without doubt, as the expression's text does not. The few messages that
a filter of DuckDB's consists of are read here by their field numbers in `substrait/algebra.proto`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pyarrow as pa

from archival_core.errors import PermanentError
from archival_core.query.scans.predicate import Comparison, Constant, Junction, Operator, Predicate, Presence, Value

_OPERATORS: Final[Mapping[str, Operator]] = {
    "equal": "=",
    "not_equal": "<>",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
}
# fields of `Expression`
_LITERAL, _SELECTION, _FUNCTION, _ONE_OF = 1, 2, 3, 8
# kinds of `Expression.Literal`; integers are those of every width, days, and microseconds with and without a zone
_BOOLEAN, _FLOAT, _DOUBLE, _STRING, _BINARY, _DECIMAL = 1, 10, 11, 12, 13, 24
_INTEGERS: Final = frozenset({2, 3, 5, 7, 14, 16, 27})
# DuckDB gives the values of a list as Python has them, where an infinity is the first or the last day or moment of all.
_DAYS: Final = frozenset({-719_162, 2_932_896})
_MOMENTS: Final = frozenset({-62_135_596_800_000_000, 253_402_300_799_999_999})
_ENDS: Final[Mapping[pa.DataType, frozenset[int]]] = {
    pa.date32(): _DAYS,
    pa.timestamp("us"): _MOMENTS,
    pa.timestamp("us", tz="UTC"): _MOMENTS,
}
_NO_ENDS: Final[frozenset[int]] = frozenset()


def predicate_of(expression: Any, schema: pa.Schema) -> Predicate:
    """The filter `expression` over columns of `schema`.

    Raises `PermanentError` (`filter-without-form`) for what a filter of DuckDB's is not known to hold: it must not be left out.
    """
    try:
        message = bytes(expression.to_substrait(schema))
    except (pa.ArrowException, NotImplementedError) as error:
        raise _unknown(str(error)) from error
    functions: dict[int, str] = {}
    found: bytes | None = None
    for number, value in _fields(message):
        if number == 2:
            declaration = dict(_fields(_message(dict(_fields(_message(value)))[3])))
            functions[int(declaration.get(2, 0))] = _message(declaration[3]).decode()
        elif number == 3 and found is None:
            found = _message(dict(_fields(_message(value)))[1])
    if found is None:
        raise _unknown("no expression")
    return _Reader(functions, schema).read(found)


class _Reader:
    """Reads expressions of one message, which names its functions and columns by numbers."""

    def __init__(self, functions: Mapping[int, str], schema: pa.Schema) -> None:
        self._functions, self._schema = functions, schema

    def read(self, expression: bytes) -> Predicate:
        [(kind, value)] = _fields(expression)
        if kind == _LITERAL:
            return Constant(bool(self._literal(expression)))
        if kind == _ONE_OF:
            fields = list(_fields(_message(value)))
            [column] = [self._column(_message(part)) for number, part in fields if number == 1]
            options = [self._literal(_message(part)) for number, part in fields if number == 2]
            if not _ENDS.get(self._schema.field(column).type, _NO_ENDS).isdisjoint(options):
                raise _unknown(f"the first or the last moment of Python's in a list for {column}")
            return Junction("or", tuple(Comparison(column, "=", option) for option in options))
        if kind == _FUNCTION:
            return self._call(_message(value))
        raise _unknown(f"an expression of kind {kind}")

    def _call(self, call: bytes) -> Predicate:
        fields = list(_fields(call))
        name = self._functions.get(next((int(value) for number, value in fields if number == 1), 0), "")
        arguments = [_message(dict(_fields(_message(value)))[3]) for number, value in fields if number == 4]
        match name, arguments:
            case ("and", _):
                return Junction("and", tuple(map(self.read, arguments)))
            case ("or", _):
                return Junction("or", tuple(map(self.read, arguments)))
            case ("is_null", [argument]):
                return Presence(self._column(argument), True)
            case ("is_not_null", [argument]):
                return Presence(self._column(argument), False)
            case ("is_nan", [argument]):
                return Comparison(self._column(argument), "=", math.nan)
            case ("not", [argument]):
                term = self.read(argument)
                if isinstance(term, Comparison) and term.operator == "=" and term.value != term.value:
                    return Comparison(term.column, "<>", math.nan)
            case (_, [left, right]) if name in _OPERATORS:
                return Comparison(self._column(left), _OPERATORS[name], self._literal(right))
        raise _unknown(f"the function {name!r} of {len(arguments)} arguments")

    def _column(self, expression: bytes) -> str:
        [(kind, selection)] = _fields(expression)
        if kind != _SELECTION:
            raise _unknown(f"an expression of kind {kind} in place of a column")
        segment = dict(_fields(_message(dict(_fields(_message(selection)))[1])))
        field = dict(_fields(_message(segment[2])))
        if field.keys() - {1}:
            raise _unknown("a field inside of a column")
        return str(self._schema.names[int(field.get(1, 0))])

    def _literal(self, expression: bytes) -> Value:
        [(kind, value)] = _fields(expression)
        if kind != _LITERAL:
            raise _unknown(f"an expression of kind {kind} in place of a value")
        return _value(_message(value))


def _value(literal: bytes) -> Value:
    [(kind, value)] = [(number, value) for number, value in _fields(literal) if number < 50]
    if kind in _INTEGERS:
        return _signed(int(value))
    if kind == _BOOLEAN:
        return bool(value)
    content = _message(value)
    if kind in (_FLOAT, _DOUBLE):
        return float(struct.unpack("<f" if kind == _FLOAT else "<d", content)[0])
    if kind in (_STRING, _BINARY):
        return content.decode() if kind == _STRING else content
    if kind == _DECIMAL:
        return int.from_bytes(_message(dict(_fields(content))[1]), "little", signed=True)
    raise _unknown(f"a value of kind {kind}")


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and content of each field of a message in the wire format of Protocol Buffers."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        match key & 7:
            case 0:
                value, position = _varint(message, position)
                yield key >> 3, value
                continue
            case 1:
                length = 8
            case 2:
                length, position = _varint(message, position)
            case 5:
                length = 4
            case kind:
                raise _unknown(f"a field of the wire's type {kind}")
        yield key >> 3, message[position : position + length]
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _message(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise _unknown("a number in place of a message")
    return value


def _unknown(what: str) -> PermanentError:
    return filter_without_form(f"a filter has {what}, which nobody here can apply")


def filter_without_form(said: str) -> PermanentError:
    """What to raise of a filter that DuckDB cannot hand down as it is: the question is asked again without handing down."""
    return PermanentError(said, code="filter-without-form")
