"""Values as JSON and CSV have them.

What JSON has no form for is text, as PostgreSQL writes it: decimals (exactly), times, intervals, infinities and NaN, and bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa

from archival_core.model.chunks.moment import DAY, INFINITE_DAYS, INFINITE_MICROSECONDS

_SECOND: Final = 1_000_000
_INFINITIES: Final[Mapping[int, str]] = MappingProxyType(
    {INFINITE_MICROSECONDS: "infinity", -INFINITE_MICROSECONDS: "-infinity"}
)
#: The Gregorian calendar repeats after so many years, and days.
_CYCLE_YEARS, _CYCLE_DAYS = 400, 146_097


def rows_of(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    """Each row as values that JSON has."""
    for batch in table.to_batches():
        yield from zip(*map(values_of, batch.columns), strict=True) if batch.num_columns else ()


def values_of(array: pa.Array) -> list[Any]:
    """Each value as JSON has it."""
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return values_of(array.storage)
    if pa.types.is_dictionary(kind):
        return values_of(array.dictionary_decode())
    if pa.types.is_timestamp(kind):
        show = partial(_moment, zone="Z" if kind.tz else "")
        return _shown(array.cast(pa.timestamp("us", kind.tz)).view(pa.int64()), show)
    if pa.types.is_date32(kind):
        return _shown(array.view(pa.int32()), _date)
    if pa.types.is_time64(kind):
        return _shown(array.cast(pa.time64("us")).view(pa.int64()), _time)
    if pa.types.is_decimal(kind):
        return _shown(array, lambda value: format(value, "f"))
    if pa.types.is_floating(kind):
        return _shown(array, _float)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return _shown(array, lambda value: "\\x" + value.hex())
    if pa.types.is_interval(kind):
        return _shown(array, _interval)
    if pa.types.is_map(kind):
        # keys of JSON are texts
        keys = [str(key) for key in values_of(array.keys)]
        return _nested(array, keys, values_of(array.items), lambda these, items: dict(zip(these, items, strict=True)))
    if pa.types.is_struct(kind):
        return _structs(array)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        items = values_of(array.values)
        return _nested(array, items, items, lambda _, found: found)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_null(kind):
        found: list[Any] = array.to_pylist()
        return found
    return [None if value is None else str(value) for value in array.to_pylist()]


def _shown(array: pa.Array, show: Callable[[Any], Any]) -> list[Any]:
    return [None if value is None else show(value) for value in array.to_pylist()]


def _nested(array: pa.Array, keys: list[Any], items: list[Any], join: Callable[[list[Any], list[Any]], Any]) -> list[Any]:
    offsets = array.offsets.to_pylist()
    valid = array.is_valid().to_pylist()
    return [
        join(keys[begin:end], items[begin:end]) if there else None
        for begin, end, there in zip(offsets, offsets[1:], valid, strict=False)
    ]


def _structs(array: pa.Array) -> list[Any]:
    names = [array.type.field(number).name for number in range(array.type.num_fields)]
    fields = [values_of(field) for field in array.flatten()]
    valid = array.is_valid().to_pylist()
    rows = zip(*fields, strict=True)
    return [dict(zip(names, row, strict=True)) if there else None for row, there in zip(rows, valid, strict=True)]


def _moment(value: int, zone: str) -> str:
    """RFC 3339 where the year has four digits; a year before 1 is ` BC`, as PostgreSQL writes it."""
    if value in _INFINITIES:
        return _INFINITIES[value]
    days, rest = divmod(value, DAY)
    day, era = _day(days)
    return f"{day}T{_time(rest)}{zone}{era}"


def _date(days: int) -> str:
    if abs(days) == INFINITE_DAYS:
        return "infinity" if days > 0 else "-infinity"
    return "".join(_day(days))


# an answer's rows fall on few days, and writing a day takes longer than writing its time
@lru_cache(maxsize=4096)
def _day(days: int) -> tuple[str, str]:
    """The day, and ` BC` for one before year 1."""
    cycles, rest = divmod(days, _CYCLE_DAYS)
    # the first cycle of 1970 lies in the reach of `datetime`
    found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=rest)
    year = found.year + cycles * _CYCLE_YEARS
    return f"{year if year > 0 else 1 - year:04d}-{found:%m-%d}", "" if year > 0 else " BC"


def _time(value: int) -> str:
    seconds, micros = divmod(value, _SECOND)
    fraction = f".{micros:06d}".rstrip("0") if micros else ""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def _float(value: float) -> float | str:
    if value != value:
        return "NaN"
    return value if abs(value) != float("inf") else "Infinity" if value > 0 else "-Infinity"


def _interval(value: Any) -> str:
    """As PostgreSQL's style `postgres`, in months, days and hours."""
    micros = value.nanoseconds // 1000
    parts = [f"{value.months} mons"] if value.months else []
    parts += [f"{value.days} days"] if value.days else []
    if micros or not parts:
        parts.append(("-" if micros < 0 else "") + _time(abs(micros)))
    return " ".join(parts)
