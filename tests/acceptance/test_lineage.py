"""What becomes of archives and rows when tables are restored, dropped by hand, or their server is put back."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from archival_core.errors import ArchivalError, PermanentError, TransientError
from archival_core.flows.removal import chunk_proof
from archival_core.ledger.jobs.adding import NewJob
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.message import JobMessage
from tests.acceptance.lineages import (
    HYPERTABLE,
    JAN_AGAIN,
    LATE,
    MINUTE,
    NATIVE,
    archive_old,
    in_database,
    published,
    restore,
    statuses,
)
from tests.kit.copied_postgres import CopiedPostgres
from tests.kit.readings import archive, remove

if TYPE_CHECKING:
    from dev.lake_emulator import Emulator
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]


async def test_restored_rows_stay_until_somebody_asks(service: Service) -> None:
    service.execute(NATIVE)
    before = in_database(service)
    await archive(service, "jan")
    await remove(service)
    assert await restore(service, "one") == []
    await remove(service)
    assert in_database(service) == before
    assert sorted(job["status"] for job in service.jobs()) == ["archived", "restored"]
    await archive(service, "jan")
    await remove(service)
    assert sorted(in_database(service) + await published(service)) == before


async def test_rows_restored_and_dropped_by_hand_stay_published(service: Service) -> None:
    service.execute(NATIVE)
    rows = in_database(service, "jan")
    await archive(service, "jan")
    assert (await remove(service)).removed == 1
    assert await restore(service, "one") == []
    # somebody has seen enough, or a retention policy runs: what is archived may go
    service.execute("drop table $s.jan")
    service.execute(JAN_AGAIN)
    service.execute(LATE)
    await service.runtime.ledger.add_jobs(
        [NewJob(Relation(service.schema, "readings"), Relation(service.schema, "jan"), True, "k", "x", None, force=True)]
    )
    [job] = [job for job in service.jobs() if job["status"] == "queued"]
    await service.runtime.archival_processor.process(JobMessage(job["job_id"]))
    assert set(rows) - set(await published(service)) - set(in_database(service)) == set(), statuses(service)


async def test_rows_restored_and_dropped_by_retention_stay_published(timescaledb_service: Service) -> None:
    service = timescaledb_service
    service.execute(HYPERTABLE)
    rows = in_database(service)
    await archive_old(service)
    await remove(service)
    assert await restore(service, "one") == []
    service.execute("select drop_chunks('$s.readings', older_than => timestamptz '2026-03-10Z')")
    service.execute(LATE)
    await archive_old(service)
    lost = set(rows) - set(await published(service)) - set(in_database(service))
    assert not lost, (len(lost), statuses(service))


async def test_a_restored_archive_is_superseded_only_by_one_that_has_its_rows(timescaledb_service: Service) -> None:
    service = timescaledb_service
    service.execute(HYPERTABLE)
    await archive_old(service)
    await remove(service)
    service.execute("select set_chunk_time_interval('$s.readings', interval '1 day')")
    assert await restore(service, "one") == []
    assert len(service.rows("select 1 from timescaledb_information.chunks where hypertable_schema = '$s'")) > 20
    before = await published(service)
    await archive_old(service, "2026-01-02T00:00:00Z", remove=False)
    assert set(before) - set(await published(service)) == set(), statuses(service)


@pytest.mark.parametrize("ledger", ["apart", pytest.param("inside", marks=pytest.mark.slow)])
async def test_a_server_that_was_restored_to_an_earlier_time(
    ledger: str,
    own_database_url: str,
    redis_url: str,
    storage_connection: str,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    from tests.acceptance.conftest import open_service

    with CopiedPostgres(tmp_path / "source") as server:
        if ledger == "apart":
            monkeypatch.setenv("LEDGER_DATABASE_URL", own_database_url)
        monkeypatch.setenv("REMOVAL_POLICY", "drop")
        opened = open_service(server.url, redis_url, storage_connection, emulator, monkeypatch)
        service: Service = await anext(opened)
        process: Any = server._process
        data = Path(service.rows("show data_directory")[0][0])
        try:
            service.execute(NATIVE)
            await service.runtime.ledger.ping()
            process.stop()
            shutil.copytree(data, tmp_path / "backup", copy_function=copy_owned)
            process.start()
            process.wait_until(server._answers, "PostgreSQL")
            service.execute("insert into $s.readings values ('2026-01-15 00:10Z', 1, 'lost with the server')")
            await archive(service, "jan", remove=None)
            process.stop()
            for child in data.iterdir():
                shutil.rmtree(child) if child.is_dir() else child.unlink()
            shutil.copytree(tmp_path / "backup", data, copy_function=copy_owned, dirs_exist_ok=True)
            own(data)
            (data / "postmaster.pid").unlink(missing_ok=True)
            process.start()
            process.wait_until(server._answers, "PostgreSQL")
            service.execute("insert into $s.readings values ('2026-01-15 00:20Z', 1, 'after the restore')")
            if ledger == "inside":
                await service.runtime.reconciler.reconcile(MINUTE)
            report = await service.runtime.chunk_removal.remove_due(MINUTE)
            assert "2026-01-15 00:20:00+00:00|after the restore" in await published(service) + in_database(service), report
        finally:
            with pytest.raises(StopAsyncIteration):
                await anext(opened)


def copy_owned(source: str, target: str) -> None:
    shutil.copy2(source, target)


def own(folder: Path) -> None:
    import os

    stat = folder.stat()
    for found in folder.rglob("*"):
        os.chown(found, stat.st_uid, stat.st_gid)


async def test_equal_late_rows_come_back_too(service: Service) -> None:
    service.execute(NATIVE)
    [before] = service.rows("select count(*) from $s.jan")
    twin = service.rows("select value from $s.jan where time = '2026-01-15Z'")[0][0]
    await archive(service, "jan")
    await remove(service)
    service.execute(JAN_AGAIN)
    service.execute(f"insert into $s.readings select '2026-01-15Z', {twin!r}, 'note ' || timestamptz '2026-01-15Z'")
    await archive(service, "jan")
    assert (await remove(service)).removed == 1
    assert len(await published(service)) == before[0] + 1
    await restore(service, "one", beside=True)
    assert [job["status"] for job in service.jobs() if job["kind"] == "restore"] == ["restored"] * 2
    [after] = service.rows("select count(*) from $s.jan")
    assert after[0] == before[0] + 1


async def test_a_restore_between_settling_and_reading(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(NATIVE)
    rows = in_database(service, "jan")
    await archive(service, "jan")
    await remove(service)
    service.execute(JAN_AGAIN)
    service.execute(LATE)
    ledger: Any = service.runtime.ledger
    assign = ledger.assign_revision

    async def slow(*arguments: Any) -> Any:
        revision = await assign(*arguments)
        monkeypatch.undo()
        assert await restore(service, "one", beside=True) == []
        return revision

    monkeypatch.setattr(type(ledger), "assign_revision", lambda self, *arguments: slow(*arguments))
    await archive(service, "jan")
    await service.runtime.reconciler.reconcile(MINUTE)
    await remove(service)
    assert in_database(service, "readings") and statuses(service)
    assert len(await published(service)) == len(rows) + 1, (len(await published(service)), statuses(service))


async def test_a_restore_whose_end_the_ledger_does_not_know(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger of its own: the rows are back, the worker dies, a late row comes."""
    service.execute(NATIVE)
    rows = in_database(service, "jan")
    await archive(service, "jan")
    await remove(service)
    restores: Any = service.runtime.restore_processor._restores
    finish = restores.finish
    monkeypatch.setattr(restores, "shares_source", False)

    async def lost(*_: Any, **__: Any) -> None:
        raise TransientError("the ledger is away", code="database")

    monkeypatch.setattr(restores, "finish", lost)
    await restore(service, "one")
    monkeypatch.setattr(restores, "finish", finish)
    service.execute(LATE)
    [job] = [job for job in service.jobs() if job["kind"] == "restore"]
    await service.runtime.restore_processor.process(JobMessage(job["job_id"]))
    await archive(service, "jan")
    await remove(service)
    assert len(await published(service)) == len(rows) + 1, (len(await published(service)), statuses(service))


