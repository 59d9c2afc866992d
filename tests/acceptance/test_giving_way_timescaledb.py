"""Who alters, compresses or drops chunks of a real TimescaleDB does not wait for the service, and nobody waits behind them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from archival_core.errors import ArchivalError
from dev.demo.comparison import compare
from dev.lake_emulator import Fault
from tests.kit.queued_ddl import Application

if TYPE_CHECKING:
    from conftest import Service

pytestmark = pytest.mark.timescaledb

#: what an application's SELECT may wait, in seconds
PATIENCE = 4.0

TABLE = """
create table $s.readings (time timestamptz not null, device int, value double precision, note text);
select create_hypertable('$s.readings', 'time', chunk_time_interval => interval '1 day');
insert into $s.readings
select timestamptz '2026-01-01Z' + i * interval '1 minute', i % 4, random(), 'note ' || i from generate_series(0, 4319) i;
"""
COMPRESSION = "alter table $s.readings set (timescaledb.compress, timescaledb.compress_segmentby = 'device')"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_PART_BYTES", str(4 * 8192))
    monkeypatch.setenv("ARCHIVE_READERS", "2")


def is_community(service: Service) -> bool:
    return service.rows("show timescaledb.license") == [("timescale",)]


def chunks(service: Service) -> list[str]:
    query = (
        "select chunk_schema || '.' || chunk_name from timescaledb_information.chunks where hypertable_schema = '$s'"
        " order by range_start"
    )
    return [name for (name,) in service.rows(query)]


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


async def altered_while_archived(service: Service, archived: list[str], ddl: str) -> float:
    for chunk in archived:
        await service.publish(hypertable=f"{service.schema}.readings", chunk=chunk)
    await service.runtime.event_drain.run()
    service.emulator.faults.append(Fault("PATCH", ".parquet?action=append", "delay", seconds=60, times=1000))
    archiving = asyncio.create_task(work(service))
    application = Application(service.url)
    for chunk in archived:
        await application.until_read(chunk)
    waited = await application.alter(ddl.replace("$s", service.schema), f"select count(*) from {service.schema}.readings")
    assert await asyncio.wait_for(archiving, 5) == ["gave-way"] * len(archived)
    service.emulator.faults.clear()
    return waited.select


def assert_archived(service: Service, archived: list[str]) -> None:
    jobs = {job["chunk"]: job for job in service.jobs()}
    for chunk in archived:
        assert (jobs[chunk]["status"], jobs[chunk]["error"]) == ("archived", None)
        with psycopg.connect(service.url, autocommit=True) as connection:
            assert compare(connection, chunk, service.lake / jobs[chunk]["lake_path"]).equal


async def test_an_alter_table(timescaledb_service: Service) -> None:
    service = timescaledb_service
    service.execute(TABLE)
    archived = chunks(service)
    assert await altered_while_archived(service, archived, "alter table $s.readings add more int") < PATIENCE
    assert await work(service) == []
    assert_archived(service, archived)


@pytest.mark.parametrize("was_compressed", [False, True], ids=["compress", "decompress"])
async def test_compression(timescaledb_service: Service, was_compressed: bool) -> None:
    service = timescaledb_service
    if not is_community(service):
        pytest.skip("compression is not in the Apache edition")
    service.execute(TABLE)
    service.execute(COMPRESSION)
    first, *_ = chunks(service)
    if was_compressed:
        service.rows(f"select compress_chunk('{first}')::text")
    ddl = f"select {'de' if was_compressed else ''}compress_chunk('{first}')"
    assert await altered_while_archived(service, [first], ddl) < PATIENCE
    assert await work(service) == []
    assert_archived(service, [first])


async def test_drop_chunks(timescaledb_service: Service) -> None:
    service = timescaledb_service
    service.execute(TABLE)
    archived = chunks(service)
    assert await altered_while_archived(service, archived, "select drop_chunks('$s.readings', interval '1 day')") < PATIENCE
    assert await work(service) == []
    assert chunks(service) == []
    assert {(job["status"], job["error"]["code"]) for job in service.jobs()} == {("failed", "unknown-chunk")}


async def test_truncate(timescaledb_service: Service) -> None:
    service = timescaledb_service
    service.execute(TABLE)
    archived = chunks(service)
    assert await altered_while_archived(service, archived, "truncate $s.readings") < PATIENCE
    await work(service)
    assert service.files("tables") == []
