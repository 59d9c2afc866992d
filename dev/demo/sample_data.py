"""Sample data: a natively range-partitioned table of mixed types, a million rows in twelve days."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg

TABLE = "demo.readings"
DAYS = 12
#: the newest partitions stay in the database, as they would
KEPT_DAYS = 2
_FILLERS = 2
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)

_TABLE = """
drop schema if exists demo cascade;
create schema demo;
create table demo.readings (
    time        timestamptz not null,
    sequence    bigint not null,
    device      integer not null,
    serial      uuid,
    temperature double precision,
    load        real,
    price       numeric(14, 4),
    note        text,
    site        varchar(20),
    attributes  jsonb,
    tags        text[],
    counters    integer[],
    healthy     boolean,
    local_time  timestamp,
    installed   date
) partition by range (time);
"""

# Cheap expressions of the row's number: random enough to look like data, the same on every run. Every column but the first three
# is NULL now and then; texts hold quotes, newlines, tabs, backslashes, empty strings and signs beyond ASCII.
_ROWS = """
insert into demo.readings
select %(start)s::timestamptz + n * (interval '1 day' / %(rows)s),
       %(day)s::bigint * 1000000 + n,
       n %% 500,
       case when n %% 97 <> 0 then lpad(to_hex((n::bigint * 2654435761 + %(day)s) %% 4294967296), 32, 'a0')::uuid end,
       case n %% 1009 when 0 then null when 1 then 'NaN' when 2 then 'Infinity' when 3 then '-0' else 20 + 8 * sin(n / 900.0) end,
       case when n %% 89 <> 0 then (n %% 1000) / 7.0 end,
       case when n %% 83 <> 0 then (n * 37 %% 1000003)::numeric / 10000 - 40 end,
       (array['ok', 'say "hi", it''s fine', E'two\\nlines\\tand a tab', 'Zürich – 温度 – 🌡', '', null, 'back\\slash', '{curly},'])[1 + n %% 8],
       'site ' || n %% 40,
       case when n %% 79 <> 0 then jsonb_build_object('fw', '1.' || n %% 9, 'rssi', -(n %% 90), 'ünï', n %% 3 = 0) end,
       case n %% 5 when 0 then null when 1 then '{}'::text[] when 2 then array['a', null, 'b,"c"'] else array['t' || n %% 11] end,
       case n %% 4 when 0 then null when 1 then array[n, null, -n] else array[n] end,
       case n %% 3 when 0 then true when 1 then false end,
       timestamp '2026-01-01' + n * interval '1 second',
       case when n %% 71 <> 0 then date '2020-01-01' + n %% 2000 end
from generate_series(0, %(rows)s - 1) n
"""


def partition(day: int) -> str:
    """Name of a day's partition, without its schema."""
    return f"readings_{FIRST_DAY + timedelta(days=day):%Y_%m_%d}"


def create(url: str, rows: int) -> None:
    """Make the table anew with `rows` rows, spread over the days as evenly as it goes."""
    shares = [rows // DAYS + (day < rows % DAYS) for day in range(DAYS)]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_TABLE)
        for day in range(DAYS):
            start, end = (FIRST_DAY + timedelta(days=day + end) for end in (0, 1))
            connection.execute(
                f"create table demo.{partition(day)} partition of demo.readings"
                f" for values from ('{start.isoformat()}') to ('{end.isoformat()}')".encode()
            )
        with ThreadPoolExecutor(_FILLERS) as pool:
            list(pool.map(partial(_fill, url), range(DAYS), shares))
        connection.execute("analyze demo.readings")


def _fill(url: str, day: int, rows: int) -> None:
    if rows:
        with psycopg.connect(url) as connection:
            connection.execute(_ROWS, {"start": FIRST_DAY + timedelta(days=day), "rows": rows, "day": day})
