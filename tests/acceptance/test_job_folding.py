"""Rows of jobs that nobody asks about any more become counts; what is told stays true, and no archive is ever among them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from archival_core.flows.insight import insights
from archival_core.flows.upkeep.sweeps import job_folding
from archival_core.flows.upkeep.sweeps.job_folding import FoldingReport
from archival_core.ledger.upkeep.folding import Folding
from archival_core.model.asking.policy import Policy
from archival_core.model.chunks.chunk import Relation
from tests.acceptance.api_client import api_client

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

MINUTE, KEEP_FOR = timedelta(minutes=1), timedelta(days=90)
TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
insert into $s.readings select t, 1 from generate_series(timestamptz '2026-01-01Z', '2026-03-31Z', '1 day') t;
"""
TALLIES = {
    "jobs": "select hypertable, kind, status, sum(jobs) from archival.job_tally group by 1, 2, 3 having sum(jobs) <> 0",
    "outcomes": "select hypertable, outcome, sum(jobs), sum(rows) from archival.outcome_tally group by 1, 2",
    "days": "select day, hypertable, outcome, sum(jobs), sum(rows) from archival.day_tally group by 1, 2, 3",
    "freed": "select day, hypertable, sum(source_bytes) from archival.freed_tally group by 1, 2 having sum(source_bytes) <> 0",
}
FILL = """
insert into archival.job (kind, hypertable, chunk, status, request_key, requested_by, requested_at, finished_at, announced)
select 'archive', '$s.readings', '$s.c' || i, 'failed', '{key}/' || i, 'test', now() - interval '101 days',
       now() - interval '100 days', true from generate_series(1, {count}) i
"""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMOVAL_GRACE", "PT0S")
    monkeypatch.setattr(insights, "_GOOD_FOR", 0.0)


async def ask(service: Service, *chunks: str, remove: bool = False) -> None:
    for chunk in chunks:
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}", remove=remove)


async def archive(service: Service, *chunks: str, remove: bool = False) -> None:
    await ask(service, *chunks, remove=remove)
    await service.work()
    if remove:
        await service.runtime.chunk_removal.remove_due(MINUTE)


async def fold(service: Service) -> FoldingReport:
    report = await service.runtime.reconciler.reconcile(MINUTE)
    assert report.failed == {}
    return report.folding


def months_pass(service: Service) -> None:
    """All that is recorded was a hundred days ago."""
    for column in ("requested_at", "started_at", "finished_at"):
        service.execute(f"update archival.job set {column} = {column} - interval '100 days'")
    service.execute("update archival.stream_position set seen_at = seen_at - interval '100 days'")


async def fill(service: Service, count: int, key: str = "request") -> None:
    """Failed jobs of long ago, each for a chunk that is not there."""
    await service.runtime.ledger.ping()
    service.execute(FILL.format(count=count, key=key))


async def events_go(service: Service) -> None:
    """The entries of the events are trimmed away; one that is of no use stays."""
    await service.redis.xadd(service.names["EVENTS_STREAM"], {"event": "of no use"})
    await service.runtime.event_drain.drain()
    for _ in range(2):
        service.execute("update archival.stream_position set seen_at = seen_at - interval '100 days'")
        await service.runtime.reconciler._streams.trim()
    assert await service.redis.xlen(service.names["EVENTS_STREAM"]) == 1


def statuses(service: Service) -> list[str]:
    return sorted(job["status"] for job in service.jobs())


def tallies(service: Service) -> dict[str, list[tuple[Any, ...]]]:
    return {name: sorted(service.rows(query)) for name, query in TALLIES.items()}


async def told() -> list[Any]:
    """What people and programs are shown in numbers."""
    async with api_client() as http:
        lines = (await http.get("/metrics")).text.splitlines()
        changing = ("archival_scrape", "archival_stream", "archival_oldest", "archival_dead", "archival_queue")
        numbers = sorted(line for line in lines if not line.startswith(("#", *changing)))
        timeline = (await http.get("/dashboard/timeline", params={"days": 366})).json()
        overview = (await http.get("/dashboard/overview")).json()["numbers"]
        return [numbers, timeline, overview]


