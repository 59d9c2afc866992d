"""Tables and columns that have other names than when they were archived, and names that are those of others now."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from archival_core.flows.upkeep.missing_tables import MissingTablesReport
from archival_core.source.restore import trial
from tests.kit.asking import asked, queries_of
from tests.kit.readings import archive
from tests.kit.timescaledb import chunks

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

MINUTE = timedelta(minutes=1)
NATIVE = """
create table $s.readings (time timestamptz not null, a int, b int, c text) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, 10, 20, 'old' from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 day') t;
"""
ROWS = 59
HYPERTABLE = """
create table $s.readings (time timestamptz not null, a int, b int, c text);
select create_hypertable('$s.readings', 'time', chunk_time_interval => interval '10 days');
insert into $s.readings select t, 10, 20, 'old' from generate_series(timestamptz '2026-01-01Z', '2026-01-30Z', '1 day') t;
"""
#: of a table, whose partitions become one
MERGED = """
begin; alter table {0} detach partition $s.jan; alter table {0} detach partition $s.feb;
create table $s.winter partition of {0} for values from ('2026-01-01Z') to ('2026-03-01Z');
insert into {0} select * from $s.jan union all select * from $s.feb; drop table $s.jan, $s.feb; commit
"""
#: of a table, two of whose columns have each other's name
EXCHANGED = "alter table {0} rename a to x; alter table {0} rename b to a; alter table {0} rename x to b"
RENAMED = "alter table $s.readings rename to measurements"
ANOTHER = """
create table $s.readings (time timestamptz not null, a int, b int, c text) partition by range (time);
create table $s.all_of_it partition of $s.readings default; insert into $s.readings values ('2026-01-05Z', 1, 2, 'other')
"""


async def answer(service: Service, sql: str) -> list[tuple[object, ...]]:
    found = await asked(queries_of(service), sql.replace("$s", service.schema))
    return [tuple(row.values()) for row in found.result.to_pylist()]


async def decided(service: Service) -> MissingTablesReport:
    return (await service.runtime.reconciler.reconcile(MINUTE)).missing_tables


@pytest.mark.parametrize("then", ["", ANOTHER], ids=["alone", "name-taken"])
async def test_rows_of_a_renamed_table_are_not_gone(service: Service, then: str) -> None:
    """Merged after the table got another name: the rows are there, and are in every answer once."""
    service.execute(NATIVE)
    await archive(service, "jan", remove=False)
    service.execute(f"{RENAMED}; {then}")
    service.execute(MERGED.format("$s.measurements"))
    assert await decided(service) == MissingTablesReport()
    assert service.rows("select kind from archival_marks.stand_in") == []
    assert await answer(service, "select count(*) from $s.measurements") == [(ROWS,)]
    await service.publish(hypertable=f"{service.schema}.measurements", chunk=f"{service.schema}.winter", remove=True)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 1
    assert await answer(service, "select count(*) from $s.measurements") == [(ROWS,)]


async def test_rows_in_a_renamed_schema_are_not_gone(service: Service) -> None:
    before, after = f"{service.schema}_before", f"{service.schema}_after"
    try:
        service.execute(f"create schema {before}; {NATIVE.replace('$s', before)}")
        await service.publish(hypertable=f"{before}.readings", chunk=f"{before}.jan", remove=False)
        await service.work()
        service.execute(f"alter schema {before} rename to {after}")
        service.execute(MERGED.format("$s.readings").replace("$s", after))
        assert await decided(service) == MissingTablesReport()
        assert service.rows("select kind from archival_marks.stand_in") == []
        assert await answer(service, f"select count(*) from {after}.readings") == [(ROWS,)]
    finally:
        service.execute(f"drop schema if exists {before} cascade; drop schema if exists {after} cascade")


@pytest.mark.parametrize(
    ("altered", "found"),
    [
        (EXCHANGED.format("$s.readings"), MissingTablesReport()),
        ("alter table $s.readings rename a to raw; alter table $s.readings add a int", MissingTablesReport()),
        ("alter table $s.readings rename time to moment", MissingTablesReport()),
        # nobody can tell whether rows are those of the archive
        ("alter table $s.readings drop a; alter table $s.readings add a int", MissingTablesReport(undecided=1)),
        ("alter table $s.readings alter a type bigint", MissingTablesReport(undecided=1)),
    ],
    ids=["exchanged", "another-under-the-name", "time", "made-anew", "retyped"],
)
async def test_rows_with_other_columns_are_not_gone(service: Service, altered: str, found: MissingTablesReport) -> None:
    service.execute(NATIVE)
    await archive(service, "jan", remove=False)
    service.execute(altered)
    service.execute(MERGED.format("$s.readings"))
    assert await decided(service) == found
    assert service.rows("select kind from archival_marks.stand_in") == []
    assert await answer(service, "select count(*) from $s.readings") == [(ROWS,)]


async def test_a_name_that_changes_hands_while_rows_are_looked_for(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(NATIVE)
    await archive(service, "jan", remove=False)
    service.execute(MERGED.format("$s.readings"))
    missing_from = trial.missing_from

    async def late(*given: Any) -> tuple[int, int]:
        service.execute(f"{RENAMED}; {ANOTHER}")
        return await missing_from(*given)

    with monkeypatch.context() as patch:
        patch.setattr(trial, "missing_from", late)
        assert await decided(service) == MissingTablesReport(undecided=1)
    assert service.rows("select kind from archival_marks.stand_in") == []
    assert await decided(service) == MissingTablesReport()


async def test_a_renamed_table_s_dropped_chunk_is_gone(service: Service) -> None:
    service.execute(NATIVE)
    await archive(service, "jan", remove=False)
    service.execute(f"{RENAMED}; {EXCHANGED.format('$s.measurements')}; drop table $s.jan")
    assert await decided(service) == MissingTablesReport(removed=1)
    assert await answer(service, "select count(*), max(a) from $s.measurements") == [(ROWS, 20)]


async def test_merged_chunks_of_a_renamed_hypertable_are_not_gone(timescaledb_service: Service) -> None:
    service = timescaledb_service
    service.execute(HYPERTABLE)
    first, second, *_ = chunks(service)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=second, remove=False)
    await service.work()
    service.execute(f"{RENAMED}; {EXCHANGED.format('$s.measurements')}")
    try:
        service.execute(f"call merge_chunks('{first}', '{second}')")
    except psycopg.Error:
        pytest.skip("merging is not in this edition")
    await service.runtime.reconciler._missing_tables.decide(time.monotonic() + 60)
    assert [job["status"] for job in service.jobs()] == ["archived"]
    assert service.rows("select kind from archival_marks.stand_in where hypertable like '$s.%'") == []
    assert await answer(service, "select count(*) from $s.measurements") == [(30,)]
