"""What is published is the job's own, complete, and takes nothing's place before its time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archival_core.errors import ArchivalError, LostLeaseError, TransientError
from archival_core.flows.archive.staging import Staging
from archival_core.flows.asking.archive_requests import ArchiveWish
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.jobs.adding import NewJob
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.message import JobMessage
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from dev.lake_emulator import Fault
from tests.kit.log_records import events

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

TABLE = """
create table $s.readings (time timestamptz not null, value integer) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
insert into $s.readings select t, 1 from generate_series(timestamptz '2026-01-01Z', '2026-01-31Z', '1 hour') t;
"""
MINUTE = timedelta(minutes=1)
LATE = "insert into $s.readings values ('2026-01-15Z', 2)"


async def asked(service: Service) -> JobMessage:
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    await service.runtime.event_drain.drain()
    [message] = service.messages()
    return message


def once(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, first: Callable[[], Awaitable[None]]) -> None:
    """`first` happens just before the next call of a method, and that goes on as always."""
    method, waiting = getattr(owner, name), [first]

    async def call(*args: Any, **kwargs: Any) -> Any:
        while waiting:
            await waiting.pop()()
        return await method(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)


def revision(service: Service, number: int) -> Path:
    return service.lake / "tables" / f"{service.schema}.readings" / f"{service.schema}.jan_r{number}"


async def test_a_file_that_the_job_has_not_written_is_not_published(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(TABLE)
    message = await asked(service)
    strange: list[Path] = []

    async def plant() -> None:
        [part] = (service.lake / "staging").rglob("*.parquet")
        strange.append(part.with_name("part-00001.parquet"))
        strange[0].write_bytes(part.read_bytes())

    once(monkeypatch, Ledger, "add_part", plant)
    with pytest.raises(ArchivalError) as caught:
        await service.runtime.archival_processor.process(message)
    assert caught.value.code == "staging-differs"
    assert service.files("tables") == []


async def test_a_job_that_is_cancelled_at_the_last_moment_publishes_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.execute(TABLE)
    message = await asked(service)

    async def cancel() -> None:
        await service.runtime.jobs.cancel(message.job_id, "test")

    once(monkeypatch, Ledger, "declare", cancel)
    with pytest.raises(LostLeaseError):
        await service.runtime.archival_processor.process(message)
    assert service.files("tables") == []


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_attempt_whose_folder_was_taken_over_publishes_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Its manifest is not written into a folder that is made anew, and would be published without parts."""
    service.execute(TABLE)
    message = await asked(service)

    async def take_over() -> None:
        [job] = service.jobs()
        [folder] = (service.lake / f"staging/{job['job_id']}").iterdir()
        folder.rename(folder.with_name("2-0123456789ab"))

    check_complete = Staging.check_complete

    async def check(*arguments: Any) -> None:
        if when == "before":
            await take_over()
        await check_complete(*arguments)
        await take_over()

    monkeypatch.setattr(Staging, "check_complete", check)
    with pytest.raises(ArchivalError) as caught:
        await service.runtime.archival_processor.process(message)
    assert caught.value.code == "staging-differs"
    assert service.files("tables") == []