async def every_kind(service: Service) -> None:
    """Jobs of every end that there is."""
    service.execute(TABLE)
    await archive(service, "jan", remove=True)
    await archive(service, "feb", "nowhere", "nothing")
    await archive(service, "feb")  # a duplicate
    await ask(service, "mar")
    await service.runtime.event_drain.drain()
    [waiting] = [job for job in service.jobs() if job["status"] == "queued"]
    await service.runtime.jobs.cancel(waiting["job_id"], "test")
    async with api_client() as http:
        wish = {"hypertable": f"{service.schema}.readings", "chunk": f"{service.schema}.jan"}
        assert (await http.post("/restores", json=wish)).status_code == 202
    assert statuses(service) == ["archived", "cancelled", "failed", "failed", "queued", "removed", "skipped"]
    [restore] = [job for job in service.jobs() if job["kind"] == "restore"]
    service.execute(
        'update archival.job set status = \'failed\', finished_at = now(), error = \'{"code": "poisoned", "message": "x"}\''
        f" where job_id = '{restore['job_id']}'"
    )
    for job in service.jobs():
        await service.runtime.ledger.mark_announced(job["job_id"])


async def test_what_is_told_stays_true(service: Service) -> None:
    await every_kind(service)
    await events_go(service)
    assert (await fold(service)).jobs == 0, "all of them are young"
    months_pass(service)
    service.execute("select archival.count_again()")
    before, counted = await told(), tallies(service)
    # of a chunk that is there, a cancelled job is the last word
    assert (await fold(service)).jobs == 4
    assert statuses(service) == ["archived", "cancelled", "removed"]
    assert tallies(service) == counted
    assert await told() == before
    service.execute("select archival.count_again()")
    assert tallies(service) == counted
    assert await fold(service) == FoldingReport()
    days = service.rows("select kind, status, jobs from archival.folded_job order by kind, status")
    assert days == [("archive", "failed", 2), ("archive", "skipped", 1), ("restore", "failed", 1)]


