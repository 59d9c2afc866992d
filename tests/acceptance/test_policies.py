"""Policies: what is due becomes a job, and never too many at a time."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from archival_core.errors import PermanentError
from archival_core.flows.asking.policy_jobs import PolicyReport
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.flows.upkeep.reconcile import ReconcileReport
from archival_core.model.asking.policy import Policy
from archival_core.model.chunks.chunk import Chunk, ChunkRange, Relation

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
do $$ begin
    for n in 1..6 loop
        execute format('create table $s.p%s partition of $s.readings for values from (%L) to (%L)', n,
                       date_trunc('day', now(), 'UTC') - (n + 1) * interval '24 hours',
                       date_trunc('day', now(), 'UTC') - n * interval '24 hours');
    end loop;
end $$;
insert into $s.readings select date_trunc('day', now(), 'UTC') - n * interval '24 hours' - interval '1 hour', n
from generate_series(1, 6) n;
"""


@pytest.fixture(autouse=True)
def small_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICY_BACKLOG", "3")
    monkeypatch.setenv("REMOVAL_GRACE", "PT0S")


def readings(service: Service) -> Relation:
    return Relation(service.schema, "readings")


async def reconcile(service: Service) -> ReconcileReport:
    return await service.runtime.reconciler.reconcile(MINUTE)


async def work(service: Service) -> None:
    for message in service.messages():
        await service.runtime.archival_processor.process(message)


def jobs(service: Service) -> dict[str, str]:
    return {job["chunk"].rpartition(".")[2]: job["status"] for job in service.jobs()}


async def test_due_chunks_become_jobs_the_oldest_first_and_so_many_at_a_time(service: Service) -> None:
    service.execute(TABLE)
    # from midnight: p1 ended at least one day ago, p2 at least two
    await service.runtime.policies.set(Policy(readings(service), 2 * DAY))
    assert (await reconcile(service)).policies.queued == 3
    assert jobs(service) == {"p6": "queued", "p5": "queued", "p4": "queued"}
    assert (await reconcile(service)).is_empty
    await work(service)
    first, second = await asyncio.gather(reconcile(service), reconcile(service))
    assert first.failed == second.failed == {}
    await work(service)
    assert jobs(service) == dict.fromkeys(("p6", "p5", "p4", "p3", "p2"), "archived")
    assert (await reconcile(service)).is_empty
    assert {(job["requested_by"], job["attempt"]) for job in service.jobs()} == {("policy", 1)}


async def test_a_backlog_of_ten_thousand_floods_nothing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(TABLE)
    await service.runtime.policies.set(Policy(readings(service), 30 * DAY))
    chunks = [
        Chunk(
            hypertable=readings(service),
            relation=Relation(service.schema, f"c{number}"),
            kind="native",
            time_column="time",
            time_type="timestamp with time zone",
            range=ChunkRange(f"2000-01-01T00:00:00.{number:06d}Z", f"2000-01-01T00:00:00.{number + 1:06d}Z"),
            oid=10_000_000 + number,
        )
        for number in range(10_000)
    ]

    async def find(hypertable: Relation, cutoff: str | int) -> list[Chunk]:
        return chunks

    due: Any = service.runtime.reconciler._policies
    monkeypatch.setattr(due._due, "_find_chunks", find)
    for _ in range(3):
        await asyncio.gather(*(reconcile(service) for _ in range(3)))
    assert jobs(service) == {"c0": "queued", "c1": "queued", "c2": "queued"}
    service.execute(
        "update archival.job set status = 'archived', settled = true, finished_at = now(), announced = true;"
        # of the name of one that is due, and of another range
        "insert into archival.job (kind, hypertable, chunk, status, settled, range_end, request_key, requested_by, announced)"
        " values ('archive', '$s.readings', '$s.c3', 'archived', true, '1999-01-01T00:00:00Z', 'k', 'test', true)"
    )
    assert (await reconcile(service)).policies.queued == 3
    assert [job["chunk"].rpartition(".")[2] for job in service.jobs() if job["status"] == "queued"] == ["c3", "c4", "c5"]


@pytest.mark.parametrize(("status", "is_due"), [("failed", False), ("cancelled", False), ("skipped", True)])
async def test_what_failed_is_a_persons_to_retry(service: Service, status: str, is_due: bool) -> None:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.p6")
    await service.runtime.event_drain.drain()
    service.execute(f"update archival.job set status = '{status}', announced = true")
    await service.runtime.policies.set(Policy(readings(service), 6 * DAY))
    assert (await reconcile(service)).policies.queued == int(is_due)


