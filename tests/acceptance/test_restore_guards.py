"""A restore brings back what is removed, ends with its rows or not at all, and knows which table took them."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from archival_core.flows.asking.archive_requests import ArchiveWish
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.ledger.archives.restores import Restores
from archival_core.model.chunks.chunk import ChunkRange, Relation
from archival_core.model.jobs.message import JobMessage

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

TABLE = """
create table $s.readings (time timestamptz not null, value integer) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
insert into $s.readings select t, 1 from generate_series(timestamptz '2026-01-01Z', '2026-01-31Z', '1 hour') t;
"""
ROWS = 721


@pytest.fixture
async def removed(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """January is in the lake alone."""
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan", remove=True)
    await service.work()
    service.execute("update archival.job set finished_at = now() - interval '2 days'")
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
    return service


async def ask(service: Service, key: str, wish: RestoreWish | None = None) -> None:
    jan = Relation(service.schema, "jan")
    request = RestoreRequest(
        Relation(service.schema, "readings"), jan, ChunkRange(None, None), wish or RestoreWish(), key, "test"
    )
    await service.runtime.restore_requests.request(request)


def restores(service: Service) -> list[dict[str, Any]]:
    return [job for job in service.jobs() if job["kind"] == "restore"]


@pytest.mark.parametrize("status", ["archived", "superseded"])
async def test_what_is_not_removed_any_more_is_not_restored(removed: Service, status: str) -> None:
    await ask(removed, "one")
    # somebody else has brought the rows back since, or archived them anew
    # and the files are not where they were: nothing may be asked of them
    shutil.rmtree(removed.lake / "tables")
    removed.execute(f"update archival.job set status = '{status}' where kind = 'archive'")
    await removed.restore()
    [job] = restores(removed)
    assert (job["status"], job["error"]["code"]) == ("failed", "not-restorable")
    assert removed.rows("select count(*) from $s.readings") == [(0,)]


async def test_a_restore_whose_commit_fails_has_not_ended(removed: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    await ask(removed, "one")
    finish = Restores.finish

    async def finish_and_lose_the_server(*arguments: Any, **named: Any) -> None:
        await finish(*arguments, **named)
        await asyncio.to_thread(
            removed.execute,
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()",
        )

    with monkeypatch.context() as patched:
        patched.setattr(Restores, "finish", finish_and_lose_the_server)
        assert await removed.restore() == [], "a connection that is lost postpones the job"
    [job] = restores(removed)
    assert job["status"] in ("queued", "running")
    removed.execute("update archival.job set lease_until = now() - interval '1 second' where kind = 'restore'")
    await removed.runtime.restore_processor.process(JobMessage(job["job_id"]))
    assert [job["status"] for job in restores(removed)] == ["restored"]
    assert removed.rows("select count(*) from $s.readings") == [(ROWS,)]


async def test_a_copy_in_a_table_of_its_own_is_nothing_to_the_archives(removed: Service) -> None:
    for key, wish in (("own", RestoreWish(into=Relation(removed.schema, "own"))), ("back", RestoreWish())):
        await ask(removed, key, wish)
        assert await removed.restore() == []
    assert removed.rows("select (select count(*) from $s.own), (select count(*) from $s.readings)") == [(ROWS, ROWS)]
    removed.execute("insert into $s.readings values ('2026-01-15Z', 2)")
    again = ArchiveWish(Relation(removed.schema, "readings"), Relation(removed.schema, "jan"), force=True)
    await removed.runtime.archive_requests.request(again, "again", "test")
    [message] = removed.messages()
    await removed.runtime.archival_processor.process(message)
    archives = {job["revision"]: job["status"] for job in removed.jobs() if job["kind"] == "archive"}
    assert archives == {0: "superseded", 1: "archived"}
