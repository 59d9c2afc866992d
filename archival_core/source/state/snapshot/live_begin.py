"""Where the live rows of a table begin: a question of older rows needs no session that reads the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from archival_core.model.chunks.moment import DAY
from archival_core.source.catalog.partitioning import native
from archival_core.source.catalog.partitioning.bounds import CLOCK_TIMES, INTEGER_TIMES
from archival_core.source.catalog.partitioning.timescaledb_internals.chunks import least_slice
from archival_core.source.state.snapshot.readable import NamedTable
from archival_core.source.translate import source_errors


@dataclass(frozen=True, slots=True)
class LiveBegin:
    """No row of the table that the snapshot sees has a smaller value."""

    column: str
    #: days since 1970 of a date, microseconds since then of a timestamp, or the integer
    value: int


async def live_begin(conn: AsyncConnection[Any], table: NamedTable) -> LiveBegin | None:
    """By the partitions or chunks that the caller's snapshot sees; `None` where their bounds do not say it."""
    if table.kind == "plain":
        return None
    with source_errors():
        if table.kind == "native":
            found = await native.least_bound(conn, table.oid)
        else:
            found = await least_slice(conn, table.relation)
    if found is None:
        return None
    column, time_type, value = found
    if time_type not in INTEGER_TIMES | CLOCK_TIMES:
        return None  # a domain, whose values may be counted in days
    return LiveBegin(column, value // DAY if time_type == "date" else value)
