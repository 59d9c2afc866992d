"""What the continuous aggregates of a hypertable have yet to look at, as TimescaleDB's own logs of invalidations say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from archival_core.model.chunks.chunk import Relation
from archival_core.source.catalog.partitioning.timescaledb_internals.forms import Form

# What was written waits in the log of the hypertable until any of its aggregates is refreshed; then each aggregate gets it,
# widened to whole buckets. The same is done here for what waits: exactly for buckets of one width from TimescaleDB's own
# origin, and for all others with the width of a bucket, which in months or in a time zone is somewhat more than it says.
_BUCKET_IN_FUNCTION: Final[LiteralString] = """
SELECT CASE WHEN b.bucket_width ~ '^\\d+$' THEN b.bucket_width::numeric
            ELSE extract(epoch FROM b.bucket_width::interval)::numeric * 1000000 END AS width,
       to_jsonb(b) ->> 'bucket_fixed_width' = 'true' AND to_jsonb(b) ->> 'bucket_func' NOT LIKE '%%time_bucket_ng(%%'
           AND coalesce(to_jsonb(b) ->> 'bucket_origin', to_jsonb(b) ->> 'bucket_offset', to_jsonb(b) ->> 'bucket_timezone')
               IS NULL AS is_plain
"""
_BUCKET_IN_AGGREGATE: Final[LiteralString] = """
SELECT CASE WHEN a.bucket_width > 0 THEN a.bucket_width::numeric
            ELSE extract(epoch FROM b.bucket_width::interval)::numeric * 1000000 END AS width,
       a.bucket_width > 0 AND b.mat_hypertable_id IS NULL AS is_plain
"""
_PENDING: Final[LiteralString] = """
SELECT format('%%I.%%I', a.user_view_schema, a.user_view_name) AS aggregate, log.lowest, log.greatest
FROM _timescaledb_catalog.hypertable h
JOIN _timescaledb_catalog.continuous_agg a ON a.raw_hypertable_id = h.id
LEFT JOIN _timescaledb_catalog.continuous_aggs_bucket_function b ON b.mat_hypertable_id = a.mat_hypertable_id
CROSS JOIN LATERAL ({bucket}) bucket
CROSS JOIN LATERAL (
    SELECT lowest_modified_value AS lowest, greatest_modified_value AS greatest,
           CASE WHEN is_plain THEN lowest_modified_value - mod(mod(lowest_modified_value - %(origin)s, width) + width, width)
                ELSE lowest_modified_value - coalesce(width * 1.05, 1e20) END AS first,
           CASE WHEN is_plain THEN greatest_modified_value + width - 1
                                   - mod(mod(greatest_modified_value - %(origin)s, width) + width, width)
                ELSE greatest_modified_value + coalesce(width * 1.05, 1e20) END AS last
    FROM _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log WHERE hypertable_id = h.id
    UNION ALL
    SELECT lowest_modified_value, greatest_modified_value, lowest_modified_value, greatest_modified_value
    FROM _timescaledb_catalog.continuous_aggs_materialization_invalidation_log WHERE materialization_id = a.mat_hypertable_id
    {ranges}
) log
WHERE h.schema_name = %(schema)s AND h.table_name = %(name)s AND log.first <= %(last)s AND log.last >= %(first)s
ORDER BY 1, 2, 3
"""
# What a refresh has begun to look at and not finished.
_RANGES: Final[LiteralString] = """
    UNION ALL
    SELECT lowest_modified_value, greatest_modified_value, lowest_modified_value, greatest_modified_value
    FROM _timescaledb_catalog.continuous_aggs_materialization_ranges WHERE materialization_id = a.mat_hypertable_id
"""

_MODIFIED: Final = ("lowest_modified_value", "greatest_modified_value")
#: Where buckets begin: Monday, 2000-01-03, in microseconds since 1970.
_ORIGIN: Final = 946_857_600_000_000


@dataclass(frozen=True, slots=True)
class Pending:
    """A stretch of time that a continuous aggregate has yet to look at, both ends included."""

    aggregate: str
    #: microseconds since 1970, or the integer of integer time; `NO_BEGIN` and `NO_END` where there is none
    lowest: int
    greatest: int


async def pending(
    conn: AsyncConnection[Any], hypertable: Relation, first: int, last: int, *, is_integer: bool
) -> list[Pending]:
    """What the continuous aggregates of `hypertable` have yet to look at of the time from `first` to `last`, both included.

    What was written since the last refresh counts with all of its bucket. Raises `PermanentError` (`unknown-timescaledb`).
    """
    form = await Form.of(conn)
    if not (
        form.has("hypertable", "id", "schema_name", "table_name")
        and form.has("continuous_agg", "mat_hypertable_id", "raw_hypertable_id", "user_view_schema", "user_view_name")
        and form.has("continuous_aggs_bucket_function", "mat_hypertable_id", "bucket_width")
        and form.has("continuous_aggs_hypertable_invalidation_log", "hypertable_id", *_MODIFIED)
        and form.has("continuous_aggs_materialization_invalidation_log", "materialization_id", *_MODIFIED)
    ):
        raise form.unknown(f"what the continuous aggregates of {hypertable} have yet to look at")
    bucket = _BUCKET_IN_AGGREGATE if form.has("continuous_agg", "bucket_width") else _BUCKET_IN_FUNCTION
    ranges = _RANGES if form.has("continuous_aggs_materialization_ranges", "materialization_id", *_MODIFIED) else ""
    values = {"schema": hypertable.schema, "name": hypertable.name, "first": first, "last": last}
    values |= {"origin": 0 if is_integer else _ORIGIN}
    async with conn.cursor(row_factory=dict_row) as cur:
        await cur.execute(_PENDING.format(bucket=bucket, ranges=ranges), values)
        return [Pending(**row) for row in await cur.fetchall()]