async def test_what_another_attempt_has_published_is_the_archive(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(TABLE)
    message = await asked(service)
    ledger = service.runtime.ledger
    first = await ledger.take_lease(message.job_id, timedelta(0))
    assert first is not None

    async def overtake() -> None:
        await service.runtime.archival_processor.process(message)

    # after the first attempt has looked at its lease for the last time
    once(monkeypatch, LakehouseClient, "publish_directory", overtake)
    manifest = await service.runtime.chunk_archiver.archive(first)
    [job] = service.jobs()
    assert (job["status"], job["attempt"]) == ("archived", 2)
    assert manifest is not None
    assert (manifest.attempt, manifest.model_dump(mode="json")) == (2, job["manifest"])


async def test_an_archive_of_another_job_is_not_taken_over(service: Service) -> None:
    service.execute(TABLE)
    await service.runtime.archival_processor.process(await asked(service))
    before = {file: (service.lake / file).read_bytes() for file in service.files("tables")}
    # the ledger has lost it, and the chunk holds other rows now
    service.execute("delete from archival.job; update $s.readings set value = 3")
    await service.runtime.archival_processor.process(await asked(service))
    [job] = service.jobs()
    assert (job["status"], job["lake_path"]) == ("archived", str(revision(service, 1).relative_to(service.lake)))
    assert {file: (service.lake / file).read_bytes() for file in before} == before


async def test_what_a_worker_finds_in_its_place_is_not_its_own(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can write to the lake copies what the job has in staging to its place, and alters that."""
    service.execute(TABLE)
    message = await asked(service)

    async def forge() -> None:
        [written] = (service.lake / "staging").rglob("_manifest.json")
        shutil.copytree(written.parent, revision(service, 0))
        forged = revision(service, 0) / "_manifest.json"
        forged.write_text(json.dumps({**json.loads(written.read_text()), "rows": 1}))

    once(monkeypatch, LakehouseClient, "publish_directory", forge)
    with pytest.raises(TransientError) as caught:
        await service.runtime.archival_processor.process(message)
    assert caught.value.code == "lake-conflict"
    await service.runtime.archival_processor.process(message)
    [job] = service.jobs()
    assert (job["status"], job["rows"]) == ("archived", 721)
    assert job["lake_path"] == str(revision(service, 1).relative_to(service.lake))


def aside(service: Service, number: int) -> Path:
    return service.lake / "superseded" / f"{service.schema}.readings" / f"{service.schema}.jan_r{number}"


def everything(service: Service, *folders: str) -> dict[str, bytes]:
    found = [file for folder in folders for file in service.files(folder)]
    return {file: (service.lake / file).read_bytes() for file in found}


@pytest.mark.parametrize("what", ["a file", "a folder", "an archive put aside"])
async def test_what_lies_in_a_manifest_s_place_stops_no_job(
    service: Service, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever can write to the lake knows where a job will write. Nothing is overwritten, and the job takes another place."""
    service.execute(TABLE)
    for number in range(2):
        manifest = service.lake / "manifests" / f"{service.schema}.readings" / f"{service.schema}.jan_r{number}.json"
        planted = {"a file": manifest, "a folder": manifest / "x", "an archive put aside": aside(service, number) / "x"}[what]
        planted.parent.mkdir(parents=True, exist_ok=True)
        planted.write_text("planted")
    before = everything(service, "manifests", "superseded")
    await service.runtime.archival_processor.process(await asked(service))
    [job] = service.jobs()
    assert (job["status"], job["lake_path"]) == ("archived", str(revision(service, 2).relative_to(service.lake)))
    assert before.items() <= everything(service, "manifests", "superseded").items()
    assert events(caplog, "archival.revision.taken")
    assert (await service.runtime.reconciler.reconcile(MINUTE)).adoption.strays == {}


async def test_a_manifest_planted_behind_the_rename_stops_no_job(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(TABLE)
    message = await asked(service)
    planted = service.lake / "manifests" / f"{service.schema}.readings" / f"{service.schema}.jan_r0.json"

    async def plant() -> None:
        planted.parent.mkdir(parents=True)
        planted.write_text("planted")

    once(monkeypatch, LakehouseClient, "publish_directory", plant)
    with pytest.raises(TransientError) as caught:
        await service.runtime.archival_processor.process(message)
    assert caught.value.code == "lake-conflict"
    await service.runtime.archival_processor.process(message)
    [job] = service.jobs()
    assert (job["status"], job["lake_path"]) == ("archived", str(revision(service, 1).relative_to(service.lake)))
    assert planted.read_text() == "planted"
    # what the first attempt has published is reported, and stays
    assert list((await service.runtime.reconciler.reconcile(MINUTE)).adoption.strays) == [
        str(revision(service, 0).relative_to(service.lake))
    ]


async def test_what_lies_where_a_superseded_archive_goes_stops_no_job(service: Service) -> None:
    service.execute(TABLE)
    await service.runtime.archival_processor.process(await asked(service))
    planted = aside(service, 0) / "x"
    planted.parent.mkdir(parents=True)
    planted.write_text("planted")
    service.execute(LATE)
    wish = NewJob(Relation(service.schema, "readings"), Relation(service.schema, "jan"), None, "k", "x", None, force=True)
    [job] = await service.runtime.ledger.add_jobs([wish])
    await service.runtime.archival_processor.process(JobMessage(job.job_id))
    assert [job["status"] for job in service.jobs()] == ["superseded", "archived"]
    assert [result["type"].rpartition(".")[2] for result in await service.results()] == ["archived", "archived"]
    # the folder stays, and is reported
    report = await service.runtime.reconciler.reconcile(MINUTE)
    assert list(report.adoption.strays) == [str(revision(service, 0).relative_to(service.lake))]
    assert planted.read_text() == "planted"


async def test_no_revision_is_given_twice(service: Service) -> None:
    """Not even where the lake has lost what was there."""
    service.execute(TABLE)
    await service.runtime.archival_processor.process(await asked(service))
    shutil.rmtree(service.lake / "tables")
    shutil.rmtree(service.lake / "manifests")
    service.execute(LATE)
    wish = NewJob(Relation(service.schema, "readings"), Relation(service.schema, "jan"), None, "k", "x", None, force=True)
    [job] = await service.runtime.ledger.add_jobs([wish])
    await service.runtime.archival_processor.process(JobMessage(job.job_id))
    assert [job["revision"] for job in service.jobs()] == [0, 1]


async def test_a_table_swapped_between_look_and_snapshot_is_not_mixed_up(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.execute(TABLE)
    message = await asked(service)

    async def swap() -> None:
        service.execute(
            "alter table $s.readings detach partition $s.jan; alter table $s.jan rename to aside;"
            "create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');"
            f"{LATE}"
        )

    once(monkeypatch, ReadSnapshot, "__aenter__", swap)
    with pytest.raises(TransientError) as caught:
        await service.runtime.archival_processor.process(message)
    assert caught.value.code == "source-changed"
    await service.runtime.archival_processor.process(message)
    [job] = service.jobs()
    [(oid,)] = service.rows("select '$s.jan'::regclass::oid::bigint")
    assert (job["status"], job["rows"], job["manifest"]["relation_oid"]) == ("archived", 1, oid)


@pytest.mark.parametrize("refused", ["/tables/", "jan_r1"])
async def test_nothing_is_put_aside_or_announced_before_what_takes_its_place_is_published(
    service: Service, refused: str
) -> None:
    service.execute(TABLE)
    await service.runtime.archival_processor.process(await asked(service))
    service.execute(LATE)
    manifests = service.files("manifests")
    wish = ArchiveWish(Relation(service.schema, "readings"), Relation(service.schema, "jan"), force=True)
    await service.runtime.archive_requests.request(wish, "again", "test")
    [message] = service.messages()
    service.emulator.faults.append(Fault("PUT", refused, status=403, code="AuthorizationFailure", times=99))
    await service.runtime.archival_processor.process(message)
    assert revision(service, 0).is_dir()
    assert service.files("manifests") == manifests
    service.emulator.faults.clear()
    await service.runtime.archival_processor.process(message)
    assert (revision(service, 0).exists(), revision(service, 1).is_dir()) == (False, True)


async def test_what_a_later_attempt_has_in_staging_is_left_alone(service: Service) -> None:
    service.execute(TABLE)
    message = await asked(service)
    service.execute("update archival.job set attempt = 1")
    former, later = (service.lake / f"staging/{message.job_id}/{attempt}/part-00000.parquet" for attempt in (1, 3))
    for file in (former, later):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"of another worker")
    await service.runtime.archival_processor.process(message)
    assert [job["status"] for job in service.jobs()] == ["archived"]
    assert service.files("staging") == [str(later.relative_to(service.lake))]


async def test_an_encoder_that_changes_a_value_is_found_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(TABLE)
    message = await asked(service)
    write = pq.ParquetWriter.write_table

    def write_wrongly(writer: pq.ParquetWriter, table: pa.Table, **options: Any) -> None:
        values = table.column("value").to_pylist()
        changed = pa.array([values[0] + 1, *values[1:]], table.schema.field("value").type)
        write(writer, table.set_column(table.schema.get_field_index("value"), table.schema.field("value"), changed), **options)

    with monkeypatch.context() as patched:
        patched.setattr(pq.ParquetWriter, "write_table", write_wrongly)
        with pytest.raises(TransientError) as caught:
            await service.runtime.archival_processor.process(message)
    assert caught.value.code == "read-back-differs"
    assert service.files("tables") == []
    await service.runtime.archival_processor.process(message)
    assert [job["status"] for job in service.jobs()] == ["archived"]


@pytest.mark.parametrize("which", ["inner", "outer"])
async def test_a_manifest_that_was_altered_keeps_the_chunk(service: Service, which: str) -> None:
    service.execute(TABLE)
    await service.runtime.archival_processor.process(await asked(service))
    service.execute("update archival.job set remove = true, finished_at = now() - interval '2 days'")
    file = revision(service, 0) / "_manifest.json" if which == "inner" else service.lake / service.files("manifests")[0]
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps({**manifest, "snapshot": "1:1:"}))
    report = await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))
    assert report.removed == 0
    [job] = service.jobs()
    assert job["removal_error"]["code"] == "archive-damaged"
    file.write_text(json.dumps(manifest))
    service.execute("update archival.job set removal_tried_at = null")
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
