"""An outage is nobody's failure: whatever is away, and for how long, jobs and events wait, and go on by themselves."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from redis.asyncio import Redis

from archival_core.clients import queue as queue_client
from archival_core.clients.queue import QueueClient
from archival_core.errors import AwayError, TransientError
from archival_core.flows.insight.readiness import ReadinessCheck
from archival_core.lake import transfers
from dev.lake_emulator import Emulator, Fault
from tests.acceptance.conftest import Service, open_service
from tests.acceptance.impatient_host import ImpatientHost
from tests.faults.loop_thread import LoopThread
from tests.faults.proxy import Proxy, Weather, proxied

JOBS, EVENTS = 6, 4
#: longer than five deliveries in a row take, and than five drains
OUTAGE_SECONDS = 1.5
PATIENCE_SECONDS = 90.0
DAY = """
create table $s.d{0:02d} partition of $s.readings for values from ('2026-01-{1:02d}Z') to ('2026-01-{2:02d}Z');
insert into $s.readings values ('2026-01-{1:02d} 12:00Z');
"""
TABLE = "create table $s.readings (time timestamptz not null) partition by range (time);" + "".join(
    DAY.format(day, day + 1, day + 2) for day in range(JOBS + EVENTS)
)


@dataclass
class World:
    """A service that reaches every server through a proxy, and a ledger of its own."""

    service: Service
    host: ImpatientHost
    proxies: dict[str, Proxy]
    #: whose loop the proxies run in: the test's own hands go through them too, and block
    loop: LoopThread
    ledger_url: str

    async def ask(self, first: int, count: int) -> None:
        table = f"{self.service.schema}.readings"
        for day in range(first, first + count):
            await self.service.publish(hypertable=table, chunk=f"{self.service.schema}.d{day:02d}")

    def jobs(self) -> dict[str, str]:
        with psycopg.connect(self.ledger_url) as connection:
            return dict(connection.execute("select chunk, status from archival.job order by chunk").fetchall())

    def ledger(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.ledger_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def archived(self) -> int:
        return sum(status == "archived" for status in self.jobs().values())

    @asynccontextmanager
    async def away(self, dependency: str) -> AsyncIterator[None]:
        """Every connection is cut, and none is made."""
        if dependency == "lake":
            self.service.emulator.faults.append(Fault("*", "", "status", status=503, code="ServerBusy", times=10**6))
        else:
            proxy = self.proxies[dependency]
            proxy.weather = Weather("refuse")
            self.loop.run(proxy.close())
        try:
            yield
        finally:
            self.service.emulator.faults.clear()
            self.loop.run(self._heal())

    async def _heal(self) -> None:
        for proxy in self.proxies.values():
            proxy.heal()


@pytest.fixture
async def world(
    own_database_url: str,
    source_database_url: str,
    redis_url: str,
    storage_connection: str,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[World]:
    monkeypatch.setattr("archival_core.ledger.pool._WAIT_SECONDS", 2.0)
    for retries in (transfers.RETRIES, queue_client._RETRIES):
        monkeypatch.setitem(retries, "retry_total", 0)
    with LoopThread() as loop:
        proxies: dict[str, Proxy] = {}

        def through(dependency: str, url: str) -> str:
            port = urlsplit(url).port
            assert port is not None
            proxies[dependency] = loop.enter(proxied(port))
            return re.sub(f":{port}\\b", f":{proxies[dependency].port}", url)

        endpoint = next(part for part in storage_connection.split(";") if part.startswith("QueueEndpoint=")).partition("=")[2]
        storage = storage_connection.replace(endpoint, through("queue", endpoint))
        monkeypatch.setenv("LEDGER_DATABASE_URL", through("ledger", own_database_url))
        source, redis = through("source", source_database_url), through("redis", redis_url)
        async for service in open_service(source, redis, storage, emulator, monkeypatch):
            service.execute(TABLE)
            # the test's own hands see what is there all the while
            await service.redis.aclose()
            service.redis = Redis.from_url(redis_url)
            await service.runtime.ledger.ping()
            host = ImpatientHost(service)
            yield World(service, host, proxies, loop, own_database_url)
            await host.close()


@pytest.mark.parametrize(
    "dependency", ["source", "lake", *(pytest.param(name, marks=pytest.mark.slow) for name in ("ledger", "queue", "redis"))]
)
async def test_jobs_and_events_outlive_an_outage(world: World, dependency: str) -> None:
    await world.ask(0, JOBS)
    assert (await world.service.runtime.event_drain.drain()).queued == JOBS
    await world.ask(JOBS, EVENTS)
    async with world.away(dependency):
        await world.host.run(lambda: False, OUTAGE_SECONDS)
        answers = await ReadinessCheck(world.service.runtime.probes(), ()).check()
        assert not answers[dependency]
        seen, archived = world.host.deliveries, world.archived()
    back = time.monotonic()
    assert await world.host.run(lambda: world.archived() > archived or archived == JOBS + EVENTS, PATIENCE_SECONDS)
    first = time.monotonic() - back
    assert await world.host.run(lambda: world.archived() == JOBS + EVENTS, PATIENCE_SECONDS), world.jobs()
    assert await world.service.results("DEAD_STREAM") == []
    assert first < 30
    # while something is away that jobs need, they wait with the message in hand instead of trying one after the other
    assert dependency == "redis" or seen < 3 * JOBS, seen


async def test_jobs_are_told_after_an_outage_of_redis(world: World) -> None:
    await world.ask(0, 2)
    await world.service.runtime.event_drain.drain()
    async with world.away("redis"):
        assert await world.host.run(lambda: world.archived() == 2, PATIENCE_SECONDS)
    assert await world.service.results() == []
    world.ledger("update archival.job set finished_at = finished_at - interval '1h'")
    assert (await world.service.runtime.reconciler.reconcile(timedelta(minutes=1))).announced == 2
    assert [result["type"] for result in await world.service.results()] == ["archival.chunk.archived"] * 2


READ_ONLY = """
create function public.refuse() returns trigger language plpgsql as
    $$ begin raise exception 'cannot execute UPDATE in a read-only transaction' using errcode = '25006'; end $$;