async def test_a_new_table_under_the_name_of_a_removed_one_is_due(service: Service) -> None:
    service.execute(TABLE)
    await service.runtime.policies.set(Policy(readings(service), 6 * DAY, 6 * DAY))
    await reconcile(service)
    await work(service)
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 1
    assert (await reconcile(service)).is_empty
    [(start, end)] = service.rows("select range_start, range_end from archival.job")
    service.execute(f"create table $s.p6 partition of $s.readings for values from ('{start}') to ('{end}')")
    service.execute(f"insert into $s.readings values ('{start}', 0)")
    assert (await reconcile(service)).policies.queued == 1
    await work(service)
    assert [(job["status"], job["revision"]) for job in service.jobs()] == [("removed", 0), ("archived", 1)]
    assert (await reconcile(service)).is_empty


async def test_what_was_restored_is_not_due(service: Service) -> None:
    service.execute(TABLE)
    await service.runtime.policies.set(Policy(readings(service), 5 * DAY))
    await reconcile(service)
    await work(service)
    # p6 was removed and restored into a chunk of another name, p5 is another time's
    service.execute("update archival.job set restored_at = now(), chunk = '$s.gone' where chunk like '%p6'")
    service.execute("delete from archival.job where chunk like '%p5'")
    assert len((await service.runtime.reconciler._adoption.adopt(time.monotonic() + 60)).adopted) == 1
    assert (await reconcile(service)).policies.queued == 0
    service.execute(
        "update archival.job set restored_at = null where chunk like '%gone';"
        # it is just being restored
        "insert into archival.job"
        " (kind, status, hypertable, chunk, range_start, range_end, request_key, requested_by, restores)"
        " select 'restore', 'running', hypertable, chunk, range_start, range_end, 'r', 'test', job_id from archival.job"
        " where chunk like '%gone'"
    )
    assert (await reconcile(service)).policies.queued == 0
    service.execute("update archival.job set status = 'failed' where kind = 'restore'")
    assert (await reconcile(service)).policies.queued == 1


async def restore(service: Service) -> None:
    request = RestoreRequest(readings(service), None, ChunkRange(None, None), RestoreWish(), uuid4().hex, "a test")
    await service.runtime.restore_requests.request(request)
    assert await service.restore() == []


async def overdue(service: Service) -> str | None:
    """By the question itself: the page keeps its answer for a minute."""
    found = await service.runtime.insights._overdue._ask()
    chunk = found[str(readings(service))]
    return chunk.chunk.rpartition(".")[2] if chunk else None


async def test_what_was_restored_is_not_overdue(service: Service) -> None:
    service.execute(TABLE)
    await service.runtime.policies.set(Policy(readings(service), 6 * DAY, 6 * DAY))
    assert await overdue(service) == "p6"
    await reconcile(service)
    assert await overdue(service) == "p6", "a job that waits has archived nothing"
    await work(service)
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 1
    assert await overdue(service) is None
    # the rows come back into a partition of another name, as TimescaleDB's chunks have one
    [(start, end)] = service.rows("select range_start, range_end from archival.job")
    service.execute(f"create table $s.again partition of $s.readings for values from ('{start}') to ('{end}')")
    service.execute(
        "insert into archival.job"
        " (kind, status, hypertable, chunk, range_start, range_end, request_key, requested_by, restores)"
        " select 'restore', 'running', hypertable, chunk, range_start, range_end, 'r', 'test', job_id from archival.job"
    )
    assert await overdue(service) is None, "it is just being restored"
    service.execute("delete from archival.job where kind = 'restore'")
    assert await overdue(service) == "again", "nothing of it was restored yet"
    await restore(service)
    assert service.rows("select count(*) from $s.again") == [(1,)]
    assert await overdue(service) is None
    assert (await reconcile(service)).policies.queued == 0, "and no policy archives it by itself"


async def test_a_new_table_under_the_name_of_a_removed_one_is_overdue(service: Service) -> None:
    service.execute(TABLE)
    await service.runtime.policies.set(Policy(readings(service), 6 * DAY, 6 * DAY))
    await reconcile(service)
    await work(service)
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 1
    [(start, end)] = service.rows("select range_start, range_end from archival.job")
    service.execute(f"create table $s.p6 partition of $s.readings for values from ('{start}') to ('{end}')")
    assert await overdue(service) == "p6"
    await reconcile(service)
    service.execute("update archival.job set status = 'failed', announced = true where status = 'queued'")
    assert await overdue(service) == "p6", "a job that failed has archived nothing"


