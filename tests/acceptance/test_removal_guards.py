"""A chunk stays unless it is the table that was archived, with the same definition, and nothing stands in the way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from archival_core.clients.postgres.database import Connection
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.removal.chunk_proof import ChunkProof, Proven
from archival_core.flows.removal.chunk_removal import RemovalReport
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.ledger.archives.removals import Removals
from archival_core.model.asking.policy import Policy
from archival_core.model.chunks.chunk import ChunkRange, Relation
from archival_core.model.jobs.job import Job
from tests.kit.asking import asked, queries_of
from tests.kit.readings import archive, remove

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

MINUTE = timedelta(minutes=1)
TABLE = """
create type $s.mood as enum ('good', 'bad');
create table $s.readings (time timestamptz not null, value integer, mood $s.mood) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, 1, 'good' from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') t;
"""
#: in halves, where January was one partition
HALVES = """
create table $s.early partition of $s.readings for values from ('2026-01-01Z') to ('2026-01-16Z');
create table $s.late partition of $s.readings for values from ('2026-01-16Z') to ('2026-02-01Z');
"""


async def ask_for_restore(service: Service) -> None:
    wanted = (Relation(service.schema, "readings"), None, ChunkRange(None, None), RestoreWish(), "one", "test")
    await service.runtime.restore_requests.request(RestoreRequest(*wanted))


def is_there(service: Service, chunk: str) -> bool:
    return service.rows(f"select to_regclass('$s.{chunk}') is not null") == [(True,)]


def statuses(service: Service) -> dict[str, str]:
    return {job["chunk"].rpartition(".")[2]: job["status"] for job in service.jobs()}


async def test_another_table_in_the_chunk_s_place_stays(service: Service) -> None:
    service.execute(TABLE)
    # as many rows, written before the archive
    service.execute("create table $s.other as select time, 2 as value, mood from $s.jan")
    service.execute("alter table $s.other alter column time set not null")
    await archive(service, "jan")
    service.execute(
        "alter table $s.readings detach partition $s.jan; alter table $s.jan rename to jan_before;"
        "alter table $s.other rename to jan;"
        "alter table $s.readings attach partition $s.jan for values from ('2026-01-01Z') to ('2026-02-01Z')"
    )
    assert (await remove(service)).removed == 0
    assert service.rows("select distinct value from $s.jan") == [(2,)]
    # on the grounds of its own archive it may go
    await service.work()
    assert (await remove(service)).removed == 1


#: the table of before is the first partition of the one that takes its place
GROWN = """
create table $s.jan (time timestamptz not null, id bigserial, other serial);
insert into $s.jan values ('2026-01-02Z');
create table $s.readings (time timestamptz not null, id bigint default nextval('$s.jan_id_seq'), other int)
partition by range (time);
alter table $s.readings attach partition $s.jan for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
"""


async def test_a_sequence_that_a_partition_has_brought_along_stays(service: Service) -> None:
    service.execute(GROWN)
    await archive(service, "jan")
    assert (await remove(service)).removed == 1
    # one is named by a default of the table, the other by an application alone
    service.execute("insert into $s.readings (time, other) values ('2026-02-02Z', nextval('$s.jan_other_seq'))")
    assert service.rows("select id, other from $s.readings") == [(2, 2)]


#: every partition moves to a table that takes over the name of the one before, whatever becomes of that
MOVED = """
begin; alter table $s.readings rename to before;
create table $s.readings (like $s.before including all) partition by range (time);
alter table $s.before detach partition $s.jan; alter table $s.before detach partition $s.feb;
alter table $s.readings attach partition $s.jan for values from ('2026-01-01Z') to ('2026-02-01Z');
alter table $s.readings attach partition $s.feb for values from ('2026-02-01Z') to ('2026-03-01Z');
"""


@pytest.mark.parametrize("first", ["drop table $s.before; commit", "commit"], ids=["dropped", "kept"])
@pytest.mark.parametrize("when", ["before the look", "before the lock"])
async def test_a_chunk_of_another_table_of_the_name_stays(
    service: Service, monkeypatch: pytest.MonkeyPatch, first: str, when: str
) -> None:
    """The archive is of the first table, and in no answer of the second: the chunk is archived again, as one of the second."""
    service.execute(TABLE)
    await archive(service, "jan")
    prove = ChunkProof.prove

    async def late(self: ChunkProof, connection: Connection, job: Job) -> Proven:
        proven = await prove(self, connection, job)
        service.execute(MOVED + first)
        return proven

    if when == "before the look":
        service.execute(MOVED + first)
        assert (await remove(service)).removed == 0
    else:
        with monkeypatch.context() as patch:
            patch.setattr(ChunkProof, "prove", late)
            assert (await remove(service)).removed == 0
    rows = service.rows("select count(*) from $s.readings")
    assert rows == [(1393,)]
    await service.work()
    assert (await remove(service)).removed == 1
    found = await asked(queries_of(service), f"select count(*) from {service.schema}.readings")
    assert [tuple(row.values()) for row in found.result.to_pylist()] == rows


async def test_a_label_with_another_name_is_a_change(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    # no row is written, and each reads as something else
    service.execute("alter type $s.mood rename value 'good' to 'fine'")
    assert (await remove(service)).removed == 0
    assert is_there(service, "jan")
    # the definition says so: no trial is needed, and it is archived again
    assert service.jobs()[0]["removal_error"]["code"] == "source-changed"


async def test_what_was_not_dropped_is_not_removed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute("create view $s.january as select * from $s.jan")
    removals: Any = service.runtime.chunk_removal._removals
    for shares_source in (True, False):
        monkeypatch.setattr(removals, "shares_source", shares_source)
        assert (await remove(service)).removed == 0
        assert (statuses(service)["jan"], is_there(service, "jan")) == ("archived", True)
    service.execute("drop view $s.january")
    assert (await remove(service)).removed == 1


def just_before_the_end(service: Service, monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    """Somebody else is faster, when all has been looked at and the chunk is locked."""
    finish = Removals.finish

    async def overtaken(*arguments: Any, **named: Any) -> None:
        await asyncio.to_thread(service.execute, statement)
        await finish(*arguments, **named)

    monkeypatch.setattr(Removals, "finish", overtaken)


LIVE = (
    "insert into archival.job (kind, hypertable, chunk, status, request_key, requested_by)"
    " values ('archive', '$s.readings', '$s.jan', 'queued', 'again', 'test')"
)


async def test_a_removal_does_not_outlive_its_connection(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failover another server answers: what was proven on the first one says nothing of that."""
    service.execute(TABLE)
    await archive(service, "jan")
    prove = ChunkProof.prove

    async def prove_and_fail_over(self: ChunkProof, connection: Connection, job: Job) -> Proven:
        proven = await prove(self, connection, job)
        service.execute(f"select pg_terminate_backend({connection.info.backend_pid}, 5000)")
        return proven

    with monkeypatch.context() as patched:
        patched.setattr(ChunkProof, "prove", prove_and_fail_over)
        assert (await remove(service)).removed == 0
    assert (statuses(service)["jan"], is_there(service, "jan")) == ("archived", True)
    service.execute("update archival.job set removal_tried_at = null")
    assert (await remove(service)).removed == 1