async def test_an_old_transaction_does_not_have_a_chunk_archived_for_ever(service: Service) -> None:
    with psycopg.connect(service.url) as other:
        other.execute("select pg_current_xact_id()")
        service.execute(NATIVE)
        await archive(service, "jan")
        for _ in range(4):
            await remove(service)
            await service.work()
        assert len(service.jobs()) <= 2, statuses(service)


async def test_an_old_job_that_is_tried_again_is_not_overtaken(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(NATIVE)

    async def fail(*_: Any) -> None:
        raise PermanentError("no", code="no")

    with monkeypatch.context() as patch:
        patch.setattr(type(service.runtime.chunk_archiver), "_archive_parts", fail)
        await archive(service, "jan")
    [failed] = service.jobs()
    assert (failed["status"], failed["settled"]) == ("failed", True)
    await archive(service, "jan")
    assert (await remove(service)).removed == 1
    service.execute(JAN_AGAIN)
    service.execute(LATE)
    await service.runtime.dead_letters.retry(failed["job_id"])
    await service.work()
    assert sum("late" in row for row in await published(service)) == 1
    await service.runtime.reconciler.reconcile(MINUTE)
    assert sum("late" in row for row in await published(service)) == 1, statuses(service)


async def test_a_new_table_under_an_archived_name_is_archived(service: Service) -> None:
    service.execute(NATIVE)
    await archive(service, "jan", remove=False)
    service.execute("drop table $s.jan")
    service.execute(JAN_AGAIN)
    service.execute(LATE)
    await service.runtime.reconciler.reconcile(MINUTE)
    await archive(service, "jan", remove=False)
    assert any("late" in row for row in await published(service)), statuses(service)


async def test_an_archive_of_another_server_is_no_reason_to_skip(service: Service) -> None:
    """Two databases share a lake, and have tables of the same names."""
    service.execute(NATIVE)
    await archive(service, "jan", remove=False)
    [job] = service.jobs()
    identity = job["manifest"]["source"]["system_identifier"]
    for manifest in (service.lake / job["lake_path"] / "_manifest.json", service.lake / service.files("manifests")[0]):
        manifest.write_text(manifest.read_text().replace(f'"{identity}"', '"7"'))
    # this is the other database: its ledger knows nothing of that archive
    service.execute("delete from archival.job")
    await service.runtime.reconciler.reconcile(MINUTE)
    await archive(service, "jan", remove=False)
    assert service.jobs()[-1]["status"] != "skipped", service.jobs()[-1]["error"]


async def test_a_removed_archive_that_is_superseded_can_be_restored(service: Service) -> None:
    """The second archive is published and its worker dies; the chunk goes on the grounds of the first; then reconcile."""
    service.execute(NATIVE)
    rows = in_database(service, "jan")
    await archive(service, "jan")
    await service.runtime.ledger.add_jobs(
        [NewJob(Relation(service.schema, "readings"), Relation(service.schema, "jan"), None, "k", "x", None, force=True)]
    )
    [job] = [job for job in service.jobs() if job["status"] == "queued"]
    ledger: Any = service.runtime.ledger
    with pytest.MonkeyPatch.context() as patch:

        async def dead(*_: Any) -> None:
            raise PermanentError("dead", code="dead")

        patch.setattr(type(service.runtime.ledger), "finish_archive", dead)
        await service.runtime.archival_processor.process(JobMessage(job["job_id"]))
    assert ledger and [job["status"] for job in service.jobs()] == ["archived", "failed"]
    assert (await remove(service)).removed == 1
    await service.runtime.reconciler.reconcile(MINUTE)
    await service.runtime.reconciler.reconcile(MINUTE)
    assert await published(service) == rows
    try:
        await restore(service, "one")
    except ArchivalError as error:
        pytest.fail(f"{error}; {statuses(service)}")
    assert in_database(service, "readings")[: len(rows)] == rows, [(job["status"], job["error"]) for job in service.jobs()]


async def test_a_reader_does_not_make_writers_wait(timescaledb_service: Service) -> None:
    service = timescaledb_service
    service.execute(HYPERTABLE)
    await archive_old(service, "2026-01-20T00:00:00Z")
    waits: list[float] = []
    stop = threading.Event()

    def write() -> None:
        with psycopg.connect(service.url, autocommit=True) as connection:
            while not stop.is_set():
                begin = time.monotonic()
                connection.execute(f"insert into {service.schema}.readings values ('2026-02-27Z', 1, 'new')".encode())
                waits.append(time.monotonic() - begin)
                time.sleep(0.01)

    with psycopg.connect(service.url) as reader:
        # pg_dump, a report
        reader.execute(f"select count(*) from {service.schema}.readings".encode())
        writer = threading.Thread(target=write)
        writer.start()
        begin = time.monotonic()
        try:
            report = await remove(service)
        finally:
            took = time.monotonic() - begin
            stop.set()
            writer.join()
    blocked = sum(wait for wait in waits if wait > 0.2)
    assert max(waits) < 1, (
        f"{len(report.kept)} chunks, {took:.1f} s, writers blocked {blocked:.1f} s, longest {max(waits):.1f} s"
    )


async def test_a_paused_remover_does_not_stop_ingest(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(NATIVE)
    await archive(service, "jan")
    check = chunk_proof._check_rows
    answers: list[str] = []

    async def paused(*arguments: Any) -> None:
        await check(*arguments)
        # SIGSTOP, a frozen instance: the connection stays open
        with psycopg.connect(service.url, autocommit=True) as writer:
            writer.execute("set statement_timeout = '15s'")
            try:
                writer.execute(f"insert into {service.schema}.readings values ('2026-02-27Z', 1, 'new')".encode())
            except psycopg.Error as error:
                answers.append(str(error).splitlines()[0])

    monkeypatch.setattr(chunk_proof, "_check_rows", paused)
    await remove(service)
    assert answers == []


@pytest.mark.slow
async def test_rows_older_than_two_billion_transactions(
    redis_url: str, storage_connection: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import os
    import subprocess

    from tests.acceptance.conftest import open_service

    with CopiedPostgres(tmp_path / "source") as server:
        process: Any = server._process
        opened: AsyncIterator[Service] = open_service(server.url, redis_url, storage_connection, emulator, monkeypatch)
        service = await anext(opened)
        data = Path(service.rows("show data_directory")[0][0])
        try:
            service.execute(NATIVE)
            owner = data.stat().st_uid
            for xid in (2_000_000_000, 4_000_000_000):
                subprocess.run(
                    [server.binaries / "vacuumdb", "--all", "--freeze", "-q", "--maintenance-db", server.url],
                    check=True,
                    user=owner,
                    cwd="/",
                )
                service.execute("checkpoint")
                process.stop()
                segment = data / "pg_xact" / f"{xid // 1048576:04X}"
                segment.write_bytes(bytes(262144))
                os.chown(segment, owner, -1)
                subprocess.run([server.binaries / "pg_resetwal", "-f", "-x", str(xid), data], check=True, user=owner, cwd="/")
                process.start()
                process.wait_until(server._answers, "PostgreSQL")
            await archive(service, "jan")
            for _ in range(3):
                await remove(service)
                await service.work()
            assert [status for _, status in statuses(service)] == ["removed"], statuses(service)
        finally:
            with pytest.raises(StopAsyncIteration):
                await anext(opened)
