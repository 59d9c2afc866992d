"""Tables and columns that have other names than when they were archived, and names that are those of others now."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from archival_core.errors import PermanentError
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.archive_loader import ArchiveLoader
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.flows.upkeep.missing_tables.report import MissingTablesReport
from archival_core.model.chunks.chunk import ChunkRange, Relation
from archival_core.model.jobs.message import JobMessage
from archival_core.source.restore.proof import trial
from tests.kit.asking import asked, queries_of
from tests.kit.readings import archive, remove
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
@pytest.mark.parametrize("first_decided", [False, True])
async def test_rows_of_a_renamed_table_are_not_gone(service: Service, then: str, first_decided: bool) -> None:
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
    if first_decided:
        assert await decided(service) == MissingTablesReport(reshaped=1)
    # as long as nobody has decided about the first archive, the table that has its rows now stays
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == int(first_decided)
    await decided(service)
    assert await answer(service, "select count(*) from $s.measurements") == [(ROWS,)]
    await remove(service)
    await decided(service)
    assert sorted(job["status"] for job in service.jobs()) == ["removed", "superseded"]
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


@pytest.mark.parametrize("renamed", ["table", "chunk", "both"])
async def test_a_renamed_chunk_goes_under_its_present_name(any_service: Service, renamed: str) -> None:
    """Renamed between archive and removal: archived again under its names of now, and removed on the grounds of that."""
    service = any_service
    service.execute(HYPERTABLE if service.has_timescaledb else NATIVE)
    first = chunks(service)[0] if service.has_timescaledb else f"{service.schema}.jan"
    await service.publish(hypertable=f"{service.schema}.readings", chunk=first, remove=True)
    await service.work()
    name = "readings" if renamed == "chunk" else "measurements"
    if renamed != "chunk":
        service.execute(RENAMED)
    if renamed != "table":
        service.execute(f"alter table {first} rename to renamed_{service.schema}")
    before = service.rows(f"select count(*) from $s.{name}")
    assert (await remove(service)).removed == 0
    assert [job["removal_error"]["code"] for job in service.jobs() if job["removal_error"]] == ["source-changed"]
    await service.work()
    assert (await remove(service)).removed == 1
    await service.runtime.reconciler._missing_tables.decide(time.monotonic() + 60)
    assert sorted(job["status"] for job in service.jobs()) == ["removed", "superseded"]
    assert await answer(service, f"select count(*) from $s.{name}") == before
    assert (await remove(service)).kept == {}


async def restore(service: Service, table: str = "readings", **wish: Any) -> list[str]:
    asked_for = RestoreRequest(
        Relation(service.schema, table), None, ChunkRange(None, None), RestoreWish(**wish), str(uuid4()), "a test"
    )
    await service.runtime.restore_requests.request(asked_for)
    return await service.restore()


def errors(service: Service) -> list[str | None]:
    """The code of each restore's error, by when it was asked for."""
    return [(job["error"] or {}).get("code") for job in service.jobs() if job["kind"] == "restore"]


@pytest.fixture
async def removed(any_service: Service) -> Service:
    """A table whose first chunk is archived and removed, as a hypertable or natively partitioned."""
    any_service.execute(HYPERTABLE if any_service.has_timescaledb else NATIVE)
    first = chunks(any_service)[0] if any_service.has_timescaledb else f"{any_service.schema}.jan"
    await any_service.publish(hypertable=f"{any_service.schema}.readings", chunk=first, remove=True)
    await any_service.work()
    await remove(any_service)
    assert [job["status"] for job in any_service.jobs()] == ["removed"]
    return any_service


async def test_values_come_back_into_their_columns(removed: Service) -> None:
    """Whatever the columns are called by now; a younger one has what rows had that were there when it was added."""
    service = removed
    service.execute(
        f"{EXCHANGED.format('$s.readings')}; alter table $s.readings add unit text default 'metre';"
        " alter table $s.readings alter unit set default 'foot'"
    )
    before = await answer(service, "select * from $s.readings order by time")
    assert await restore(service) == []
    assert errors(service) == [None]
    assert service.rows("select distinct a, b, c, unit from $s.readings") == [(20, 10, "old", "metre")]
    assert await answer(service, "select * from $s.readings order by time") == before