async def test_nothing_that_may_be_an_archive_is_folded_away(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    await events_go(service)
    service.execute("drop table $s.readings")
    months_pass(service)
    folding = service.runtime.reconciler._folding
    for status in ("archived", "removed", "superseded", "restored", "failed", "cancelled"):
        # such as a ledger that was put back to before the end of the job; its declared manifest is what a mark may name
        service.forge_ledger(f"update archival.job set status = '{status}', lake_path = null")
        assert (await folding.fold(float("inf"))).jobs == 0, status
    service.execute("update archival.job set declared = '{}'")
    assert (await folding.fold(float("inf"))).jobs == 1, "a job that was cancelled before it had anything to publish"


async def test_a_failure_that_nobody_was_told_of_stays(service: Service) -> None:
    await fill(service, 2)
    service.execute("update archival.job set announced = false where chunk like '%c1'")
    await service.runtime.reconciler._folding.fold(float("inf"))
    [job] = service.jobs()
    assert not job["announced"]
    assert (await fold(service)).jobs == 1, "reconcile tells of it, and folds it afterwards"
    [result] = await service.results()
    assert result["type"] == "archival.chunk.failed"


@pytest.mark.parametrize("status", ["failed", "cancelled"])
async def test_the_last_word_about_a_chunk_that_is_there_stays(service: Service, status: str) -> None:
    service.execute(TABLE)
    policy = Policy(Relation(service.schema, "readings"), timedelta(days=1))
    await service.runtime.policies.set(policy)
    await fold(service)
    [job, *others] = sorted((job for job in service.jobs()), key=lambda job: job["chunk"])
    service.messages()
    service.execute(f"update archival.job set status = '{status}', finished_at = now(), announced = true")
    months_pass(service)
    kept = len(others) + 1
    assert (await fold(service)).jobs == 0
    assert len(service.jobs()) == kept, "neither folded away nor asked for again"
    # a later job says more about the chunk; another chunk is not there any more
    asked = await service.runtime.dead_letters.retry(others[0]["job_id"])
    assert asked.job_id == others[0]["job_id"]
    async with api_client() as http:
        wish = {"hypertable": job["hypertable"], "chunk": job["chunk"]}
        assert (await http.post("/archives", json=wish)).status_code == 202
    service.execute(f"drop table {others[-1]['chunk']}")
    assert (await fold(service)).jobs == 2
    left = {found["job_id"] for found in service.jobs()}
    assert job["job_id"] not in left
    assert others[-1]["job_id"] not in left
    assert others[0]["job_id"] in left


async def test_an_event_that_comes_again_finds_its_job(service: Service) -> None:
    service.execute(TABLE)
    await ask(service, "jan", "feb")
    await service.runtime.event_drain.drain()
    service.messages()
    for job in service.jobs():
        await service.runtime.jobs.cancel(job["job_id"], "test")
    # the chunk is gone for a while, so nothing but the event keeps the job
    service.execute("alter table $s.readings rename to other; alter table $s.jan rename to other_jan")
    await fold(service)
    months_pass(service)
    service.execute("update archival.stream_position set seen_at = now()")
    await service.redis.xgroup_destroy(service.names["EVENTS_STREAM"], "archival-service")
    assert (await fold(service)).jobs == 0
    await service.runtime.event_drain.drain()
    assert statuses(service) == ["cancelled", "cancelled"]
    assert service.messages() == []
    await events_go(service)
    assert (await fold(service)).jobs == 1, "February is there"


async def test_a_job_that_is_retried_meanwhile_stays(service: Service) -> None:
    await fill(service, 3)
    folding = Folding(service.runtime._pool)
    found = await folding.foldable(KEEP_FOR, "", UUID(int=0), UUID(int=2**128 - 1), 10)
    await service.runtime.dead_letters.retry(found[0].job_id)
    assert await folding.fold([job.job_id for job in found], KEEP_FOR) == 2
    assert await folding.fold([job.job_id for job in found], KEEP_FOR) == 0, "twice is once"
    assert [(job["job_id"], job["status"]) for job in service.jobs()] == [(found[0].job_id, "queued")]
    assert service.rows("select sum(jobs)::int from archival.job_tally where status = 'failed'") == [(2,)]


async def test_many_are_folded_bit_by_bit(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_folding, "_LOOKED_AT", 700)
    monkeypatch.setattr(job_folding, "_BATCH", 250)
    service.execute(TABLE)
    await fill(service, 2000)
    # chunks that are there are looked at again and again, and keep no other from its turn
    service.execute("update archival.job set chunk = '$s.jan', hypertable = '$s.r' || job_id where chunk like '%00'")
    folded: list[int] = []
    while sum(folded) < 1980 and len(folded) < 50:
        folded.append((await service.runtime.reconciler._folding.fold(float("inf"))).jobs)
    assert max(folded) <= 700
    assert service.rows("select count(*), (select sum(jobs)::int from archival.folded_job) from archival.job") == [(20, 1980)]
    # a run whose time is over does nothing
    await fill(service, 10, "later")
    assert (await service.runtime.reconciler._folding.fold(0.0)).jobs == 0


async def test_parts_of_an_ended_job_go_with_their_files(service: Service) -> None:
    await fill(service, 2)
    service.execute("update archival.job set progress = '{}'")
    service.execute("update archival.job set finished_at = now() where chunk like '%c2'")
    service.execute(
        "insert into archival.part (job_id, number, part) select job_id, n, '{}' from archival.job, generate_series(1, 3) n"
    )
    report = await service.runtime.reconciler._folding.fold(0.0)
    assert report == FoldingReport(jobs=0, parts=3)
    assert service.rows("select chunk like '%c2', progress is null from archival.job order by 1") == [
        (False, True),
        (True, False),
    ]


async def test_lines_of_history_go_after_the_same_time(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb", "mar")
    before = service.rows("select count(*) from archival.job_event")
    service.execute(
        "update archival.job_event set at = at - interval '100 days' where job_id in"
        " (select job_id from archival.job where chunk <> '$s.jan')"
    )
    folding, forgotten = Folding(service.runtime._pool), [0]
    while len(forgotten) < 5:
        # each run looks at one stretch of the history
        forgotten.append(await folding.forget_events(KEEP_FOR, UUID(int=0), 2))
        assert forgotten[-1] <= 2
    forgotten.append(await folding.forget_events(KEEP_FOR, UUID(int=0), 1000))
    left = service.rows("select j.chunk from archival.job_event join archival.job j using (job_id)")
    assert {chunk.rpartition(".")[2] for (chunk,) in left} == {"jan"}
    assert before == [(sum(forgotten) + len(left),)]
    assert len(service.jobs()) == 3


async def test_whatever_names_a_job_is_found_by_an_index(service: Service) -> None:
    """Each job that is deleted is looked for in every table that may name the job."""
    await service.runtime.ledger.ping()
    searched = service.rows("""
        select c.conrelid::regclass::text, a.attname
        from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
        where c.contype = 'f' and c.confrelid = 'archival.job'::regclass and not exists (
            select from pg_index i
            where i.indrelid = c.conrelid and i.indkey[0] = a.attnum
              and coalesce(pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname), true))
    """)
    assert searched == []
