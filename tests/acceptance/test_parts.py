"""A chunk in parts: together they are the chunk, and an interrupted archive goes on instead of starting over."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from archival_core.errors import ArchivalError
from archival_core.flows.archive import part_archiver
from archival_core.source.wire.extract import read_batches
from dev.lake_emulator import Fault
from tests.acceptance.conftest import no_marks
from tests.acceptance.parts import assert_archived, interrupt, request, work

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_PART_BYTES", str(8 * 8192))
    # one worker reads them in one snapshot
    monkeypatch.setenv("ARCHIVE_SHARED_PARTS", "1000000")


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_TIME_BUDGET", "PT0S")


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