async def test_a_column_that_was_made_anew_takes_no_old_values(removed: Service) -> None:
    service = removed
    there = service.rows("select count(*) from $s.readings")
    service.execute("alter table $s.readings drop c; alter table $s.readings add c text")
    assert await restore(service) == []
    assert errors(service) == ["columns-differ"]
    assert service.rows("select count(*) from $s.readings") == there


@pytest.mark.parametrize("recreate", [False, True])
async def test_a_renamed_table_gets_its_rows_back(removed: Service, recreate: bool) -> None:
    service = removed
    service.execute(RENAMED)
    before = await answer(service, "select * from $s.measurements order by time")
    assert await restore(service, "readings", recreate=recreate) == []
    assert errors(service) == [None]
    assert service.rows("select to_regclass('$s.readings') is null") == [(True,)]
    assert service.rows("select count(*) from $s.measurements") == [(len(before),)]
    assert await answer(service, "select * from $s.measurements order by time") == before


async def test_a_name_that_is_another_table_s_restores_nothing_of_the_first(removed: Service) -> None:
    service = removed
    service.execute(f"{RENAMED}; {ANOTHER}")
    before = await answer(service, "select * from $s.measurements order by time")
    for chunk in (None, Relation.parse(service.jobs()[0]["chunk"])):
        refused = RestoreRequest(
            Relation(service.schema, "readings"), chunk, ChunkRange(None, None), RestoreWish(), str(uuid4()), "a test"
        )
        with pytest.raises(PermanentError, match="measurements") as caught:
            await service.runtime.restore_requests.request(refused)
        assert caught.value.code == "another-table"
    assert await restore(service, "measurements") == []
    assert errors(service) == [None]
    assert service.rows("select count(*) from $s.readings") == [(1,)]
    assert service.rows("select count(*) from $s.measurements") == [(len(before),)]
    assert await answer(service, "select * from $s.measurements order by time") == before


@pytest.mark.parametrize("meanwhile", [f"{RENAMED}; {ANOTHER}", EXCHANGED.format("$s.readings")], ids=["table", "columns"])
async def test_a_name_that_changes_hands_while_rows_are_loaded(
    removed: Service, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    service = removed
    load = ArchiveLoader.load

    async def late(self: ArchiveLoader) -> None:
        await load(self)
        service.execute(meanwhile)

    with monkeypatch.context() as patch:
        patch.setattr(ArchiveLoader, "load", late)
        assert await restore(service) == ["source-changed"]
    name = "measurements" if "measurements" in meanwhile else "readings"
    before = await answer(service, f"select * from $s.{name} order by time")
    [again] = [job["job_id"] for job in service.jobs() if job["kind"] == "restore"]
    await service.runtime.restore_processor.process(JobMessage(again))
    assert errors(service) == [None]
    assert service.rows(f"select count(*) from $s.{name}") == [(len(before),)]
    assert await answer(service, f"select * from $s.{name} order by time") == before


async def test_a_partition_comes_back_into_a_renamed_schema(service: Service) -> None:
    before, after = f"{service.schema}_before", f"{service.schema}_after"
    try:
        service.execute(f"create schema {before}; {NATIVE.replace('$s', before)}")
        await service.publish(hypertable=f"{before}.readings", chunk=f"{before}.jan", remove=True)
        await service.work()
        assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 1
        service.execute(f"alter schema {before} rename to {after}")
        asked_for = RestoreRequest(
            Relation(after, "readings"), None, ChunkRange(None, None), RestoreWish(), str(uuid4()), "a test"
        )
        await service.runtime.restore_requests.request(asked_for)
        assert await service.restore() == []
        assert service.rows(f"select count(*) from {after}.jan") == [(31,)]
        assert await answer(service, f"select count(*) from {after}.readings") == [(ROWS,)]
    finally:
        service.execute(f"drop schema if exists {before} cascade; drop schema if exists {after} cascade")


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
