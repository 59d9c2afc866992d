"""Who alters a table does not wait for the service, and nobody waits behind them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from archival_core.errors import ArchivalError
from dev.demo.comparison import compare
from dev.lake_emulator import Fault
from tests.kit.queued_ddl import Application

if TYPE_CHECKING:
    from conftest import Service

#: what an application's SELECT may wait behind an ALTER TABLE, in seconds
PATIENCE = 4.0

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


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_PART_BYTES", str(8 * 8192))
    monkeypatch.setenv("ARCHIVE_READERS", "2")


@pytest.fixture
def large_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARCHIVE_PART_BYTES")


async def request(service: Service, table: str, *chunks: str) -> None:
    service.execute(table)
    # while a transaction is open that began before, nobody could tell later whether rows have changed, and nothing is resumed
    [(written,)] = service.rows("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    while service.rows("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")[0][0] < written:
        await asyncio.sleep(0.05)
    for chunk in chunks:
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}")
    await service.runtime.event_drain.run()


async def work(service: Service) -> list[str]:
    """One delivery of every waiting message, side by side; one that fails comes again."""

    async def deliver(message: Any) -> list[str]:
        try:
            await service.runtime.archival_processor.process(message)
        except ArchivalError as error:
            await service.runtime.queue.send([message])
            return [error.code]
        return []

    return [code for codes in await asyncio.gather(*map(deliver, service.messages())) for code in codes]


def slow_lake(service: Service, file: str = ".parquet") -> None:
    """From now on a block of such a file takes longer than anybody waits here."""
    service.emulator.faults.append(Fault("PATCH", f"{file}?action=append", "delay", seconds=60, times=1000))


async def altered_while_archived(service: Service, chunk: str, ddl: str, finished: Collection[int] = ()) -> float:
    """Archive until parts are finished, alter, and let the lake be; returns how long a SELECT behind the ALTER waited."""
    archiving = asyncio.create_task(work(service))
    application = Application(service.url)
    await application.until_read(f"{service.schema}.{chunk}")
    while not finished_parts(service).keys() >= set(finished):
        await asyncio.sleep(0.05)
    waited = await application.alter(ddl.replace("$s", service.schema), f"select count(*) from {service.schema}.readings")
    assert await asyncio.wait_for(archiving, 5) == ["gave-way"]
    service.emulator.faults.clear()
    return waited.select


def finished_parts(service: Service) -> dict[int, dict[str, Any]]:
    return dict(
        service.rows(
            "select number, part from archival.part p join archival.job j using (job_id) where j.hypertable like '$s.%'"
        )
    )


def assert_archived(service: Service, chunk: str = "jan") -> dict[str, Any]:
    [job] = [job for job in service.jobs() if job["chunk"] == f"{service.schema}.{chunk}"]
    assert (job["status"], job["error"]) == ("archived", None)
    folder = service.lake / job["lake_path"]
    with psycopg.connect(service.url, autocommit=True) as connection:
        assert compare(connection, f"{service.schema}.{chunk}", folder).equal
    manifest: dict[str, Any] = json.loads((folder / "_manifest.json").read_text())
    assert sorted(file.name for file in folder.glob("*.parquet")) == [part["file"] for part in manifest["parts"]]
    assert service.files("staging") == []
    return manifest


@pytest.mark.parametrize(
    "ddl",
    [
        "alter table $s.readings add more int",
        "alter table $s.readings alter value type numeric(9, 3)",
        "truncate $s.jan",
        "vacuum full $s.jan",
        "begin; lock table $s.readings in access exclusive mode; update $s.jan set note = 'other' where value < 1; commit",
    ],
)
async def test_a_chunk_that_was_altered_meanwhile_is_archived_anew(service: Service, ddl: str) -> None:
    await request(service, TABLE, "jan")
    slow_lake(service, "part-00003.parquet")
    assert await altered_while_archived(service, "jan", ddl) < PATIENCE
    assert await work(service) == []
    assert_archived(service)


async def test_what_was_finished_stays_where_nothing_has_changed(service: Service) -> None:
    await request(service, TABLE, "jan")
    slow_lake(service, "part-00003.parquet")
    slow_lake(service, "part-00005.parquet")
    assert await altered_while_archived(service, "jan", LOCK, finished=(0, 1, 2)) < PATIENCE
    finished = finished_parts(service)
    for number in finished:
        # would fail if the part were written again
        service.emulator.faults.append(Fault("PUT", f"2/part-{number:05d}", times=1000))
    assert await work(service) == []
    manifest = assert_archived(service)
    assert {number: manifest["parts"][number] for number in finished} == finished


@pytest.mark.parametrize("ddl", ["alter table $s.readings detach partition $s.jan", "drop table $s.jan"])
async def test_a_chunk_that_goes_meanwhile(service: Service, ddl: str) -> None:
    await request(service, TABLE, "jan")
    slow_lake(service)
    assert await altered_while_archived(service, "jan", ddl) < PATIENCE
    assert await work(service) == []
    [job] = service.jobs()
    assert (job["status"], job["error"]["code"]) == ("failed", "unknown-chunk")
    assert service.files("tables") == []


async def test_whoever_works_through_all_chunks_waits_once(service: Service) -> None:
    chunks = ("jan", "feb", "mar")
    await request(service, TABLE, *chunks)
    slow_lake(service)
    archiving = asyncio.create_task(work(service))
    application = Application(service.url)
    for chunk in chunks:
        await application.until_read(f"{service.schema}.{chunk}")
    waited = await application.alter(
        f"alter table {service.schema}.readings add more int", f"select count(*) from {service.schema}.readings"
    )
    assert waited.select < PATIENCE
    assert await archiving == ["gave-way"] * 3
    service.emulator.faults.clear()
    assert await work(service) == []
    for chunk in chunks:
        assert_archived(service, chunk)


async def test_a_session_that_the_lake_keeps_waiting_is_ended(large_parts: None, service: Service) -> None:
    """More rows than fit into buffers on the way: the server's process waits to send them, and hears of nothing but its end."""
    await request(
        service,
        TABLE + "insert into $s.jan select time, value, md5(note || i) || md5(i || note) from $s.jan, generate_series(1, 10) i",
        "jan",
    )
    slow_lake(service)
    archiving = asyncio.create_task(work(service))
    application = Application(service.url)
    await application.until_read(f"{service.schema}.jan", 2)
    select = f"select count(*) from {service.schema}.readings"
    waited = await application.alter(f"alter table {service.schema}.readings add more int", select)
    assert waited.select < PATIENCE
    assert await asyncio.wait_for(archiving, 5) == ["gave-way"]
    service.emulator.faults.clear()
    assert await work(service) == []
    assert_archived(service)


async def test_who_waits_for_an_index_that_waits_for_the_snapshot(service: Service) -> None:
    """CREATE INDEX CONCURRENTLY of another table waits for every older snapshot, and an ALTER of that table for the index."""
    await request(service, TABLE + "create table $s.other as select 1 as i", "jan")
    slow_lake(service)
    archiving = asyncio.create_task(work(service))
    application = Application(service.url)
    await application.until_read(f"{service.schema}.jan")
    other = f"{service.schema}.other"
    async with application.queued(f"create index concurrently on {other} (i)") as index:
        waited = await application.alter(f"alter table {other} add more int", f"select count(*) from {other}")
        await index
    assert waited.select < PATIENCE
    assert await archiving == ["gave-way"]
    service.emulator.faults.clear()
