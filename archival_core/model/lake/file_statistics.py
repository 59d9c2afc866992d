"""What a table's log says of a file's values, so that engines skip files: never more than is true of every row.

A bound that leaves a value out hides rows. So there is none where a value has no place in the protocol's JSON, or engines
differ in how they read it: floats, with their NaN, infinities and -0, and decimals of more digits than a double holds. A text
is bounded by its beginning. A column of which `_archival_exact` corrects a value in the file has the bounds of its form.

delta-rs takes a column without bounds, in a file where others have some, for one without values, and its datasets for pyarrow
then skip the file. So a file has bounds of every column that the table's statistics are of, or of none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Final

from archival_core.model.chunks.moment import DAY
from archival_core.model.lake.delta_log import TableColumn
from archival_core.model.lake.manifest import ManifestPart

#: least and greatest value as JSON has them, decimals as text, and how many values are NULL
Bounds = tuple[int | str | None, int | str | None, int]

#: of 0001-01-01 and of the day after 9999-12-31, in microseconds since 1970
_FIRST: Final = -62_135_596_800_000_000
_END: Final = 253_402_300_800_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGERS: Final = ("int16", "int32", "int64")
_TIMES: Final = ("date32[day]", "timestamp[us]", "timestamp[us, tz=UTC]")
#: as many as a double holds, whatever they are
_MOST_DIGITS: Final = 15
#: of a text's beginning
_MOST_LETTERS: Final = 32
_LAST_LETTER: Final = "\U0010ffff"
#: engines look at so many columns by themselves, and more of them make a log long
_MOST_COLUMNS: Final = 32


def has_bounds(form: str) -> bool:
    """Whether a column of this form can have bounds in a log."""
    digits = _digits(form)
    return form in (*_INTEGERS, *_TIMES, "string") or (digits is not None and digits[0] <= _MOST_DIGITS)


def bounded_columns(columns: Sequence[TableColumn], time_column: str | None) -> frozenset[str]:
    """The columns that the statistics of a new log are of; `time_column` before all others."""
    able = [c.name for c in columns if has_bounds(c.form) and re.fullmatch(r"[a-z_]\w*", c.name, re.ASCII | re.IGNORECASE)]
    return frozenset(sorted(able, key=lambda name: name != time_column)[:_MOST_COLUMNS])


def bounds_of(least: int | str, greatest: int | str, form: str, nulls: int) -> Bounds:
    """Bounds as a manifest has them. Times are in microseconds since 1970; decimals are text.

    Texts are escaped as JSON escapes them: the ledger keeps manifests, and its encoding may lack a letter of the source's.
    """
    if form == "string":
        return _escaped(str(least)[:_MOST_LETTERS]), _escaped(_end_of(str(greatest))), nulls
    if _digits(form) is not None:
        return least, greatest, nulls
    return bound_text(least, form), bound_text(greatest, form), nulls


def widest_bounds(form: str, nulls: int) -> Bounds:
    """What every value of a form is between."""
    digits = _digits(form)
    if digits is not None:
        precision, scale = digits
        whole = "9" * (precision - scale) or "0"
        largest = f"{whole}.{'9' * scale}" if scale else whole
        return f"-{largest}", largest, nulls
    return bound_text(_FIRST, form), bound_text(_END - 1, form), nulls


def statistics_of(part: ManifestPart, columns: Sequence[TableColumn], stored: Collection[str], time_column: str) -> str:
    """The protocol's `stats` of a part: of `columns`, of which its file has those that are in `stored`."""
    nulls: dict[str, int] = {}
    least: dict[str, str] = {}
    greatest: dict[str, str] = {}
    is_whole = True
    for column in columns:
        name = column.name
        if name not in stored:
            nulls[name] = part.rows
        elif (found := part.bounds.get(name)) is not None:
            nulls[name] = found[2]
            least |= _said(name, found[0], column.form)
            greatest |= _said(name, found[1], column.form)
            is_whole &= found[2] == part.rows or (name in least and name in greatest)
        else:
            # an archive of before knows of its time column alone
            bounds = [bound_text(value, column.form) for value in (part.min_time, part.max_time)]
            is_whole &= name == time_column and None not in bounds
            least |= _said(name, bounds[0], column.form)
            greatest |= _said(name, bounds[1], column.form)
    said = {"numRecords": str(part.rows)}
    if is_whole and least:
        said |= {"minValues": _object(least), "maxValues": _object(greatest)}
    if nulls:
        said["nullCount"] = _object({name: str(count) for name, count in nulls.items()})
    return _object(said)


def bound_text(value: int | str | None, form: str | None) -> int | str | None:
    """A bound of a column of whole numbers or times, the latter in microseconds since 1970, in the protocol's form; `None` if
    there is none to be told."""
    if isinstance(value, str) or value is None:
        return None
    if form in _INTEGERS:
        return value
    if not _FIRST <= value < _END:
        return None
    if form == "date32[day]":
        return (date(1970, 1, 1) + timedelta(days=value // DAY)).isoformat()
    if form in ("timestamp[us, tz=UTC]", "timestamp[us]"):
        text = (_EPOCH + timedelta(microseconds=value)).strftime("%Y-%m-%dT%H:%M:%S.%f")
        # the year has four digits for every reader
        text = text.rjust(26, "0")
        return f"{text}Z" if form.endswith("UTC]") else text
    return None


@cache
def _digits(form: str) -> tuple[int, int] | None:
    """Precision and scale of a decimal that has neither more of one nor less than none of the other."""
    match = re.fullmatch(r"decimal128\((\d+), (\d+)\)", form)
    return (int(match[1]), int(match[2])) if match else None


def _end_of(text: str) -> str:
    """A short text that `text` is not greater than."""
    if len(text) <= _MOST_LETTERS:
        return text
    end = text[:_MOST_LETTERS] + _LAST_LETTER
    while end < text:
        end += _LAST_LETTER
    return end


def _escaped(text: str) -> str:
    """In ASCII alone."""
    return json.dumps(text)[1:-1]


def _said(name: str, bound: int | str | None, form: str) -> dict[str, str]:
    if bound is None:
        return {}
    if form == "string":
        return {name: _text(json.loads(f'"{bound}"'))}
    # a decimal is a number whose digits are all written
    return {name: str(bound) if _digits(form) else _text(bound)}


def _object(members: Mapping[str, str]) -> str:
    """JSON of an object whose members are JSON already."""
    return "{" + ",".join(f"{_text(name)}:{value}" for name, value in members.items()) + "}"


#: JSON of a value that is no object; `json.dumps` would make its encoder anew each time
_text: Final = json.JSONEncoder(ensure_ascii=False).encode
