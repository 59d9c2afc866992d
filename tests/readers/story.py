"""The table's story: its columns, its chunks, and what was done to it between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from tests.readers import rows
from tests.readers.rows import Cell, Row
from tests.readers.values import Value

SCHEMA: Final = "readers"
TABLE: Final = 'Wetter "Daten".v1 🌡'
EXACT: Final = "_archival_exact"
#: columns of arrays, and the one that is a map
LISTS: Final = ("tags", "grid", "rates", "sums", "stamps", "days", EXACT)
_ROWS: Final = 150
#: a removed row, and a row that came after the first archive
SUPERSEDED: Final = "apr"

BEFORE: Final = """
create schema readers;
create table readers.{table} (
    id bigint, time timestamptz not null, value double precision, level real, count int, small smallint, price numeric(10,2),
    free numeric, day date, local timestamp, moment timestamptz, label text, flag boolean, raw bytea, tags text[], grid int[],
    rates double precision[], sums numeric(8,3)[], stamps timestamptz[], days date[], "Temp °C" double precision, "a.b" int,
    "Case" text, "case" int, "🌡" int, old int, fate text
) partition by range (time)
"""
ALTERED: Final = """
alter table readers.{table} add added int default 7;
alter table readers.{table} drop old;
alter table readers.{table} rename fate to destiny;
alter table readers.{table} alter count type bigint;
alter table readers.{table} alter price type numeric(12,4);
"""
#: names in the lake of columns that have another one there than in PostgreSQL: before the table was altered, and after
_NAMES: Final = {"Temp °C": "Temp_x20__xb0_C", "a.b": "a_x2e_b", "case": "case__2", "🌡": "_x1f321_"}
_LATER_NAMES: Final = _NAMES | {"count": "count__2", "price": "price__2"}


@dataclass(frozen=True, slots=True)
class Chunk:
    """A partition, and how it was archived."""

    name: str
    first: str
    end: str
    profile: Literal["fast", "small"]
    #: whether the table was altered before
    is_later: bool
    is_odd: bool
    rows: int = _ROWS
    #: whether it has rows at the ends of time
    has_ends: bool = False


CHUNKS: Final = (
    Chunk("jan", "2026-01-01Z", "2026-02-01Z", "fast", False, False),
    Chunk("Feb é.🌡 %20", "2026-02-01Z", "2026-03-01Z", "fast", False, True),
    Chunk("mar", "2026-03-01Z", "2026-04-01Z", "fast", False, False, rows=0),
    Chunk(SUPERSEDED, "2026-04-01Z", "2026-05-01Z", "fast", False, False),
    Chunk("may", "2026-05-01Z", "2026-06-01Z", "small", True, False),
    Chunk("jun", "2026-06-01Z", "2026-07-01Z", "small", True, True),
    Chunk("jul", "2026-07-01Z", "2026-08-01Z", "fast", True, True),
    Chunk("future", "2027-01-01Z", "maxvalue", "small", True, True, has_ends=True),
)


def rows_of(number: int) -> list[Row]:
    """The rows of a chunk when it was last archived."""
    chunk = CHUNKS[number]
    first, start = number * 1000, datetime.fromisoformat(chunk.first.replace("Z", "T00:00:00Z"))
    found = [rows.ordinary(first + at, start + timedelta(hours=4 * at)) for at in range(chunk.rows)]
    if chunk.is_odd:
        found += rows.odd(first + 200, start + timedelta(days=20))
    if chunk.has_ends:
        ends = [Cell("infinity", rows.LAST, "infinity"), Cell("12345-06-07 00:00:00+00", rows.LAST, "12345-06-07 00:00:00+00")]
        found += [
            rows.ordinary(first + 900 + at, datetime(2027, 1, 1, tzinfo=UTC)) | {"time": end} for at, end in enumerate(ends)
        ]
    return [rows.later(row) for row in found] if chunk.is_later else found


def lake_name(column: str, chunk: Chunk) -> str:
    """The name in the lake of a column that the chunk has."""
    return (_LATER_NAMES if chunk.is_later else _NAMES).get(column, column)


def in_lake() -> Iterator[dict[str, Value]]:
    """Every row as the lake's columns hold it; a column that its file lacks is NULL."""
    for number, chunk in enumerate(CHUNKS):
        for row in rows_of(number):
            held = {lake_name(name, chunk): cell.value for name, cell in row.items()}
            exact = {lake_name(name, chunk): cell.exact for name, cell in row.items() if cell.exact is not None}
            yield held | {EXACT: [list(pair) for pair in sorted(exact.items())] or None}