async def test_one_policy_that_cannot_be_followed_keeps_no_other_from_it(service: Service) -> None:
    service.execute(TABLE)
    service.execute("create table $s.numbers (n bigint not null) partition by range (n)")
    await service.runtime.policies.set(Policy(readings(service), 6 * DAY))
    for name in ("$s.nowhere", "$s.numbers", "a.b.c"):
        service.execute(f"insert into archival.policy values ('{name}', '1 day')")
    service.execute("insert into archival.policy values ('$s.off', '1 day', null, false)")
    report = await reconcile(service)
    assert (report.policies.queued, report.failed) == (1, {})
    problems = report.policies.problems
    assert sorted(problems) == [f"{service.schema}.nowhere", f"{service.schema}.numbers"]
    assert "neither a hypertable" in problems[f"{service.schema}.nowhere"]
    assert "no age" in problems[f"{service.schema}.numbers"]
    listed = {str(policy.hypertable): policy.problem for policy in await service.runtime.policies.all()}
    assert listed == {**problems, f"{service.schema}.readings": None, f"{service.schema}.off": None}
    assert "is not a table name" in service.rows("select problem from archival.policy where hypertable = 'a.b.c'")[0][0]
    service.execute("create table $s.nowhere (time timestamptz not null) partition by range (time)")
    assert sorted((await reconcile(service)).policies.problems) == [f"{service.schema}.numbers"]
    assert service.rows("select problem from archival.policy where hypertable = '$s.nowhere'") == [(None,)]


async def test_a_policy_is_checked_when_it_is_set(service: Service) -> None:
    service.execute(TABLE)
    service.execute("create table $s.numbers (n bigint not null) partition by range (n)")
    policies, table = service.runtime.policies, readings(service)
    for policy, code in (
        (Policy(table, timedelta(0)), "invalid-policy"),
        (Policy(table, -DAY), "invalid-policy"),
        (Policy(table, 400_000 * DAY), "invalid-policy"),
        (Policy(table, 2 * DAY, DAY), "invalid-policy"),
        (Policy(Relation(service.schema, "nowhere"), DAY), "unknown-hypertable"),
        (Policy(Relation(service.schema, "numbers"), DAY), "no-clock-time"),
    ):
        with pytest.raises(PermanentError) as caught:
            await policies.set(policy)
        assert caught.value.code == code
    assert await policies.all() == []
    # nor can one by hand stop all others
    for ages in ("'3000000 years', null", "'-1 day', null", "'1 day', '3000000 years'"):
        with pytest.raises(psycopg.errors.CheckViolation):
            service.execute(f"insert into archival.policy values ('$s.readings', {ages})")
    await policies.set(Policy(table, DAY, 2 * DAY))
    await policies.set(Policy(table, 360_000 * DAY, None, enabled=False))
    assert await policies.all() == [Policy(table, 360_000 * DAY, None, enabled=False)]
    await policies.delete(table)
    with pytest.raises(PermanentError) as caught:
        await policies.delete(table)
    assert caught.value.code == "unknown-policy"


async def test_a_preview_shows_what_is_due_and_changes_nothing(service: Service) -> None:
    service.execute(TABLE)
    found = await service.runtime.policies.preview(readings(service), 4 * DAY, 10)
    assert [due.chunk.relation.name for due in found] == ["p6", "p5", "p4"]
    assert all(due.bytes and due.bytes >= 8192 and due.chunk.range.end for due in found)
    assert [due.chunk.relation.name for due in await service.runtime.policies.preview(readings(service), 4 * DAY, 1)] == ["p6"]
    assert service.jobs() == []
    await service.runtime.policies.set(Policy(readings(service), 5 * DAY))
    await reconcile(service)
    found = await service.runtime.policies.preview(readings(service), 4 * DAY, 10)
    assert [due.chunk.relation.name for due in found] == ["p4"]


async def test_an_event_that_redis_lost_is_made_up_for(service: Service) -> None:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.p6")
    await service.redis.delete(service.names["EVENTS_STREAM"])
    assert (await service.runtime.event_drain.drain()).events == 0
    await service.runtime.policies.set(Policy(readings(service), 6 * DAY))
    await reconcile(service)
    await service.work()
    assert jobs(service) == {"p6": "archived"}


async def test_the_backlog_is_filled_up_before_it_is_done(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(TABLE)
    await service.runtime.policies.set(Policy(readings(service), DAY))
    own: Any = service.runtime.policy_jobs
    monkeypatch.setattr(own, "_backlog", 2)
    searched: list[Relation] = []
    due = own._due.of

    async def counted(hypertable: Relation, cutoff: str, limit: int) -> list[Chunk]:
        searched.append(hypertable)
        found: list[Chunk] = await due(hypertable, cutoff, limit)
        return found

    monkeypatch.setattr(own._due, "of", counted)
    assert (await own.refill()).queued == 0, "no run has found anything yet"
    assert (await reconcile(service)).policies.queued == 2
    assert (await own.refill()).queued == 0
    first, second = service.messages()
    await service.runtime.archival_processor.process(first)
    assert (await own.refill()).queued == 1
    await service.runtime.archival_processor.process(second)
    while await own.refill() != PolicyReport():
        await work(service)
    assert len(service.jobs()) == 6
    before = len(searched)
    assert (await own.refill()).queued == 0
    assert len(searched) == before, "the catalog is not asked for nothing"
