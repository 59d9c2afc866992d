"""What a table's log says of a file's values, so that engines skip files: never more than is true of every row.

A bound that leaves a value out hides rows. So there is none where a value has no place in the protocol's JSON, or engines
differ in how they read it: NaN and infinities, years before 1 and after 9999, decimals of more digits than a double holds,
long texts.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from archival_core.model.chunks.moment import DAY
from archival_core.model.lake.manifest import ManifestPart

#: of 0001-01-01 and of the day after 9999-12-31, in microseconds since 1970
_FIRST: Final = -62_135_596_800_000_000
_END: Final = 253_402_300_800_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def statistics_of(part: ManifestPart, time_column: str, time_form: str | None) -> str:
    """The protocol's `stats` of a part whose manifest tells of its rows and of its time column alone."""
    found: dict[str, Any] = {"numRecords": part.rows}
    bounds = [bound_text(value, time_form) for value in (part.min_time, part.max_time)]
    if None not in bounds:
        found |= {"minValues": {time_column: bounds[0]}, "maxValues": {time_column: bounds[1]}}
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False)


def bound_text(value: int | str | None, form: str | None) -> int | str | None:
    """A bound of the time column, as `ManifestPart` has it, in the protocol's form; `None` if there is none to be told."""
    if isinstance(value, str) or value is None:
        return None
    if form in ("int16", "int32", "int64"):
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
