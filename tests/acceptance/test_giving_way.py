"""Who alters a table does not wait for an archive of it, and nobody waits behind them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from dev.lake_emulator import Fault
from tests.acceptance.altering import PATIENCE, altered, assert_archived, finished_parts, request, slow_lake, work
from tests.kit.queued_ddl import Application

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

TABLE = """
create table $s.readings (time timestamptz not null, value numeric(8, 2), note text) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
insert into $s.readings
select timestamptz '2026-01-01Z' + (i * 7919 % 8000) * interval '5 minutes', i / 100.0, 'reading ' || i
from generate_series(0, 7999) i;
insert into $s.readings select time + interval '1 month', value, note from $s.jan where value < 30;
insert into $s.readings select time + interval '2 months', value, note from $s.jan where value < 30;
"""
#: as strong as an ALTER TABLE, and changes nothing
LOCK = "begin; lock table $s.jan in access exclusive mode; commit"
ADD = "alter table $s.readings add more int"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_PART_BYTES", str(8 * 8192))
    monkeypatch.setenv("ARCHIVE_READERS", "2")
    # between the snapshots of shared parts there is room for an ALTER TABLE: test_shared_parts_changed
    monkeypatch.setenv("ARCHIVE_SHARED_PARTS", "1000000")


@pytest.fixture
def large_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARCHIVE_PART_BYTES")


@pytest.fixture
def jan(service: Service) -> str:
    return f"{service.schema}.jan"


async def begin(service: Service, *chunks: str) -> None:
    # while a transaction is open that began before, nobody could tell later whether rows have changed, and nothing is resumed
    [(written,)] = service.rows("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    while service.rows("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")[0][0] < written:
        await asyncio.sleep(0.05)
    await request(service, *chunks)


@pytest.mark.parametrize(
    "ddl",
    [
        ADD,
        "alter table $s.readings alter value type numeric(9, 3)",
        "truncate $s.jan",
        "begin; lock table $s.readings in access exclusive mode; update $s.jan set note = 'other' where value < 1; commit",
    ],
)
async def test_a_chunk_that_was_altered_meanwhile_is_archived_anew(service: Service, jan: str, ddl: str) -> None:
    service.execute(TABLE)
    await begin(service, jan)
    slow_lake(service, "part-00003.parquet")
    assert await altered(service, [jan], ddl) < PATIENCE
    assert await work(service) == [None]
    assert_archived(service, jan)


async def test_what_was_finished_stays_where_nothing_has_changed(service: Service, jan: str) -> None:
    service.execute(TABLE)
    await begin(service, jan)
    slow_lake(service, "part-00003.parquet")
    slow_lake(service, "part-00005.parquet")
    assert await altered(service, [jan], LOCK, finished=(0, 1, 2)) < PATIENCE
    finished = finished_parts(service)
    for number in finished:
        # would fail if the part were written again
        service.emulator.faults.append(Fault("PUT", f"2/part-{number:05d}", times=1000))
    assert await work(service) == [None]
    manifest = assert_archived(service, jan)
    assert {number: manifest["parts"][number] for number in finished} == finished


@pytest.mark.parametrize("ddl", ["alter table $s.readings detach partition $s.jan", "drop table $s.jan"])
async def test_a_chunk_that_goes_meanwhile(service: Service, jan: str, ddl: str) -> None:
    service.execute(TABLE)
    await begin(service, jan)
    slow_lake(service)
    assert await altered(service, [jan], ddl) < PATIENCE
    assert await work(service) == ["unknown-chunk"]
    assert service.files("tables") == []


async def test_whoever_works_through_all_chunks_waits_once(service: Service) -> None:
    service.execute(TABLE)
    chunks = [f"{service.schema}.{name}" for name in ("jan", "feb", "mar")]
    await begin(service, *chunks)
    slow_lake(service)
    assert await altered(service, chunks, ADD) < PATIENCE
    assert await work(service) == [None] * 3
    for chunk in chunks:
        assert_archived(service, chunk)


async def test_a_session_that_the_lake_keeps_waiting_is_ended(large_parts: None, service: Service, jan: str) -> None:
    """More rows than fit into buffers on the way: the server's process waits to send them, and hears of nothing but its end."""
    service.execute(TABLE)
    service.execute(
        "insert into $s.jan select time, value, md5(note || i) || md5(i || note) from $s.jan, generate_series(1, 10) i"
    )
    await begin(service, jan)
    slow_lake(service)
    assert await altered(service, [jan], ADD, sessions=2) < PATIENCE
    assert await work(service) == [None]
    assert_archived(service, jan)


async def test_who_waits_for_an_index_that_waits_for_the_snapshot(service: Service, jan: str) -> None:
    """CREATE INDEX CONCURRENTLY of another table waits for every older snapshot, and an ALTER of that table for the index."""
    service.execute(TABLE + "create table $s.other as select 1 as i")
    await begin(service, jan)
    slow_lake(service)
    archiving = asyncio.create_task(work(service))
    application = Application(service.url)
    await application.until_read(jan)
    other = f"{service.schema}.other"
    async with application.queued(f"create index concurrently on {other} (i)") as index:
        assert await application.alter(f"alter table {other} add more int", f"select count(*) from {other}") < PATIENCE
        await index
    assert await archiving == ["gave-way"]
    service.emulator.faults.clear()
