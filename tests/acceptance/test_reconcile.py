"""Reconcile: whatever a crash, a lost message or a lost event left undone is done, once."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pyarrow.dataset as ds
import pytest

from archival_core.errors import PermanentError
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.flows.upkeep.missing_tables.search import MissingTablesReport
from archival_core.flows.upkeep.reconcile import ReconcileReport
from archival_core.ledger.archives.published import Archives, Publisher
from archival_core.ledger.jobs.job_life import Ledger, NewJob
from archival_core.model.chunks.chunk import ChunkRange, Relation
from archival_core.model.jobs.job import Status
from archival_core.model.jobs.message import JobMessage
from archival_core.model.lake.manifest import Manifest
from dev.lake_emulator import Fault

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

MINUTE = timedelta(minutes=1)
DAY_SECONDS = 86_400
TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, random() from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') t;
"""


async def archive(service: Service, *chunks: str) -> None:
    for chunk in chunks:
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}")
    await service.work()


async def reconcile(service: Service) -> ReconcileReport:
    return await service.runtime.reconciler.reconcile(MINUTE)


def folder(service: Service, name: str) -> str:
    return f"tables/{service.schema}.readings/{service.schema}.{name}"


def published(service: Service) -> ds.Dataset:
    return ds.dataset(service.lake / "tables" / f"{service.schema}.readings")


def statuses(service: Service) -> list[str]:
    return [job["status"] for job in service.jobs()]


def as_if_crashed_after_the_rename(service: Service, status: str = "failed") -> dict[str, Any]:
    """The last job of January as it was when its worker died between publishing and everything after."""
    job = [job for job in service.jobs() if job["chunk"].endswith(".jan")][-1]
    (service.lake / f"manifests/{job['lake_path'].partition('/')[2]}.json").unlink()
    service.forge_ledger(
        f"update archival.job set status = '{status}', lake_path = null, manifest = null, rows = null, announced = true,"
        f" error = '{{}}' where job_id = '{job['job_id']}'"
    )
    return job


def age(path: Path, days: float) -> None:
    for found in (path, *path.rglob("*")):
        os.utime(found, (time.time() - days * DAY_SECONDS,) * 2)