async def test_an_archive_that_is_being_removed_is_held(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a ledger elsewhere, until the source has committed the drop."""
    service.execute(TABLE)
    await archive(service, "jan")
    [row] = service.jobs()
    found = await service.runtime.ledger.find(row["job_id"])
    assert found is not None
    removals: Any = service.runtime.chunk_removal._removals
    monkeypatch.setattr(removals, "shares_source", False)
    async with removals.held(found[0]):
        with pytest.raises(psycopg.errors.LockNotAvailable):
            service.execute("set lock_timeout = '100ms'; update archival.job set status = 'superseded'")
    service.execute("set lock_timeout = '100ms'; update archival.job set status = 'superseded'")


async def test_a_chunk_that_is_to_be_archived_anew_is_not_due(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute(LIVE)
    assert await remove(service) == RemovalReport()


@pytest.mark.parametrize("statement", [LIVE, "update archival.job set status = 'superseded'"])
async def test_who_is_faster_in_the_ledger_keeps_the_chunk(
    service: Service, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    just_before_the_end(service, monkeypatch, statement)
    assert (await remove(service)).removed == 0
    assert is_there(service, "jan")
    assert "removed" not in {job["status"] for job in service.jobs()}


async def test_the_grace_is_waited_for(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    rules: Any = service.runtime.chunk_removal._removals._rules
    object.__setattr__(rules, "grace", timedelta(hours=1))
    assert await remove(service) == RemovalReport()
    service.execute("update archival.job set finished_at = now() - interval '61 minutes'")
    assert (await remove(service)).removed == 1


async def test_a_row_that_is_committed_while_the_lock_is_waited_for_is_seen(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    waiting = "select count(*) from pg_locks where not granted and relation = '$s.readings'::regclass"
    with psycopg.connect(service.url) as writer:
        writer.execute(f"insert into {service.schema}.readings values ('2026-01-15Z', 7, 'bad')".encode())
        removing = asyncio.create_task(remove(service))
        async with asyncio.timeout(30):
            while await asyncio.to_thread(service.rows, waiting) == [(0,)]:
                await asyncio.sleep(0.02)
        writer.commit()
    assert (await removing).removed == 0
    assert service.rows("select count(*) from $s.jan where value = 7") == [(1,)]


async def test_chunks_that_share_an_archive_go_when_each_has_its_own(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    assert (await remove(service)).removed == 1
    service.execute(HALVES)
    await ask_for_restore(service)
    assert await service.restore() == []
    await archive(service, "early")
    report = await remove(service)
    assert report.removed == 0
    assert "late is not" in report.kept[f"{service.schema}.early"]
    await archive(service, "late")
    assert (await remove(service)).removed == 2
    assert service.rows("select count(*) from $s.readings where time < '2026-02-01Z'") == [(0,)]


async def test_a_policy_of_clock_time_removes_nothing_of_integer_time(service: Service) -> None:
    """The policy was set for a table by clock time, whose name is that of an integer-time table now."""
    service.execute(TABLE)
    table = Relation(service.schema, "readings")
    await service.runtime.policies.set(Policy(table, timedelta(days=3650), timedelta(days=7300)))
    service.execute(
        "alter table $s.readings rename to by_clock;"
        "create table $s.readings (time bigint not null, value integer) partition by range (time);"
        "create table $s.first partition of $s.readings for values from (0) to (100);"
        "create table $s.before partition of $s.readings for values from (-100) to (0);"
        "insert into $s.readings select i, 1 from generate_series(-100, 99) i"
    )
    await archive(service, "first", "before", remove=None)
    assert {job["status"] for job in service.jobs()} == {"archived"}
    report = await remove(service)
    assert (report.removed, report.kept) == (0, {})
    assert service.rows("select count(*) from $s.readings") == [(200,)]
