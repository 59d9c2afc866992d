"""A chunk of some sixty pages, and what is known of its parts in ledger and lake."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import psycopg

from archival_core.errors import ArchivalError
from dev.demo.comparison import compare
from dev.lake_emulator import Fault

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

#: about 60 pages of rows, in no order of time
TABLE = """
create table $s.readings (time timestamptz not null, value numeric(8, 2), note text) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
insert into $s.readings
select timestamptz '2026-01-01Z' + (i * 7919 % 8000) * interval '5 minutes', i / 100.0, 'reading ' || i
from generate_series(0, 7999) i;
"""


async def request(service: Service, table: str = TABLE) -> None:
    service.execute(table)
    # while a transaction is open that began before, nobody could tell later whether rows have changed, and nothing is resumed
    [(written,)] = service.rows("select max(xmin::text::bigint) from $s.jan")
    while service.rows("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")[0][0] <= written:
        await asyncio.sleep(0.05)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    await service.runtime.event_drain.drain()


async def work(service: Service) -> list[ArchivalError]:
    """One delivery of every waiting message; one that fails comes again."""
    errors = []
    for message in service.messages():
        try:
            await service.runtime.archival_processor.process(message)
        except ArchivalError as error:
            errors.append(error)
            await service.runtime.queue.send([message])
    return errors


def finished_parts(service: Service) -> dict[int, dict[str, Any]]:
    with psycopg.connect(service.url) as connection:
        query = "select number, part from archival.part p join archival.job j using (job_id) where j.hypertable like %s"
        return dict(connection.execute(query, (f"{service.schema}.%",)).fetchall())


async def interrupt(service: Service) -> dict[int, dict[str, Any]]:
    """Damage the fifth part in the lake, and return what was finished before."""
    service.emulator.faults.append(Fault("PATCH", "part-00004.parquet?action=append", "bit_rot", times=1000))
    [error] = await work(service)
    assert error.code == "read-back-differs"
    service.emulator.faults.clear()
    finished = finished_parts(service)
    assert 0 < len(finished) < 8
    return finished


def assert_archived(service: Service) -> dict[str, Any]:
    [job] = service.jobs()
    assert (job["status"], job["error"]) == ("archived", None)
    folder = service.lake / job["lake_path"]
    with psycopg.connect(service.url, autocommit=True) as connection:
        assert compare(connection, f"{service.schema}.jan", folder).equal
    manifest: dict[str, Any] = json.loads((folder / "_manifest.json").read_text())
    assert sorted(file.name for file in folder.glob("*.parquet")) == [part["file"] for part in manifest["parts"]]
    assert sum(part["rows"] for part in manifest["parts"]) == manifest["rows"] == job["rows"]
    assert service.files("staging") == []
    assert finished_parts(service) == {}
    return manifest
