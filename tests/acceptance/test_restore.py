"""Restore through the whole service: a request becomes jobs, and removed rows are back in the database, each once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from archival_core.errors import PermanentError
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.ledger.archives.restores import Restores
from archival_core.model.chunks.chunk import ChunkRange, Relation
from archival_core.model.jobs.message import JobMessage
from archival_core.source.restore.placing import placing
from tests.kit.lake_tables import rows_in_tables

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.usefixtures("at_once")

NATIVE = """
create table $s.readings (time timestamptz not null, value numeric(12, 4), tags text[], note text) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
"""
HYPERTABLE = """
create table $s.readings (time timestamptz not null, value numeric(12, 4), tags text[], note text);
select create_hypertable('$s.readings', 'time', chunk_time_interval => interval '7 days');
"""
ROWS = """
insert into $s.readings
select t, random(), array[null, 'x'], 'note ' || t from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') t;
"""
ALL = ChunkRange(None, None)


@pytest.fixture
def filled(any_service: Service) -> Service:
    any_service.execute(HYPERTABLE if any_service.has_timescaledb else NATIVE)
    any_service.execute(ROWS)
    return any_service


async def archive_and_remove(service: Service) -> int:
    await service.publish(hypertable=f"{service.schema}.readings", older_than="2026-03-06T00:00:00Z", remove=True)
    await service.work()
    service.execute("update archival.job set removal_tried_at = null where hypertable like '$s.%'")
    return (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed


async def ask(service: Service, key: str, within: ChunkRange = ALL, **wish: Any) -> int:
    request = RestoreRequest(
        Relation(service.schema, "readings"),
        None,
        within,
        RestoreWish(**wish),
        key,
        "a test",
    )
    return len(await service.runtime.restore_requests.request(request))


def all_rows(service: Service, table: str = "readings") -> list[str]:
    return sorted(text for (text,) in service.rows(f"select r::text from $s.{table} r"))


def statuses(service: Service, kind: str) -> set[str]:
    return {job["status"] for job in service.jobs() if job["kind"] == kind}


async def test_everything_comes_back_and_stays(filled: Service) -> None:
    service = filled
    before = all_rows(service)
    removed = await archive_and_remove(service)
    assert removed >= 2
    assert all_rows(service) == []
    assert await ask(service, "one") == removed
    assert await service.restore() == []
    assert all_rows(service) == before
    assert (statuses(service, "archive"), statuses(service, "restore")) == ({"archived"}, {"restored"})
    types = [result["type"].rpartition(".")[2] for result in await service.results()]
    assert types == ["archived"] * removed + ["removed"] * removed + ["restored"] * removed
    # what somebody wanted back is not taken away again
    assert await archive_and_remove(service) in (0, removed)
    assert (await rows_in_tables(service)).num_rows == len(before)


async def test_the_same_request_restores_once(filled: Service) -> None:
    service = filled
    before = all_rows(service)
    removed = await archive_and_remove(service)
    for _ in range(2):
        assert await ask(service, "one") == removed
    assert await service.restore() == []
    assert all_rows(service) == before
    with pytest.raises(PermanentError) as caught:
        await ask(service, "two")
    assert caught.value.code == "not-restorable"


async def test_what_is_still_there_is_restored_only_into_a_table_of_its_own(filled: Service) -> None:
    service = filled
    before = all_rows(service)
    await service.publish(hypertable=f"{service.schema}.readings", older_than="2026-03-06T00:00:00Z")
    await service.work()
    with pytest.raises(PermanentError) as caught:
        await ask(service, "one")
    assert caught.value.code == "not-restorable"
    assert await ask(service, "two", into=Relation(service.schema, "copy")) >= 2
    assert await service.restore() == []
    assert all_rows(service) == all_rows(service, "copy") == before
    assert statuses(service, "archive") == {"archived"}


async def test_only_what_overlaps_a_range(filled: Service) -> None:
    service = filled
    await archive_and_remove(service)
    within = ChunkRange("2026-02-03T00:00:00Z", "2026-02-04T00:00:00Z")
    assert await ask(service, "one", within) == 1
    assert await service.restore() == []
    [(least, greatest)] = service.rows("select min(time) <= '2026-02-03Z', max(time) >= '2026-02-03 23:00Z' from $s.readings")
    assert (least, greatest) == (True, True)
    with pytest.raises(PermanentError) as caught:
        await ask(service, "two", ChunkRange("2031-01-01T00:00:00Z", "2032-01-01T00:00:00Z"))
    assert caught.value.code == "no-archive"


async def test_restored_rows_that_are_archived_again_are_in_one_archive(filled: Service) -> None:
    service = filled
    before = all_rows(service)
    removed = await archive_and_remove(service)
    await ask(service, "one")
    await service.restore()
    service.execute("insert into $s.readings values ('2026-01-15 12:34Z', 1, null, 'late')")
    # a person asks for it, chunk by chunk
    query = {
        True: "select chunk_schema || '.' || chunk_name from timescaledb_information.chunks where hypertable_schema = '$s'",
        False: "select inhrelid::regclass::text from pg_inherits where inhparent = '$s.readings'::regclass",
    }[service.has_timescaledb]
    from archival_core.ledger.jobs.adding import NewJob

    jobs = [
        NewJob(Relation(service.schema, "readings"), Relation.parse(name), True, "again", "a person", None, force=True)
        for (name,) in service.rows(query)
    ]
    for added in await service.runtime.ledger.add_jobs(jobs):
        await service.runtime.archival_processor.process(JobMessage(added.job_id))
    await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))
    assert all_rows(service) == []
    assert (await rows_in_tables(service)).num_rows == len(before) + 1
    assert (
        sorted(job["status"] for job in service.jobs() if job["kind"] == "archive")
        == ["removed"] * removed + ["superseded"] * removed
    )


async def test_a_ledger_of_its_own(filled: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service = filled
    before = all_rows(service)
    await archive_and_remove(service)
    monkeypatch.setattr(service.runtime.restore_processor._restores, "shares_source", False)
    await ask(service, "one")
    assert await service.restore() == []
    assert all_rows(service) == before
    assert (statuses(service, "archive"), statuses(service, "restore")) == ({"archived"}, {"restored"})


async def test_what_a_killed_restore_left_is_swept(any_service: Service) -> None:
    service = any_service
    service.execute("create schema if not exists archival_restore")
    ended, unknown = uuid4(), uuid4()
    service.execute(
        "insert into archival.job (job_id, kind, hypertable, chunk, status, request_key, requested_by, finished_at)"
        f" values ('{ended}', 'restore', '$s.h', '$s.c', 'failed', '{ended}', 'a test', now() - interval '2 hours')"
    )
    for job_id in (ended, unknown):
        service.execute(f'create table archival_restore."{job_id.hex}_1" (v int)')
    await service.runtime.reconciler.reconcile(timedelta(minutes=1))
    left = {
        name for (name,) in service.rows("select relname from pg_class where relnamespace = 'archival_restore'::regnamespace")
    }
    assert f"{ended.hex}_1" not in left
    # it may be the work of another service that shares the database
    assert f"{unknown.hex}_1" in left
    service.execute(f'drop table archival_restore."{unknown.hex}_1"')


@pytest.mark.parametrize(
    ("where", "what"),
    [(placing, "insert"), (placing, "record"), (Restores, "finish"), (Restores, "mark")],
    ids=["before the rows go in", "before it is noted where they are", "before the job ends", "before the commit"],
)
async def test_a_frozen_restore_holds_up_nobody_who_alters_the_table(
    filled: Service, monkeypatch: pytest.MonkeyPatch, where: Any, what: str
) -> None:
    service = filled
    before = all_rows(service)
    await archive_and_remove(service)
    assert placing._BOUNDED["idle_in_transaction_session_timeout"] == "10s"
    monkeypatch.setitem(placing._BOUNDED, "idle_in_transaction_session_timeout", "1s")
    call, has_locks, goes_on = getattr(where, what), asyncio.Event(), asyncio.Event()

    async def freeze(*arguments: Any) -> Any:
        found = await call(*arguments) if what == "mark" else None
        has_locks.set()
        await goes_on.wait()
        return found if what == "mark" else await call(*arguments)

    assert await ask(service, "one") >= 2
    with monkeypatch.context() as patched:
        patched.setattr(where, what, freeze)
        restoring = asyncio.create_task(service.restore())
        await has_locks.wait()
        try:
            await asyncio.to_thread(
                service.execute, "set lock_timeout = '30s'; alter table $s.readings alter column note set default 'none'"
            )
        finally:
            goes_on.set()
        await restoring
    for _ in range(3):
        await service.restore()
    assert all_rows(service) == before
    assert statuses(service, "restore") == {"restored"}
