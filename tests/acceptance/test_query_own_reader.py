"""Archived rows are read by DuckDB itself where it can: the same rows, no file more than before, the same errors."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from archival_core.errors import PermanentError, TransientError
from dev.lake_emulator.faults import Fault
from tests.acceptance.conftest import Service
from tests.kit.asking import asked, queries_of

TABLE = """
create table $s.readings (time timestamptz not null, device int, value float8, seen date, note text) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
create table $s.apr partition of $s.readings for values from ('2026-04-01Z') to ('2026-05-01Z');
insert into $s.readings
select t, nullif(n % 9, 4), case when n % 50 = 0 then 'NaN' else n / 8.0 end, date '2020-01-01' + n::int, 'note ' || n % 5
from generate_series(timestamptz '2026-01-01Z', '2026-04-30 23:00Z', '1 hour') with ordinality as g (t, n);
create table $s.moments (since timestamptz, label text);
insert into $s.moments values ('2026-02-10Z', 'a'), ('2026-02-11 05:00:00Z', 'b');
create table $s.devices (device int, site text); insert into $s.devices values (1, 'here'), (3, 'there')
"""

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]


@pytest.fixture
async def archived(service: Service) -> Service:
    """January to March are in the lake alone; one value of March has no form there but its text."""
    service.execute(TABLE)
    service.execute("update $s.readings set seen = 'infinity' where time = '2026-03-05Z'")
    service.execute("create table $s.whole as select * from $s.readings")
    for chunk in ("jan", "feb", "mar"):
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}", remove=True)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 3
    return service


def _file(service: Service, chunk: str) -> Path:
    [found] = (service.lake / "tables" / f"{service.schema}.readings").glob(f"*{chunk}_r0/part-00000.parquet")
    return found


async def test_no_other_file_is_opened(archived: Service) -> None:
    """Neither by a range of time that stands in the question, nor by one that DuckDB learns while it answers."""
    for chunk in ("jan", "mar"):
        _file(archived, chunk).unlink()
    queries, schema = queries_of(archived), archived.schema
    for condition in (
        "time >= '2026-02-10' and time < timestamptz '2026-02-10' + interval '1 day'",
        "time between '2026-02-10' and '2026-02-12' and (device = 1 or value > 3)",
        "time in (select since from {s}.moments)",
        "time >= (select min(since) from {s}.moments) and time < '2026-02-20'",
        "device in (select device from {s}.devices) and time < '2026-02-20' and time > '2026-02-01'",
    ):
        sql = f"select count(*) as n, min(time) as low, max(time) as high from {schema}.{{}} where {condition.format(s=schema)}"
        answer = await asked(queries, sql.format("readings"))
        found = [tuple(row.values()) for row in answer.result.to_pylist()]
        assert found == archived.rows(sql.format("whole")), condition
        assert (answer.figures.archives_read, answer.figures.files_read) == (1, 1), condition
    sql = f"select label, device from {schema}.readings join {schema}.moments on time = since order by label"
    assert (await asked(queries, sql)).result.num_rows == 2
    # its own rows are where it says, and nothing of the lake is needed to say which columns there are
    assert (await asked(queries, f"describe {schema}.readings")).figures.files_read == 0
    assert (await asked(queries, f"select max(value) as m from {schema}.readings where time > now()")).figures.files_read == 0


QUESTIONS = (
    "select count(*), count(device), max(time), min(note), max(note) from {t}",
    "select device, count(*), max(time) from {t} group by device order by device nulls last",
    "select count(*) from {t} where value = 'NaN'",
    "select count(*) from {t} where value > 100",
    "select count(*) from {t} where device is null",
    "select cast(max(seen) as varchar) from {t}",
    "select count(*) from {t} where seen > '2021-01-01'",
    "select max(time) from {t} where note = 'note 3' and device in (1, 2, 7)",
    "select count(*) from {t} where time < now() and time > '2026-02-25'",
    "select a.time, b.value from {t} a join {t} b on a.time = b.time where a.time >= '2026-03-04 20:00:00Z'"
    " and a.time < '2026-03-05 03:00:00Z' and b.value > 5 order by 1",
    "select site, count(*) from {t} join {s}.devices using (device) group by site order by site",
    "select time, note from {t} order by time desc limit 3",
    "select 1 as one from {t} where time < '2026-01-02' union all select 1 from {t} where time > '2026-04-30'",
    "with x as materialized (select * from {t}) select count(*) from x where time > '2026-03-01'",
)


async def test_the_rows_are_those_that_postgresql_has(archived: Service) -> None:
    queries = queries_of(archived)
    for question in QUESTIONS:
        sql = question.replace("{s}", archived.schema)
        found = (await asked(queries, sql.replace("{t}", f"{archived.schema}.readings"))).result.to_pylist()
        expected = archived.rows(sql.replace("{t}", f"{archived.schema}.whole"))
        assert [tuple(row.values()) for row in found] == expected, question


@pytest.mark.slow
async def test_a_file_that_is_gone_damaged_or_away(archived: Service) -> None:
    queries, sql = queries_of(archived), f"select sum(value), max(note), max(time) from {archived.schema}.readings"
    file = _file(archived, "jan")
    whole = file.read_bytes()
    for damaged in (whole[:-50], whole[: len(whole) // 2], whole[:4] + b"\xff" * 2000 + whole[2004:], None):
        file.unlink()
        if damaged is not None:
            file.write_bytes(damaged)
        with pytest.raises(PermanentError) as refused:
            await asked(queries, sql)
        assert refused.value.code == "archive-unreadable", damaged and len(damaged)
        assert "://" not in str(refused.value)
        # what needs no such file is answered
        answer = await asked(queries, f"select count(*) as n from {archived.schema}.readings where time >= '2026-02-01'")
        assert answer.result.to_pylist() == [{"n": 24 * (28 + 31 + 30)}]
        file.write_bytes(whole)
    assert (await asked(queries, sql)).result.num_rows == 1


async def test_a_question_that_is_wrong_about_right_files_says_so(archived: Service) -> None:
    queries = queries_of(archived)
    for wrong, code in {
        "cast(note as int)": "query-failed",
        "error('IO Error')": "query-failed",
        "nothing": "query-invalid",
    }.items():
        with pytest.raises(PermanentError) as refused:
            await asked(queries, f"select {wrong} from {archived.schema}.readings where time < '2026-02-01'")
        assert refused.value.code == code, wrong


async def test_a_lake_that_gives_no_file(archived: Service) -> None:
    queries, sql = queries_of(archived), f"select max(value) from {archived.schema}.readings"
    archived.emulator.faults.append(Fault("GET", "part-00000.parquet", status=403, code="AuthorizationFailure", times=1000))
    with pytest.raises(TransientError) as away:
        await asked(queries, sql)
    assert away.value.code == "lake-unavailable"


async def test_a_file_takes_few_requests(archived: Service) -> None:
    """Its end has the footer, and of a small file everything."""
    looks, reads = (Fault(method, "jan_r0/part-00000.parquet", "delay", times=1000) for method in ("HEAD", "GET"))
    archived.emulator.faults.extend([looks, reads])
    sql = f"select device, max(value), max(note) from {archived.schema}.readings where time < '2026-02-01' group by device"
    assert (await asked(queries_of(archived), sql)).result.num_rows == 9
    assert (looks.hits, reads.hits) == (1, 1)


async def test_values_that_are_too_large_for_it_are_read_by_the_other_reader(service: Service) -> None:
    """On the way to DuckDB's own reader a value is in memory three times."""
    service.execute(
        """create table $s.pictures (time timestamptz not null, picture bytea) partition by range (time);
        create table $s.old partition of $s.pictures for values from ('2026-01-01Z') to ('2026-02-01Z');
        insert into $s.pictures select '2026-01-01Z', 'small';
        alter table $s.pictures alter picture set storage external;
        insert into $s.pictures
        select '2026-01-02Z', decode(string_agg(md5(n::text), ''), 'hex') from generate_series(1, 2600000) n"""
    )
    await service.publish(hypertable=f"{service.schema}.pictures", chunk=f"{service.schema}.old", remove=True)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
    sql = f"select octet_length(picture) as n, md5(picture) as m from {service.schema}.pictures order by time"
    answer = await asked(queries_of(service), sql)
    assert answer.result["n"].to_pylist() == [5, 41_600_000]
    assert answer.figures.snapshots == 2
