"""OR between different columns goes down to archives and to PostgreSQL, and the rows are the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.acceptance.conftest import Service
from tests.kit.asking import asked, queries_of

TABLE = """
create table $s.readings (time timestamptz not null, device int, value float8, price numeric(10,2), name text, seen date,
    flag boolean, id uuid, small real, seq int) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
insert into $s.readings
select t, nullif(n % 9, 4), case when n % 50 = 0 then 'NaN' when n % 51 = 0 then 'Infinity' else n / 8.0 end,
    nullif(n, 70) / 4.0,
    case when n % 7 > 0 then 'name ' || n % 5 end, case when n % 60 = 0 then 'infinity' else date '2020-01-01' + n::int end,
    nullif(n % 3, 1) = 0, md5((n % 97)::text)::uuid, n / 4.0, n
from generate_series(timestamptz '2026-01-01Z', '2026-03-31 23:00Z', '1 hour') with ordinality as g (t, n);
create table $s.whole as select * from $s.readings
"""

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]


@pytest.fixture
async def halved(service: Service) -> Service:
    """January and February are in the lake alone."""
    service.execute(TABLE)
    for chunk in ("jan", "feb"):
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}", remove=True)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 2
    return service


async def _told(service: Service, condition: str) -> dict[str, Any]:
    sql = f"select count(*) from {service.schema}.readings where {condition}"
    [table] = (await asked(queries_of(service), sql, explain=True)).tables
    found: dict[str, Any] = table
    return found


async def test_archives_and_rows_that_neither_side_wants_are_not_read(halved: Service) -> None:
    # the statistics of the files say that there is no such row, and PostgreSQL finds none
    told = await _told(halved, "seq = 1000000 or small = 1000000")
    assert {archive["why"] for archive in told["archives"]} == {"statistics"}
    assert (told["live_rows"], told["conditions"]) == (
        0,
        ["""("seq" = '1000000'::pg_catalog.int8 OR "small" = '1000000.0'::pg_catalog.float4)"""],
    )
    # one side has a range of time, the other one has a bound that no row of January meets
    told = await _told(halved, "time >= '2026-03-30' or seq > 9000000")
    assert {archive["why"] for archive in told["archives"]} == {"statistics"}
    assert told["live_rows"] == 48
    # beside a range of time
    told = await _told(halved, "time >= '2026-02-10' and (device = 3 or value < 2)")
    assert {archive["chunk"].rpartition(".")[2]: archive["is_read"] for archive in told["archives"]} == {
        "jan": False,
        "feb": True,
    }
    assert 0 < told["live_rows"] < 100


CONDITIONS = (
    "device = 3 or value < 20",
    "device is null or value > 200",
    "device is null or isnan(value)",
    "value >= 250 or name is null",
    "value = 'NaN' or device = 1",
    "value <> 5 or device = 1",
    "price = 12.5 or device = 2",
    "price in (1.25, 2, 3.75) or name = 'name 1'",
    "price is null or flag",
    "not flag or device = 2",
    "flag is null or device = 2",
    "seen = 'infinity' or device = 5",
    "seen > '2021-01-01' or time < '2026-01-02'",
    "name >= 'name 3' or device = 2",
    "small < 3.5 or name = 'name 4'",
    "small = 0.75 or id = '00000000-0000-0000-0000-000000000001'",
    "id in (select id from {schema}.whole where device = 3) or device = 2",
    "(device = 1 and value > 30) or (name = 'name 2' and price < 90) or seen is null",
    "time between '2026-02-27' and '2026-03-02' or device between 6 and 7",
    "device + 1 = 3 or value < 3",
    "device = 3 or name like 'name%'",
    "(device = 3 or value < 20) and (name = 'name 1' or price > 100)",
)


@pytest.mark.slow
async def test_the_rows_are_those_that_postgresql_has(halved: Service) -> None:
    queries = queries_of(halved)
    for condition in CONDITIONS:
        written = condition.format(schema=halved.schema)
        sql = f"select count(*) as n, sum(price)::decimal(20, 2) as total, max(time) as last from {halved.schema}.{{}}"
        sql += f" where {written}"
        found = (await asked(queries, sql.format("readings"))).result.to_pylist()
        # the same rows in a table without archives, asked of PostgreSQL itself
        words = written.replace("isnan(value)", "value = 'NaN'")
        expected = halved.rows(f"select count(*), sum(price)::numeric(20, 2), max(time) from $s.whole where {words}")
        assert [tuple(row.values()) for row in found] == expected, condition


async def test_a_table_that_is_read_twice_has_all_rows_for_both(halved: Service) -> None:
    queries, table = queries_of(halved), f"{halved.schema}.readings"
    for sql in (
        f"select count(*) from {table} a join {table} b using (time)"
        " where (a.device = 1 or a.value < 9) and (b.flag or b.name is null)",
        f"select count(*) from {table} a left join {table} b on a.time = b.time and (b.device = 1 or b.value < 9)",
        f"select (select count(*) from {table} where device = 1 or value < 9) + (select count(*) from {table})",
        f"with x as (select * from {table}) select count(*) from x a join x b using (time) where a.device = 1 or b.value < 9",
    ):
        found = (await asked(queries, sql)).result.to_pylist()
        assert [tuple(row.values()) for row in found] == halved.rows(sql.replace(table, f"{halved.schema}.whole")), sql


async def test_columns_that_were_renamed_or_are_younger_are_found_by_their_present_names(halved: Service) -> None:
    halved.execute("alter table $s.readings rename value to device_value; alter table $s.readings add note text default 'new'")
    halved.execute("alter table $s.whole rename value to device_value; alter table $s.whole add note text default 'new'")
    queries = queries_of(halved)
    for condition in ("device_value < 20 or device = 3", "note = 'new' or device = 3", "note = 'old' or device = 3"):
        sql = f"select count(*) as n from {halved.schema}.{{}} where {condition}"
        found = (await asked(queries, sql.format("readings"))).result.to_pylist()
        assert [tuple(row.values()) for row in found] == halved.rows(sql.format("whole")), condition
