"""Conditions that DuckDB cannot hand to a scan as they are: applied after it, and no row is left out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.acceptance.conftest import Service
from tests.kit.asking import asked, queries_of

#: What Python has no date for, its own first and last day, and days in between.
DAYS = (
    "-infinity",
    "4713-01-01 BC",
    "0001-01-01",
    "1969-12-31",
    "2026-01-01",
    "2026-02-10",
    "9999-12-31",
    "10000-01-01",
    "294000-01-01",
    "infinity",
)
TABLE = """
create table $s.contracts (time timestamptz not null, id int, day date, moment timestamp, zoned timestamptz)
partition by range (time);
create table $s.old partition of $s.contracts for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.new partition of $s.contracts for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s.chosen (id int, day date, moment timestamp, zoned timestamptz)
"""

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]


@pytest.fixture
async def contracts(service: Service) -> Service:
    """Each day is there twice: in the lake and in the database."""
    service.execute(TABLE)
    for number, day in enumerate(DAYS):
        values = f"{number}, '{day}', '{day}', '{day}'"
        service.execute(f"insert into $s.contracts values ('2026-01-05Z', {values}), ('2026-02-05Z', {values})")
        service.execute(f"insert into $s.chosen values ({values})")
    service.execute("create table $s.whole as select * from $s.contracts")
    await service.publish(hypertable=f"{service.schema}.contracts", chunk=f"{service.schema}.old", remove=True)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
    return service


@pytest.mark.parametrize("column", ["day", "zoned", pytest.param("moment", marks=pytest.mark.slow)])
async def test_days_that_python_has_not_are_in_lists_and_joins(contracts: Service, column: str) -> None:
    queries, schema = queries_of(contracts), contracts.schema
    chosen = f"{schema}.chosen"
    for ids in ((0, 4), (4, 9), (6,), (2, 6), (1, 5), (5, 7), range(10)):
        listed = ", ".join(str(one) for one in ids)
        for sql in (
            f"select count(*) as n from {{t}} where {column} in (select {column} from {chosen} where id in ({listed}))",
            f"select count(*) as n from {{t}} a join {chosen} b on a.{column} = b.{column} where b.id in ({listed})",
            f"select count(*) as n from {chosen} b left join {{t}} a on a.{column} = b.{column} where b.id in ({listed})",
        ):
            answer = await asked(queries, sql.format(t=f"{schema}.contracts"))
            assert [(row["n"],) for row in answer.result.to_pylist()] == contracts.rows(sql.format(t=f"{schema}.whole")), sql
    for days in (
        ("infinity", "2026-01-01"),
        ("-infinity", "9999-12-31"),
        ("2026-02-10", "2026-01-01"),
        ("0001-01-01", "infinity"),
    ):
        sql = f"select count(*) as n from {{}} where {column} in ('{days[0]}', '{days[1]}')"
        answer = await asked(queries, sql.format(f"{schema}.contracts"))
        assert [(row["n"],) for row in answer.result.to_pylist()] == [(4,)], sql


async def test_joins_of_many_keys_and_distinct_from(service: Service) -> None:
    schema = service.schema
    service.execute(
        "create table $s.readings (time timestamptz not null, device int, value float8) partition by range (time);"
        "create table $s.old partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');"
        "create table $s.new partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');"
        "insert into $s.readings select t, n % 300, n / 8.0"
        " from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') with ordinality as g (t, n);"
        "create table $s.devices as select n as device, 'region ' || n % 2 as region from generate_series(0, 299) n;"
        "create table $s.whole as select * from $s.readings"
    )
    await service.publish(hypertable=f"{schema}.readings", chunk=f"{schema}.old", remove=True)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
    queries = queries_of(service)
    devices = f"{schema}.devices"
    for sql in (
        f"select count(*) from {{t}} where device in (select device from {devices} where region = 'region 1')",
        f"select region, max(value) from {devices} left join {{t}} using (device) where region = 'region 1' group by 1",
        f"select count(*) from {{t}} r where exists (select 1 from {devices} d where d.device = r.device and d.device < 90)",
        "select count(*) from {t} where device = 3 or device is distinct from 5",
        "select count(*) from {t} where device is not distinct from 7 and time < '2026-01-20'",
    ):
        found = (await asked(queries, sql.format(t=f"{schema}.readings"))).result.to_pylist()
        assert [tuple(row.values()) for row in found] == service.rows(sql.format(t=f"{schema}.whole")), sql