create trigger refuse before insert or update on archival.job for each statement execute function public.refuse();
"""


async def test_a_ledger_that_can_only_be_read_postpones(world: World) -> None:
    """As Azure makes a server whose disk is nearly full. Questions are answered all the while."""
    await world.ask(0, JOBS)
    await world.service.runtime.event_drain.drain()
    await world.ask(JOBS, EVENTS)
    world.ledger(READ_ONLY)
    await world.host.run(lambda: False, OUTAGE_SECONDS)
    world.ledger("drop trigger refuse on archival.job")
    assert await world.host.run(lambda: world.archived() == JOBS + EVENTS, PATIENCE_SECONDS), world.jobs()
    assert await world.service.results("DEAD_STREAM") == []


async def test_a_queue_that_takes_nothing_poisons_no_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages come, and none can be sent: the lake is away as well, so every delivery is in vain, and poisoned at last. Nor is
    it held against a job now that its workers were killed before."""
    await world.ask(0, 3)
    await world.service.runtime.event_drain.drain()
    world.ledger("""update archival.job set failures = '{"interrupted": 4}'""")

    async def refused(*_: Any, **__: Any) -> None:
        raise AwayError("the queue does not take messages", code="queue", dependency="queue")

    async with world.away("lake"):
        with monkeypatch.context() as patched:
            patched.setattr(QueueClient, "send", refused)
            await world.host.run(lambda: world.host.poisoned >= 3, PATIENCE_SECONDS)
    assert set(world.jobs().values()) == {"queued"}
    # what is left without a message gets one from reconcile
    world.ledger("update archival.job set messaged_at = messaged_at - interval '1h'")
    await world.service.runtime.reconciler.reconcile(timedelta(minutes=1))
    assert await world.host.run(lambda: world.archived() == 3, PATIENCE_SECONDS), world.jobs()


async def test_what_a_job_fails_at_by_itself_ends_it(world: World) -> None:
    """A file that never reads back as it was written, in five attempts; an outage in between counts for nothing."""
    await world.ask(0, 2)
    await world.service.runtime.event_drain.drain()
    world.service.emulator.faults.append(Fault("GET", ".parquet", "flip_bit", times=10**6))
    assert await world.host.run(lambda: "failed" in world.jobs().values(), PATIENCE_SECONDS)
    world.service.emulator.faults.clear()
    [(chunk, error, failures)] = world.ledger("select chunk, error, failures from archival.job where status = 'failed' limit 1")
    # by the way that the flipped bit was found
    assert error["code"] in ("lake-damaged-transfer", "read-back-differs")
    assert (error["poisoned"], sum(failures.values())) == (True, 5)
    assert chunk in [result["subject"] for result in await world.service.results() if result["type"].endswith("failed")]


