"""A source and a ledger that are large to look at: written by some statements, without any row archived."""

from __future__ import annotations

from typing import Any, Final

import psycopg

HYPERTABLES: Final = 10
#: Of each hypertable's 1,000 chunks; the others are in the ledger alone.
CHUNKS_IN_DATABASE: Final = 450

_SOURCE: Final = """
do $do$ begin
for t in 0..{hypertables} - 1 loop
    execute format('create table readings.site_%s (time timestamptz not null, device int, value double precision)'
                   ' partition by range (time)', t);
    for c in 550..550 + {there} - 1 loop
        execute format('create table readings.site_%1$s_%2$s partition of readings.site_%1$s'
                       ' for values from (%3$L) to (%4$L)',
                       t, c, '2023-01-01Z'::timestamptz + c * interval '1 day',
                       '2023-01-02Z'::timestamptz + c * interval '1 day');
    end loop;
    -- one transaction would hold a lock for each of thousands of tables
    commit;
end loop; end $do$
"""

#: 6,500 archives, of which 1,000 are in both; the other jobs are those of years: skipped, superseded, restored, failed.
_LEDGER: Final = """
insert into archival.job (job_id, kind, hypertable, chunk, range_start, range_end, status, settled, attempt, request_key,
                          requested_by, requested_at, started_at, finished_at, removed_at, rows, source_bytes, parquet_bytes,
                          lake_path, announced, verified_at)
select md5('archive ' || t || '/' || c)::uuid, 'archive', 'readings.site_' || t, format('readings.site_%%s_%%s', t, c),
       to_char(first, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), to_char(first + interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       case when c < 550 then 'removed' else 'archived' end, true, 1, format('made/%%s/%%s', t, c), 'policy', done, done, done,
       case when c < 550 then done end, 100000, 80000000, 8000000,
       format('tables/readings.site_%%1$s/readings.site_%%1$s_%%2$s_r0', t, c), true, done
from (select t, c, timestamptz '2023-01-01Z' + c * interval '1 day' as first,
             now() - (1000 - c) * interval '2 hours' - t * interval '10 minutes' as done
      from generate_series(0, %(hypertables)s - 1) t, generate_series(0, 649) c) made;
insert into archival.job (kind, hypertable, chunk, status, attempt, request_key, requested_by, requested_at, finished_at,
                          announced, error)
select 'archive', 'readings.site_' || i %% 10, format('readings.site_%%s_%%s', i %% 10, i / 10 %% 1000),
       case when i %% 500 = 0 then 'failed' when i %% 3 = 0 then 'superseded' else 'skipped' end, 1, 'again/' || i, 'event',
       done, done, true,
       jsonb_build_object('code', (array['database', 'unknown-chunk', 'lake', 'duplicate'])[1 + i / 500 %% 4],
                          'message', 'made for a measurement', 'transient', i %% 1000 = 0)
from (select i, now() - i * interval '1 minute' as done from generate_series(1, %(others)s) i) made;
insert into archival.policy (hypertable, archive_after, remove_after)
select 'readings.site_' || t, interval '900 years', interval '950 years' from generate_series(0, %(hypertables)s - 1, 2) t;
select archival.count_again();
"""


def fill_source(url: str) -> None:
    """Ten tables of 450 partitions each, all of them empty."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create schema readings")
        connection.execute(_SOURCE.format(hypertables=HYPERTABLES, there=CHUNKS_IN_DATABASE).encode())
        connection.execute("analyze")


def fill_ledger(connection: psycopg.Connection[Any], jobs: int) -> None:
    """So many `jobs`, over 1,000 chunks of each table; the ledger is migrated, and `connection` in autocommit mode."""
    values = {"hypertables": HYPERTABLES, "others": jobs - HYPERTABLES * 650}
    # one row after the other would take the triggers minutes
    connection.execute("alter table archival.job disable trigger user")
    for statement in _LEDGER.split(";\n"):
        if statement.strip():
            connection.execute(statement.encode(), values)
    connection.execute("alter table archival.job enable trigger user")
    connection.execute("vacuum analyze")