async def test_a_healthy_service_needs_nothing(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb")
    before = (service.jobs(), service.files())
    assert (await reconcile(service)).is_empty
    assert (service.jobs(), service.files()) == before


@pytest.mark.parametrize("status", ["failed", "cancelled", "queued"])
async def test_a_published_archive_without_a_row_is_adopted(service: Service, status: str) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    before = as_if_crashed_after_the_rename(service, status)
    report = await reconcile(service)
    assert report.adoption.adopted == [folder(service, "jan_r0")]
    [after] = service.jobs()
    told_later = {"announced", "finished_at", "messaged_at"}
    assert {k: v for k, v in after.items() if k not in told_later} == {k: v for k, v in before.items() if k not in told_later}
    assert len(service.files("manifests")) == 1
    assert (await reconcile(service)).is_empty
    service.execute("update archival.job set finished_at = now() - interval '1 hour'")
    assert (await reconcile(service)).announced == 1
    assert [result["type"] for result in await service.results()] == ["archival.chunk.archived"] * 2
    assert (await reconcile(service)).is_empty


async def test_an_archive_whose_row_is_gone_gets_one(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    [before] = service.jobs()
    service.execute("delete from archival.job")
    assert (await reconcile(service)).adoption.adopted == [folder(service, "jan_r0")]
    [after] = service.jobs()
    same = ("job_id", "status", "manifest", "lake_path", "rows", "relation_oid", "revision", "range_end", "parquet_bytes")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert (await reconcile(service)).is_empty


async def test_a_row_that_is_gone_comes_back_as_removed_if_the_source_says_so(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    await remove(service)
    await archive(service, "feb")
    # nobody was asked before people dropped the other one: who can write to the lake could have made its archive up
    service.execute("delete from archival.job; drop table $s.feb")
    report = await reconcile(service)
    assert sorted((job["chunk"].rpartition(".")[2], job["status"]) for job in service.jobs()) == [
        ("feb", "archived"),
        ("jan", "removed"),
    ]
    assert (report.missing_tables.removed, report.missing_tables.undecided) == (0, 1)


async def test_an_archive_of_another_database_is_none_of_ours(service: Service) -> None:
    """Two databases share a lake, and have tables of the same names."""
    service.execute(TABLE)
    await archive(service, "jan")
    [job] = service.jobs()
    identity = job["manifest"]["source"]["system_identifier"]
    for manifest in (service.lake / job["lake_path"] / "_manifest.json", service.lake / service.files("manifests")[0]):
        manifest.write_text(manifest.read_text().replace(f'"{identity}"', '"7"'))
    service.execute("delete from archival.job")
    before = service.files()
    report = await reconcile(service)
    assert (report.adoption.adopted, service.jobs(), service.files()) == ([], [], before)
    assert "archived from another database" in report.adoption.strays[folder(service, "jan_r0")]
    # and no reason to skip
    await archive(service, "jan")
    assert service.jobs()[0]["status"] != "skipped", service.jobs()[0]["error"]


async def test_what_a_later_archive_holds_is_superseded(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    as_if_crashed_after_the_rename(service)
    await archive(service, "jan")
    assert statuses(service) == ["failed", "archived"]
    # both hold the chunk's rows: a reader of the lake would see them twice
    assert published(service).count_rows() == 2 * 744
    report = await reconcile(service)
    assert report.adoption.retired == [folder(service, "jan_r0")]
    assert statuses(service) == ["superseded", "archived"]
    assert published(service).count_rows() == 744
    assert len(service.files(f"superseded/{service.schema}.readings/{service.schema}.jan_r0")) == 2
    assert (await reconcile(service)).is_empty


async def test_an_adopted_archive_takes_the_place_of_the_one_before(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute("insert into $s.readings values ('2026-01-15Z', 1)")
    service.execute("update archival.job set remove = true, finished_at = now() - interval '2 days'")
    await service.runtime.chunk_removal.remove_due(MINUTE)
    await service.work()
    assert statuses(service) == ["superseded", "archived"]
    as_if_crashed_after_the_rename(service)
    shutil.move(
        service.lake / folder(service, "jan_r0").replace("tables", "superseded"), service.lake / folder(service, "jan_r0")
    )
    service.execute("update archival.job set status = 'archived' where status = 'superseded'")
    report = await reconcile(service)
    assert report.adoption.adopted == [folder(service, "jan_r1")]
    assert report.adoption.retired == [folder(service, "jan_r0")]
    assert statuses(service) == ["superseded", "archived"]
    assert published(service).count_rows() == 745
    # a crash after the row and before the move
    shutil.move(
        service.lake / folder(service, "jan_r0").replace("tables", "superseded"), service.lake / folder(service, "jan_r0")
    )
    assert (await reconcile(service)).adoption.retired == [folder(service, "jan_r0")]
    assert (await reconcile(service)).is_empty


async def published_by_a_worker_that_died(service: Service) -> JobMessage:
    """January changed and is archived again: that is published, and nothing comes after."""
    readings = Relation(service.schema, "readings")
    again = NewJob(readings, Relation(service.schema, "jan"), None, "again", "a test", None, force=True)
    [job] = await service.runtime.ledger.add_jobs([again])

    async def dead(*_: object) -> None:
        raise PermanentError("dead", code="dead")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "finish_archive", dead)
        await service.runtime.archival_processor.process(JobMessage(job.job_id))
    assert statuses(service) == ["archived", "failed"]
    return JobMessage(job.job_id)


async def remove(service: Service) -> None:
    service.execute("update archival.job set remove = true, finished_at = now() - interval '2 days' where status = 'archived'")
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 1


@pytest.mark.parametrize("found_by", ["reconcile", "another attempt", "rebuild_ledger"])
async def test_no_archive_inherits_a_removal(service: Service, found_by: str) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    message = await published_by_a_worker_that_died(service)
    await remove(service)
    if found_by == "reconcile":
        assert (await reconcile(service)).adoption.adopted == [folder(service, "jan_r1")]
    elif found_by == "another attempt":
        await service.runtime.dead_letters.retry(message.job_id)
        await service.runtime.archival_processor.process(message)
    else:
        service.execute("delete from archival.job")
        await service.runtime.ledger_rebuild.rebuild()
    await reconcile(service)
    assert [(job["status"], job["removed_at"] is not None) for job in service.jobs() if job["status"] != "superseded"] == [
        ("removed", True)
    ]
    assert published(service).count_rows() == 744
    assert len(service.files(f"superseded/{service.schema}.readings/{service.schema}.jan_r1")) == 2
    assert (await reconcile(service)).is_empty
    wish = RestoreRequest(Relation(service.schema, "readings"), None, ChunkRange(None, None), RestoreWish(), "k", "a test")
    await service.runtime.restore_requests.request(wish)
    assert await service.restore() == []
    assert service.rows("select count(*) from $s.jan") == [(744,)]


async def test_a_new_table_under_an_archived_name_is_archived(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute("drop table $s.jan")
    service.execute("create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z')")
    service.execute("insert into $s.readings values ('2026-01-15 00:30Z', 7)")
    assert (await reconcile(service)).missing_tables == MissingTablesReport(removed=1)
    [job] = service.jobs()
    assert (job["status"], job["removal_error"]["code"]) == ("removed", "was-gone")
    await archive(service, "jan")
    assert statuses(service) == ["removed", "archived"]
    assert published(service).count_rows() == 744 + 1
    assert (await reconcile(service)).is_empty


@pytest.mark.parametrize(
    "change",
    [
        "alter table $s.jan rename to january",
        "alter table $s.readings detach partition $s.jan",
        "vacuum full $s.jan",
        # a copy of the server
        "drop table $s.jan;update archival.job set manifest = jsonb_set(manifest, '{source,system_identifier}', '\"7\"')",
        # its rows are back, in another table
        "drop table $s.jan; update archival.job set restored_at = now()",
    ],
)
async def test_what_may_be_there_does_not_count_as_removed(service: Service, change: str) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    for statement in change.split(";"):
        service.execute(statement)
    assert (await reconcile(service)).missing_tables == MissingTablesReport()
    assert statuses(service) == ["archived"]


BOTH = "create table $s.both partition of $s.readings for values from ('2026-01-01Z') to ('2026-03-01Z')"


@pytest.mark.parametrize(
    ("kept", "found", "status"),
    [
        ("", MissingTablesReport(removed=1), "removed"),
        # the archive is the only one until the table that has the rows now is archived
        ("where time < '2026-02-01Z'", MissingTablesReport(), "archived"),
        ("where time < '2026-01-20Z'", MissingTablesReport(undecided=1), "archived"),
    ],
)
async def test_a_table_that_is_gone_is_not_rows_that_are_gone(
    service: Service, kept: str, found: MissingTablesReport, status: str
) -> None:
    """Merged natively: whether the archive still stands for anything is for the rows to say."""
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute("create table $s.aside as table $s.readings; drop table $s.jan, $s.feb")
    service.execute(BOTH)
    if kept:
        service.execute(f"insert into $s.readings select * from $s.aside {kept}")
    assert (await reconcile(service)).missing_tables == found
    assert statuses(service) == [status]
    if status == "archived" and found == MissingTablesReport():
        await archive(service, "both")
        assert (await reconcile(service)).missing_tables == MissingTablesReport(reshaped=1)
        assert statuses(service) == ["superseded", "archived"]
        assert published(service).count_rows() == 744


async def test_a_merged_chunk_is_not_gone(timescaledb_service: Service) -> None:
    service = timescaledb_service
    service.execute(
        "create table $s.readings (time timestamptz not null, value double precision);"
        "select create_hypertable('$s.readings', 'time', chunk_time_interval => interval '7 days');"
        "insert into $s.readings select t, 1 from generate_series(timestamptz '2026-01-01Z', '2026-01-31Z', '1 hour') t"
    )
    await service.publish(hypertable=f"{service.schema}.readings", older_than="2026-03-01T00:00:00Z")
    await service.work()
    first, second, third = service.rows(
        "select format('%I.%I', chunk_schema, chunk_name) from timescaledb_information.chunks"
        " where hypertable_schema = '$s' order by range_start limit 3"
    )
    try:
        service.execute(f"call merge_chunks('{first[0]}', '{second[0]}')")
    except psycopg.Error:
        pytest.skip("merging is not in this edition")
    service.execute(f"drop table {third[0]}")
    await service.runtime.reconciler._missing_tables.decide(time.monotonic() + 60)
    assert {job["chunk"]: job["status"] for job in service.jobs()[:3] if job["status"] == "removed"} == {third[0]: "removed"}


async def test_what_a_worker_is_at_is_left_alone(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    as_if_crashed_after_the_rename(service, "running")
    assert (await reconcile(service)).adoption.adopted == []
    service.execute("update archival.job set status = 'failed'")
    # another job of the chunk decides what becomes of it
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    await service.runtime.event_drain.drain()
    assert (await reconcile(service)).adoption.adopted == []
    assert statuses(service) == ["failed", "queued"]
    assert service.files("manifests") == []


async def test_what_is_no_archive_is_reported_and_stays(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb")
    as_if_crashed_after_the_rename(service)
    [damaged] = [name for name in service.files("tables") if "jan" in name and name.endswith(".parquet")]
    with (service.lake / damaged).open("ab") as file:
        file.write(b"more")
    strange = service.lake / f"tables/{service.schema}.readings/strange"
    strange.mkdir()
    (strange / "_manifest.json").write_text('{"version": 1}')
    copy = service.lake / folder(service, "copy_r0")
    shutil.copytree(service.lake / folder(service, "feb_r0"), copy)
    (service.lake / "tables/loose.txt").write_text("x")
    before = service.files()
    for _ in range(2):
        report = await reconcile(service)
        assert sorted(report.adoption.strays) == sorted(
            [
                f"tables/{service.schema}.readings/strange",
                folder(service, "jan_r0"),
                folder(service, "copy_r0"),
                "tables/loose.txt",
            ]
        )
        assert "instead of" in report.adoption.strays[folder(service, "jan_r0")]
        # the archive that the copy was made of is as it was
        assert report.adoption.strays[folder(service, "copy_r0")].startswith("its manifest is that of ")
        assert report.adoption.adopted == []
    assert service.files() == before
    assert len(service.rows("select * from archival.stray")) == 4
    shutil.rmtree(strange)
    await reconcile(service)
    assert len(service.rows("select * from archival.stray")) == 3


async def test_a_lost_message_is_sent_again_and_a_backlog_is_not(service: Service) -> None:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", older_than="2026-03-01T00:00:00Z")
    await service.runtime.event_drain.drain()
    service.execute("update archival.job set messaged_at = now() - interval '1 day', requested_at = now() - interval '1 day'")
    # a day in the queue, and nothing amiss
    assert (await reconcile(service)).messages == 0
    lost = service.queue.receive_message()
    assert lost is not None
    service.queue.delete_message(lost)
    # which of the two is lost cannot be seen: the turn of the other comes with the next run that misses a message
    assert (await reconcile(service)).messages == 1
    sent = {message.job_id for message in service.messages()}
    assert (await reconcile(service)).messages == 1
    sent |= {message.job_id for message in service.messages()}
    assert sent == {job["job_id"] for job in service.jobs()}
    # both were just sent, so both are given time
    assert (await reconcile(service)).messages == 0


async def test_a_job_that_was_never_sent_and_one_whose_worker_died(service: Service) -> None:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", older_than="2026-03-01T00:00:00Z")
    await service.runtime.event_drain.drain()
    service.messages()
    service.execute(
        "update archival.job set requested_at = now() - interval '1 day', messaged_at = null where chunk like '%jan';"
        "update archival.job set status = 'running', attempt = 1, lease_until = now() - interval '1 minute',"
        " messaged_at = now() - interval '1 day' where chunk like '%feb'"
    )
    first, second = await asyncio.gather(reconcile(service), reconcile(service))
    assert 2 <= first.messages + second.messages <= 4  # a duplicate is harmless
    messages = service.messages()
    assert {message.job_id for message in messages} == {job["job_id"] for job in service.jobs()}
    assert (await reconcile(service)).messages == 0
    for message in messages:
        await service.runtime.archival_processor.process(message)
    assert statuses(service) == ["archived", "archived"]
    assert (await reconcile(service)).is_empty


async def test_ten_thousand_waiting_jobs_get_no_duplicates(service: Service) -> None:
    await service.runtime.ledger.ping()
    service.execute(
        "insert into archival.job (kind, hypertable, chunk, status, request_key, requested_by, requested_at, messaged_at)"
        " select 'archive', '$s.readings', '$s.c' || n, 'queued', 'k', 'test', now() - interval '2 d', now() - interval '1 d'"
        " from generate_series(1, 1010) n"
    )
    jobs = [JobMessage(job["job_id"]) for job in service.jobs()]
    await service.runtime.queue.send(jobs[:1000])
    assert (await reconcile(service)).messages == 10
    assert (await reconcile(service)).messages == 0
    # duplicates make the queue longer than there are jobs, and nothing is wrong with that
    await service.runtime.queue.send(jobs[:2])
    report = await reconcile(service)
    assert (report.messages, report.failed) == (0, {})
    assert service.queue.get_queue_properties().approximate_message_count == 1012


async def test_leftovers_of_staging_go(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb")
    feb, jan = service.jobs()
    service.execute(
        "insert into archival.job (kind, hypertable, chunk, status, lease_until, request_key, requested_by) values"
        " ('archive', '$s.readings', '$s.queued', 'queued', null, 'k', 'test'),"
        " ('archive', '$s.readings', '$s.running', 'running', now() + interval '5 minutes', 'k', 'test')"
    )
    live = [job["job_id"] for job in service.jobs() if job["status"] in ("queued", "running")]
    unknown, old = uuid4(), uuid4()
    for name in (
        f"{jan['job_id']}/1/part-00000.parquet",
        f"{feb['job_id']}/1/x",
        *(f"{job_id}/1/x" for job_id in live),
        f"{unknown}/1/x",
        f"{old}/1/x",
        "write-once/a",
        "write-once/b",
    ):
        file = service.lake / "staging" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    for job_id in (old, *live):
        age(service.lake / f"staging/{job_id}", 8)
    age(service.lake / f"staging/{unknown}", 6)
    age(service.lake / "staging/write-once/a", 2)
    service.execute("update archival.job set finished_at = now() - interval '2 hours' where chunk like '%jan'")
    assert (await reconcile(service)).swept == 3
    assert service.files("staging") == sorted(
        [*(f"staging/{wanted}/1/x" for wanted in (feb["job_id"], *live, unknown)), "staging/write-once/b"]
    )
    assert (await reconcile(service)).swept == 0


async def test_an_end_that_nobody_was_told_is_told(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb")
    service.execute(
        "update archival.job set announced = false;"
        "update archival.job set finished_at = now() - interval '10 minutes' where chunk like '%jan'"
    )
    assert (await reconcile(service)).announced == 1
    assert [json.dumps(result["data"]).count("jan") > 0 for result in await service.results()] == [True, False, True]
    assert (await reconcile(service)).announced == 0


async def test_two_at_a_time_do_no_harm(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    as_if_crashed_after_the_rename(service)
    await archive(service, "jan", "feb")
    as_if_crashed_after_the_rename(service)
    reports = await asyncio.gather(*(reconcile(service) for _ in range(3)))
    assert all(report.failed == {} and report.adoption.strays == {} for report in reports)
    assert sum(len(report.adoption.adopted) for report in reports) == 2
    assert sorted(statuses(service)) == ["archived", "archived", "superseded"]
    assert published(service).count_rows() == service.rows("select count(*) from $s.readings")[0][0]
    assert (await reconcile(service)).is_empty


@pytest.mark.parametrize("status", [Status.ARCHIVED, Status.SUPERSEDED])
async def test_what_another_run_records_meanwhile_is_no_stray(
    service: Service, monkeypatch: pytest.MonkeyPatch, status: Status
) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    as_if_crashed_after_the_rename(service)
    publisher = Archives.publisher

    async def overtaken(archives: Archives, manifest: Manifest) -> Publisher:
        # another run writes the row, and has not moved the folder yet
        assert await archives.adopt(manifest, status)
        return await publisher(archives, manifest)

    monkeypatch.setattr(Archives, "publisher", overtaken)
    report = await reconcile(service)
    assert (report.adoption.adopted, report.adoption.strays) == ([], {})
    assert statuses(service) == [status]


async def test_one_duty_that_fails_keeps_no_other_from_its_turn(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute("update archival.job set announced = false, finished_at = now() - interval '1 hour'")
    service.emulator.faults.append(
        Fault(method="GET", contains="resource=filesystem", status=403, code="AuthorizationFailure", times=99)
    )
    report = await reconcile(service)
    assert sorted(report.failed) == ["adoption", "staging"]
    assert report.announced == 1
    service.emulator.faults.clear()

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("with a secret")

    monkeypatch.setattr(service.runtime.reconciler._adoption, "adopt", broken)
    service.execute("update archival.job set announced = false")
    report = await reconcile(service)
    assert (set(report.failed), report.announced) == ({"adoption"}, 1)
    assert "secret" not in report.failed["adoption"]


async def test_what_cannot_be_looked_at_now_is_no_stray(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    as_if_crashed_after_the_rename(service)
    service.emulator.faults.append(
        Fault(method="GET", contains="jan_r0/_manifest", status=403, code="AuthorizationFailure", times=99)
    )
    report = await reconcile(service)
    assert (report.adoption.postponed, report.adoption.strays, report.adoption.adopted) == (1, {}, [])
    service.emulator.faults.clear()
    assert (await reconcile(service)).adoption.adopted == [folder(service, "jan_r0")]


async def test_an_archive_that_another_one_names_is_out_of_the_way(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb")
    # the rows of january were restored, and archived again in a chunk of another name
    service.execute(
        f"update archival.job set manifest = jsonb_set(manifest, '{{supersedes}}', '[\"{folder(service, 'jan_r0')}\"]')"
        " where chunk like '%feb'"
    )
    assert (await reconcile(service)).adoption.retired == [folder(service, "jan_r0")]
    assert sorted(statuses(service)) == ["archived", "superseded"]
    assert (await reconcile(service)).is_empty


async def test_a_lost_message_of_a_restore_goes_to_its_own_queue(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute(
        "insert into archival.job (kind, hypertable, chunk, status, restores, request_key, requested_by, requested_at)"
        " select 'restore', hypertable, chunk, 'queued', job_id, 'k', 'test', now() - interval '1 hour' from archival.job"
    )
    assert (await reconcile(service)).messages == 1
    assert await service.runtime.restore_queue.count() == 1
    assert service.messages() == []