async def test_a_chunk_that_brings_its_server_down_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt breaks its connection in the middle of reading, as an outage would; an outage does not do so for ever."""
    monkeypatch.setattr("archival_core.model.jobs.setback.LOST_CONNECTIONS", 3)
    await world.ask(0, 1)
    await world.service.runtime.event_drain.drain()
    world.proxies["source"].weather = Weather("drop_answer", contains=b"pg_export_snapshot")
    assert await world.host.run(lambda: "failed" in world.jobs().values(), PATIENCE_SECONDS)
    [(error,)] = world.ledger("select error from archival.job")
    assert error["poisoned"]


async def test_deliveries_bury_no_event(world: World) -> None:
    """Each drain ends in the middle, with the batch delivered."""
    await world.ask(0, 3)
    runtime = world.service.runtime
    for _ in range(6):
        async with world.away("queue"):
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(runtime.dependencies, "look_at", _nothing)
                assert (await runtime.event_drain.drain()).away == "queue"
    # no trial is held against an event that an outage kept from its end
    assert world.ledger("select * from archival.event_trial where trials > 0") == []
    report = await runtime.event_drain.drain()
    assert (report.queued + report.duplicates, report.buried) == (3, 0)
    assert world.ledger("select * from archival.event_trial") == []


async def _nothing(*_: object) -> None:
    return None


async def test_an_event_that_fails_by_itself_is_buried_alone(world: World) -> None:
    """The event kills the drain while it is in the stream: five drains later the event is tried alone, and then found out."""
    await world.ask(0, 1)
    table = f"{world.service.schema}.readings"
    await world.service.publish(hypertable=table, older_than="2026-02-01T00:00:00Z")
    await world.ask(1, 1)
    drain: Any = world.service.runtime.event_drain

    class KilledError(BaseException):
        pass

    async def kill(*_: object) -> Any:
        raise KilledError

    drain._find_chunks = kill
    for _ in range(20):
        try:
            report = await drain.drain()
        except KilledError:
            continue
        break
    assert report.buried == 1
    assert sorted(world.jobs()) == [f"{world.service.schema}.d00", f"{world.service.schema}.d01"]
    [dead] = await world.service.results("DEAD_STREAM")
    assert dead["dead.reason"] == "over-delivered: failed 5 times by itself"


async def test_an_event_that_is_not_understood_now_comes_again(world: World) -> None:
    await world.service.publish(hypertable=f"{world.service.schema}.readings", older_than="2026-01-02T00:00:00Z")
    drain: Any = world.service.runtime.event_drain
    find = drain._find_chunks

    async def busy(*_: object) -> Any:
        raise TransientError("the source database answers XX000", code="source-failed")

    drain._find_chunks = busy
    assert (await drain.drain()).postponed == 1
    drain._find_chunks = find
    assert (await drain.drain()).queued == 1


@pytest.mark.slow
async def test_removals_and_verifications_wait(world: World) -> None:
    await world.ask(0, 3)
    assert await world.host.run(lambda: world.archived() == 3, PATIENCE_SECONDS)
    world.ledger("update archival.job set remove = true, finished_at = now() - interval '40d'")
    runtime, budget = world.service.runtime, timedelta(minutes=1)
    for dependency in ("source", "ledger", "lake"):
        world.ledger("update archival.job set verified_at = null")
        async with world.away(dependency):
            removal, verification = (
                await runtime.chunk_removal.remove_due(budget),
                await runtime.verification.verify_due(budget),
            )
        assert (removal.away, removal.kept) == (dependency, {})
        assert verification.away == (None if dependency == "source" else dependency)
    # nothing is noted against a chunk, so that it goes with the next run
    assert world.ledger("select 1 from archival.job where removal_error is not null") == []
    async with world.away("redis"):
        assert (await runtime.chunk_removal.remove_due(budget)).removed == 3
    assert set(world.jobs().values()) == {"removed"}


async def test_policies_ask_for_nothing_meanwhile(world: World) -> None:
    table = f"{world.service.schema}.readings"
    world.ledger(f"insert into archival.policy (hypertable, archive_after) values ('{table}', 'P1D')")
    async with world.away("lake"):
        report = await world.service.runtime.reconciler.reconcile(timedelta(minutes=1))
    assert (report.policies.queued, list(report.failed)) == (0, ["ownership"])
    async with world.away("source"):
        report = await world.service.runtime.reconciler.reconcile(timedelta(minutes=1))
    assert report.policies.queued == 0
    assert "policies" in report.failed
    # an outage is no problem of the policy
    assert world.ledger("select problem from archival.policy") == [(None,)]
