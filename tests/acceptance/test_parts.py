"""A chunk in parts: together they are the chunk, and an interrupted archive goes on instead of starting over."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pytest

from archival_core.errors import ArchivalError
from archival_core.flows.archive import part_archiver
from archival_core.source.wire.extract import read_batches
from dev.demo.comparison import compare
from dev.lake_emulator import Fault
from tests.acceptance.conftest import no_marks

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


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_PART_BYTES", str(8 * 8192))


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_TIME_BUDGET", "PT0S")


async def request(service: Service) -> None:
    service.execute(TABLE)
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


async def interrupt(service: Service) -> dict[int, dict[str, Any]]:
    """Damage the fifth part in the lake, and return what was finished before."""
    service.emulator.faults.append(Fault("PATCH", "part-00004.parquet?action=append", "bit_rot", times=1000))
    [error] = await work(service)
    assert error.code == "read-back-differs"
    service.emulator.faults.clear()
    finished = finished_parts(service)
    assert 0 < len(finished) < 8
    return finished


async def test_parts_together_are_the_chunk(service: Service) -> None:
    await request(service)
    assert await work(service) == []
    manifest = assert_archived(service)
    assert len(manifest["parts"]) >= 8
    assert len({part["digests"]["note"] for part in manifest["parts"]}) == len(manifest["parts"])


@pytest.mark.parametrize("rows", [slice(1, None), [0, *range(8000)], [1, *range(1, 8000)]], ids=["fewer", "more", "as many"])
async def test_parts_that_are_not_what_the_database_counted(
    service: Service, monkeypatch: pytest.MonkeyPatch, rows: slice | list[int]
) -> None:
    """The first row of the chunk, the earliest, is left out, or comes twice, or another takes its place."""

    def wrong(*args: Any, **kwargs: Any) -> Iterator[pa.RecordBatch]:
        for batch in read_batches(*args, **kwargs):
            if batch.column("note")[0].as_py() != "reading 0":
                yield batch
            elif isinstance(rows, slice):
                yield batch.slice(1)
            else:
                yield batch.take(pa.array([row for row in rows if row < batch.num_rows]))

    monkeypatch.setattr(part_archiver, "read_batches", wrong)
    await request(service)
    [error] = await work(service)
    assert error.code == "count-differs"
    assert service.files("tables") == []


async def test_an_interrupted_archive_goes_on(service: Service) -> None:
    await request(service)
    finished = await interrupt(service)
    for number in finished:
        # would fail if the part were written again
        service.emulator.faults.append(Fault("PUT", f"2/part-{number:05d}", times=1000))
    assert await work(service) == []
    manifest = assert_archived(service)
    assert {number: manifest["parts"][number] for number in finished} == finished


@pytest.mark.parametrize(
    "change",
    [
        "insert into $s.readings values ('2026-01-15Z', 1, 'late')",
        "update $s.readings set note = 'changed' where value = 79.99",
        "delete from $s.readings where value < 0.05",
        "delete from $s.readings where value < 1; vacuum full $s.jan",
        "alter table $s.readings add column more int default 7",
    ],
)
async def test_a_chunk_that_has_changed_is_read_again(service: Service, change: str) -> None:
    await request(service)
    await interrupt(service)
    for statement in change.split(";"):
        service.execute(statement)
    assert await work(service) == []
    assert_archived(service)


async def test_rows_that_have_moved_are_not_read_by_their_old_pages(service: Service) -> None:
    await request(service)
    await interrupt(service)
    service.execute("create index by_time on $s.jan (time)")
    service.execute("cluster $s.jan using by_time")
    assert await work(service) == []
    assert_archived(service)


async def test_a_lost_staging_folder_is_read_again(service: Service) -> None:
    await request(service)
    await interrupt(service)
    shutil.rmtree(service.lake / "staging")
    assert await work(service) == []
    assert_archived(service)


async def test_a_run_whose_time_is_over_leaves_the_rest_to_the_next(no_time: None, service: Service) -> None:
    await request(service)
    runs = 0
    while service.jobs()[0]["status"] != "archived":
        assert await work(service) == []
        runs += 1
    assert runs >= 4
    assert_archived(service)
    assert service.jobs()[0]["attempt"] == runs
    assert [result["type"] for result in await service.results()] == ["archival.chunk.archived"]


async def test_a_value_that_fits_no_form_in_the_last_part(service: Service) -> None:
    await request(service)
    service.execute("insert into $s.readings values ('2026-01-31Z', 'NaN', 'not a number')")
    assert await work(service) == []
    manifest = assert_archived(service)
    assert [column["arrow_type"] for column in manifest["columns"]][1] == "decimal128(8, 2)"
    assert [part["exact"] for part in manifest["parts"]][-1] == {"value": 1}


async def test_what_cannot_be_cleared_is_never_published(service: Service) -> None:
    # parts of before a change are written already; their files must not end up beside the new ones
    await request(service)
    await interrupt(service)
    service.execute("insert into $s.readings values ('2026-01-31Z', 1, 'late')")
    service.emulator.faults.append(Fault("DELETE", "staging", status=403, code="AuthorizationFailure", times=1000))
    assert await work(service) == []
    [job] = service.jobs()
    assert (job["status"], job["error"]["code"]) == ("queued", "lake-forbidden")
    assert service.files("tables") == []
    service.emulator.faults.clear()
    assert await work(service) == []
    assert_archived(service)


async def test_an_attempt_that_was_overtaken_cannot_publish(service: Service) -> None:
    await request(service)
    [message] = service.messages()
    ledger, archiver = service.runtime.ledger, service.runtime.chunk_archiver
    first = await ledger.take_lease(message.job_id, timedelta(seconds=3))
    assert first is not None
    manifest = await archiver.archive(first)  # published, and then it is paused
    assert manifest is not None
    service.execute("update archival.job set lease_until = now() - interval '1 second' where hypertable like '$s.%'")
    await service.runtime.archival_processor.process(message)
    with pytest.raises(ArchivalError) as caught:
        await ledger.finish_archive(first, manifest, no_marks)
    assert caught.value.code == "lost-lease"
    assert_archived(service)
