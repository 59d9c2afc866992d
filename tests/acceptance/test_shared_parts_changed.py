"""A chunk that changes while several instances read its parts: what they have read is one moment, or read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from archival_core.flows.archive.part_archiver import PartArchiver
from tests.acceptance.altering import PATIENCE, altered, slow_lake
from tests.acceptance.parts import TABLE, assert_archived, finished_parts, interrupt, request, work
from tests.acceptance.shared_parts import Readings, one_reader, readings, small_parts
from tests.kit.timescaledb import is_community

__all__ = ["one_reader", "readings", "small_parts"]

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.usefixtures("small_parts")
#: rows of one size each, so that another order of them fills the pages as before
EVEN = """
create table $s.readings (time timestamptz not null, value int, note int) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
insert into $s.readings
select timestamptz '2026-01-01Z' + (i * 7919 % 8000) * interval '5 minutes', i, i * 3 from generate_series(0, 7999) i;
create index by_time on $s.jan (time)
"""


@pytest.mark.usefixtures("one_reader")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            # as many rows as before, of which five would be archived twice, and five others never
            "begin; update $s.readings set note = note where value < 0.05; delete from $s.readings"
            " where value between 40 and 40.04; commit",
            id="rows move behind, and others go",
        ),
        pytest.param(
            "begin; update $s.readings set note = 'changed' where value in (0.01, 79.98); commit",
            id="one change of two parts",
        ),
        pytest.param("delete from $s.readings where value between 40 and 40.04", id="rows go"),
        pytest.param("insert into $s.readings values ('2026-01-15Z', 1, 'late')", id="a row comes"),
        pytest.param("alter table $s.readings add column more int default 7", id="a column comes"),
        pytest.param("alter table $s.readings alter column value type numeric(9, 2)", id="a column has another type"),
        pytest.param("delete from archival_marks.reading", id="the server was put back"),
    ],
)
async def test_a_chunk_that_changes_meanwhile_is_read_in_one_snapshot(
    service: Service, readings: Readings, change: str
) -> None:
    await request(service)
    readings.once(lambda: service.execute(change))
    # the first run finds out, and the next one reads alone
    assert await work(service) == []
    [job] = service.jobs()
    assert (job["status"], job["reads_alone"], finished_parts(service)) == ("queued", True, {})
    readings.seen.clear()
    assert await work(service) == []
    assert readings.snapshots == 1
    assert_archived(service)


@pytest.mark.usefixtures("one_reader")
async def test_rows_that_another_order_has_moved(service: Service, readings: Readings) -> None:
    """They are as old as before, and as many, in a file of their own."""
    await request(service, EVEN)
    readings.once(lambda: service.execute("cluster $s.jan using by_time"))
    assert await work(service) == []
    assert service.jobs()[0]["reads_alone"] is True
    assert await work(service) == []
    assert_archived(service)


async def test_a_chunk_that_is_always_written_to(service: Service, readings: Readings) -> None:
    async def written(_: PartArchiver, number: int) -> None:
        service.execute(f"update $s.readings set note = 'changed {number}' where value < 0.05")

    readings.before = written
    await request(service)
    for _ in range(2):
        assert await work(service) == []
    [job] = service.jobs()
    assert (job["status"], job["attempt"], job["rows"]) == ("archived", 2, 8000)


async def test_what_was_open_at_the_first_snapshot_and_commits_later(service: Service, readings: Readings) -> None:
    await request(service)
    with psycopg.connect(service.url) as writer:
        writer.execute(f"insert into {service.schema}.readings values ('2026-01-15Z', 1, 'late')".encode())
        readings.once(writer.commit)
        assert await work(service) == []
    assert service.jobs()[0]["reads_alone"] is True
    assert await work(service) == []
    assert_archived(service)


@pytest.mark.parametrize("change", ["", "update $s.readings set note = 'changed' where value = 79.99"], ids=["same", "changed"])
async def test_an_interrupted_archive_goes_on(service: Service, readings: Readings, change: str) -> None:
    await request(service)
    finished = await interrupt(service)
    if change:
        service.execute(change)
    readings.seen.clear()
    assert await work(service) == []
    manifest = assert_archived(service)
    assert len(readings.seen) == len(manifest["parts"]) - (0 if change else len(finished))


async def test_who_alters_the_table_waits_for_no_part(service: Service) -> None:
    await request(service)
    slow_lake(service, "part-00003.parquet")
    slow_lake(service, "part-00005.parquet")
    chunk, ddl = f"{service.schema}.jan", "begin; lock table $s.jan in access exclusive mode; commit"
    assert await altered(service, [chunk], ddl, sessions=2, finished=(0, 1, 2)) < PATIENCE
    finished = finished_parts(service)
    assert await work(service) == []
    manifest = assert_archived(service)
    assert {number: manifest["parts"][number] for number in finished} == finished


@pytest.mark.timescaledb
@pytest.mark.usefixtures("one_reader")
async def test_compression_meanwhile(timescaledb_service: Service, readings: Readings) -> None:
    service = timescaledb_service
    if not is_community(service):
        pytest.skip("compression is not in the Apache edition")
    service.execute("create table $s.readings (time timestamptz not null, value numeric(8, 2), note text)")
    service.rows("select create_hypertable('$s.readings', 'time', chunk_time_interval => interval '30 days')::text")
    service.execute(TABLE.partition("insert")[1] + TABLE.partition("insert")[2])
    service.execute("alter table $s.readings set (timescaledb.compress)")
    [(chunk,)] = service.rows(
        "select min(chunk_schema || '.' || chunk_name) from timescaledb_information.chunks where hypertable_schema = '$s'"
    )
    await service.publish(hypertable=f"{service.schema}.readings", chunk=chunk)
    await service.runtime.event_drain.drain()
    readings.once(lambda: service.rows(f"select compress_chunk('{chunk}')::text"))
    for _ in range(2):
        assert await work(service) == []
    [job] = service.jobs()
    assert job["status"] == "archived"
    [(rows,)] = service.rows(f"select count(*) from {chunk}")
    assert job["rows"] == rows
