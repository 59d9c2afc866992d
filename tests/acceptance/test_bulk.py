"""A bad day's leftovers, answered by filter: thousands of failed jobs and dead letters, none twice and none lost."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from redis.asyncio import Redis

from archival_core.clients.redis import dead_stream
from dev.servers.processes import free_port
from dev.servers.valkey import ValkeyServer
from tests.acceptance.api_client import api_client
from tests.kit.redis_commands import added, command

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

MANY = 3000
FEWER = 1000
ADDED = ("dead.reason", "dead.stream", "dead.entry_id", "dead.deliveries", "dead.bytes")


@pytest.fixture
async def api(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client() as client:
        yield client


async def post(api: httpx.AsyncClient, path: str, body: object) -> Any:
    answer = await api.post(path, json=body)
    assert answer.status_code == 200, (path, body, answer.text)
    return answer.json()


async def to_the_end(api: httpx.AsyncClient, path: str, body: dict[str, Any]) -> list[Any]:
    """Every call's answer, as the command line makes them."""
    answers = [await post(api, path, body)]
    while answers[-1]["next"] is not None:
        answers.append(await post(api, path, body | {"cursor": answers[-1]["next"]}))
    return answers


async def failed(service: Service, jobs: int, code: str = "database", status: str = "failed") -> None:
    # the ledger is there from its first use on
    await service.runtime.ledger.ping()
    service.execute(
        "insert into archival.job"
        " (kind, hypertable, chunk, status, request_key, requested_by, requested_at, finished_at, error)"
        f" select 'archive', 'public.t', 'public.{code}_' || n, '{status}', '{code}' || n, 'test',"
        f" now() - interval '1 day' + n * interval '1 ms', case '{status}' when 'failed' then now() end,"
        f" jsonb_build_object('code', '{code}', 'message', 'was away') from generate_series(1, {jobs}) n"
    )


def statuses(service: Service, code: str = "") -> Counter[str]:
    rows = service.rows(f"select status from archival.job where request_key like '{code}%'")
    return Counter(status for (status,) in rows)


async def bury(service: Service, letters: int, code: str = "over-delivered") -> None:
    async with service.redis.pipeline(transaction=False) as adding:
        for number in range(letters):
            adding.xadd(
                service.names["DEAD_STREAM"],
                {
                    "event": json.dumps({"number": f"{code}{number}"}),
                    "dead.reason": f"{code}: delivered 6 times, table t{number % 7}",
                    "dead.stream": service.names["EVENTS_STREAM"],
                    "dead.entry_id": f"{number}-0",
                    "dead.deliveries": 6,
                },
            )
        await adding.execute()


async def replayed(service: Service) -> Counter[str]:
    """Every event of the event stream, by its own number, as it came."""
    entries: Any = await service.redis.xrange(service.names["EVENTS_STREAM"])
    assert all(set(fields) == {b"event"} for _, fields in entries)
    return Counter(json.loads(fields[b"event"])["number"] for _, fields in entries)


async def calls(redis: Redis) -> int:
    found: Any = await redis.info("commandstats")
    return sum(told["calls"] for name, told in found.items() if name in ("cmdstat_eval", "cmdstat_xdel", "cmdstat_xadd"))


async def until_done(work: Any, is_done: Any) -> int:
    """Make the same call again and again, and kill it at ever later moments; how often it was killed."""
    kills = 0
    while True:
        task = asyncio.create_task(work())
        done, _ = await asyncio.wait([task], timeout=0.01 * 1.3**kills)
        if done:
            await task
            if await is_done():
                return kills
            continue
        kills += 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_thousands_of_letters_are_replayed_by_code_in_few_round_trips(service: Service, api: httpx.AsyncClient) -> None:
    await bury(service, MANY)
    await bury(service, 50, "invalid-event")
    counted = await post(api, "/dead-letters/replay", {"all": True, "dry_run": True})
    assert (counted["done"], counted["left"], counted["next"]) == (0, MANY + 50, None)
    assert counted["left_by_code"] == {"over-delivered": MANY, "invalid-event": 50}
    before = await calls(service.redis)
    tracemalloc.start()
    answers = await to_the_end(api, "/dead-letters/replay", {"error_code": ["over-delivered"]})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [answer["done"] for answer in answers][:6] == [500] * 6
    assert sum(answer["done"] for answer in answers) == MANY
    assert [answer["left"] for answer in answers][:5] == [2500, 2000, 1500, 1000, 500]
    # the scripts' own calls are among them: two for each letter
    assert await calls(service.redis) - before < 2 * MANY + 200
    assert most < 32 * 1024 * 1024
    found = await replayed(service)
    assert (len(found), set(found.values())) == (MANY, {1})
    left, _ = await service.runtime.dead_letters.page(100)
    assert len(left) == 50
    assert (await post(api, "/dead-letters/replay", {"error_code": ["over-delivered"]}))["done"] == 0


async def test_replays_that_are_killed_and_made_again_lose_and_double_nothing(service: Service, api: httpx.AsyncClient) -> None:
    await bury(service, FEWER)

    async def is_done() -> bool:
        return int(await service.redis.xlen(service.names["DEAD_STREAM"])) == 0

    async def work() -> None:
        await asyncio.gather(*(post(api, "/dead-letters/replay", {"all": True, "limit": 1000}) for _ in range(2)))

    kills = await until_done(work, is_done)
    assert kills > 3
    found = await replayed(service)
    assert (len(found), set(found.values())) == (FEWER, {1})


async def test_what_is_buried_again_is_no_part_of_the_same_pass(service: Service, api: httpx.AsyncClient) -> None:
    await bury(service, 20)
    first = await post(api, "/dead-letters/replay", {"all": True, "limit": 15})
    assert (first["done"], first["left"]) == (15, 5)
    await bury(service, 3, "later")
    second = await post(api, "/dead-letters/replay", {"all": True, "limit": 15, "cursor": first["next"]})
    assert (second["done"], second["left"], second["next"]) == (5, 0, None)
    assert await service.redis.xlen(service.names["DEAD_STREAM"]) == 3


async def test_letters_are_discarded_by_kind_text_and_name(service: Service, api: httpx.AsyncClient) -> None:
    await bury(service, 70)
    for number in range(5):
        await service.runtime.messaging.bury_message(f"message {number}", "unknown-job: job 1 is not in the ledger")
    assert (await post(api, "/dead-letters/replay", {"kind": "message"}))["passed"] == {"not-replayable": 5}
    answer = await post(api, "/dead-letters/discard", {"kind": "message", "reason": "an old ledger's"})
    assert (answer["done"], answer["left"], answer["next"]) == (5, 0, None)
    assert (await post(api, "/dead-letters/discard", {"text": "TABLE T3", "reason": "dropped"}))["done"] == 10
    page = (await api.get("/dead-letters", params={"limit": 100, "text": "table t4"})).json()["dead_letters"]
    named = [letter["entry_id"] for letter in page]
    assert (len(named), {letter["code"] for letter in page}) == (10, {"over-delivered"})
    answer = await post(api, "/dead-letters/discard", {"entry_ids": [*named[:4], "9-9"], "reason": "dropped"})
    assert (answer["done"], answer["passed"]) == (4, {"unknown-dead-letter": 1})
    assert await service.redis.xlen(service.names["DEAD_STREAM"]) == 56
    kept = service.rows("select fields ->> 'message', reason, discarded_by from archival.discarded order by entry_id")
    assert len(kept) == 19
    assert kept[14:] == [(f"message {number}", "an old ledger's", "function key") for number in range(5)]


async def test_discards_that_are_killed_and_made_again_keep_each_letter(service: Service, api: httpx.AsyncClient) -> None:
    await bury(service, FEWER)

    async def is_done() -> bool:
        return int(await service.redis.xlen(service.names["DEAD_STREAM"])) == 0

    async def work() -> None:
        await post(api, "/dead-letters/discard", {"all": True, "limit": 1000, "reason": "a test's"})

    assert await until_done(work, is_done) > 3
    [(rows, events)] = service.rows("select count(*), count(distinct fields ->> 'event') from archival.discarded")
    assert (rows, events) == (FEWER, FEWER)


async def test_a_cluster_that_keeps_the_streams_apart_replays_too(tmp_path: Path) -> None:
    bus = ("--cluster-port", str(free_port()))  # by itself it takes one that may be in use
    with ValkeyServer(tmp_path / "valkey", "--cluster-enabled", "yes", *bus) as server:
        redis = Redis.from_url(server.url)
        await command(redis, "CLUSTER ADDSLOTSRANGE", 0, 16383)
        async with asyncio.timeout(20):
            while (await command(redis, "CLUSTER INFO"))["cluster_state"] != "ok":
                await asyncio.sleep(0.02)
        ids = [
            await added(redis, "dead", {"event": str(number), "dead.reason": "x", "dead.stream": "events"})
            for number in range(5)
        ]
        assert await dead_stream.replay(redis, "dead", "events", [*ids, "9-9"], ADDED) == 5
        assert await dead_stream.replay(redis, "dead", "events", ids, ADDED) == 0
        entries: Any = await redis.xrange("events")
        assert [fields for _, fields in entries] == [{b"event": str(number).encode()} for number in range(5)]
        assert await redis.xlen("dead") == 0
        await redis.aclose()


@pytest.mark.slow
async def test_a_thousand_jobs_are_retried_by_code(service: Service, api: httpx.AsyncClient) -> None:
    await failed(service, FEWER)
    await failed(service, 40, "lake-conflict")
    counted = await post(api, "/jobs/retry", {"all": True, "dry_run": True})
    assert counted["left_by_code"] == {"database": FEWER, "lake-conflict": 40}
    answers = await to_the_end(api, "/jobs/retry", {"error_code": ["database"], "limit": 400})
    assert [(answer["done"], answer["left"]) for answer in answers] == [(400, 600), (400, 200), (200, 0)]
    assert statuses(service) == {"queued": FEWER, "failed": 40}
    assert await service.runtime.queue.count() == FEWER
    again = await post(api, "/jobs/retry", {"error_code": ["database"]})
    assert (again["done"], again["left"], await service.runtime.queue.count()) == (0, 0, FEWER)
    page = (await api.get("/jobs", params={"error_code": "lake-conflict", "limit": 100})).json()
    assert (len(page["jobs"]), page["next"]) == (40, None)


@pytest.mark.slow
async def test_retries_that_are_killed_and_made_again_queue_each_job_once(service: Service, api: httpx.AsyncClient) -> None:
    jobs = 400
    await failed(service, jobs)

    async def is_done() -> bool:
        return statuses(service) == {"queued": jobs}

    async def work() -> None:
        await asyncio.gather(*(post(api, "/jobs/retry", {"all": True, "limit": 1000}) for _ in range(2)))

    kills = await until_done(work, is_done)
    assert kills > 0
    reached: Counter[UUID] = Counter()
    while len(reached) < jobs:
        # what a killed step has recorded and not sent is a lost message, as after any crash
        service.execute("update archival.job set messaged_at = messaged_at - interval '1 hour'")
        await service.runtime.reconciler.reconcile(service.runtime.settings.job_time_budget)
        arrived = Counter(message.job_id for message in service.messages())
        assert arrived, f"{jobs - len(reached)} jobs have no message"
        reached += arrived
        done = ", ".join(f"'{job_id}'" for job_id in arrived)
        service.execute(f"update archival.job set status = 'skipped', finished_at = now() where job_id in ({done})")
    # a message that was sent and not noted comes twice, which is harmless: one step of each killed call at most
    assert reached.total() <= jobs + 2 * 100 * kills


async def test_a_retry_passes_over_what_is_live_or_done_since(service: Service, api: httpx.AsyncClient) -> None:
    await failed(service, 6)
    service.execute(
        "insert into archival.job (kind, hypertable, chunk, status, request_key, requested_by, finished_at, lake_path) values"
        " ('archive', 'public.t', 'public.database_1', 'queued', 'a', 'test', null, null),"
        " ('archive', 'public.t', 'public.database_2', 'archived', 'b', 'test', now(), 'tables/b'),"
        " ('archive', 'public.t', 'public.database_3', 'removed', 'c', 'test', now(), 'tables/c'),"
        " ('archive', 'public.t', 'public.database_4', 'failed', 'd', 'test', now(), null),"
        " ('archive', 'public.t', 'public.database_5', 'cancelled', 'e', 'test', now(), null)"
    )
    answer = await post(api, "/jobs/retry", {"hypertable": "public.t"})
    assert (answer["done"], answer["left"]) == (3, 0)
    assert answer["passed"] == {"chunk-has-a-live-job": 2, "done-since": 2}
    assert service.rows("select status from archival.job where request_key in ('d', 'e') order by request_key") == [
        ("queued",),
        ("cancelled",),
    ]
    ids = [
        str(job_id) for (job_id,) in service.rows("select job_id from archival.job where status in ('cancelled', 'removed')")
    ]
    answer = await post(
        api, "/jobs/retry", {"job_ids": [*ids, "0b9f7a52-5a0c-4c55-9d9e-6f0f5d3c7a10"], "status": ["cancelled"]}
    )
    assert answer["passed"] == {"unknown-job": 1, "not-retryable": 1, "chunk-has-a-live-job": 1}


async def test_jobs_are_cancelled_by_filter(service: Service, api: httpx.AsyncClient) -> None:
    await failed(service, 250, "waits", "queued")
    await failed(service, 5, "failed-before")
    first = await post(api, "/jobs/cancel", {"hypertable": "public.t", "limit": 100})
    assert (first["done"], first["left"]) == (100, 150)
    # what is asked for meanwhile is no part of it
    await failed(service, 3, "later", "queued")
    service.execute("update archival.job set requested_at = now() + interval '1 s' where request_key like 'later%'")
    answers = await to_the_end(api, "/jobs/cancel", {"hypertable": "public.t", "cursor": first["next"]})
    assert sum(answer["done"] for answer in answers) == 150
    assert statuses(service) == {"cancelled": 250, "failed": 5, "queued": 3}
    assert (await post(api, "/jobs/cancel", {"all": True, "status": ["running"]}))["done"] == 0


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/jobs/retry", {}, "all: true"),
        ("/jobs/retry", {"status": ["failed"]}, "all: true"),
        ("/jobs/retry", {"all": True, "hypertable": "public.t"}, "leave hypertable out"),
        ("/jobs/retry", {"all": True, "code": ["database"]}, "code"),
        ("/jobs/retry", {"all": True, "status": ["archived"]}, "status"),
        ("/jobs/cancel", {"all": False}, "all: true"),
        ("/jobs/cancel", {"job_ids": []}, "job_ids"),
        ("/jobs/cancel", {"all": True, "cursor": "nonsense"}, "cursor"),
        ("/dead-letters/replay", {"dry_run": True}, "all: true"),
        ("/dead-letters/replay", {"all": True, "reason": "none"}, "reason"),
        ("/dead-letters/discard", {"all": True}, "reason"),
        ("/dead-letters/discard", {"reason": "none"}, "all: true"),
        ("/dead-letters/discard", {"entry_ids": ["x"], "reason": "none"}, "entry_ids"),
    ],
)
async def test_what_is_not_understood_is_refused(api: httpx.AsyncClient, path: str, body: object, said: str) -> None:
    answer = await api.post(path, json=body)
    assert (answer.status_code, said in answer.text) == (422, True), answer.text


@pytest.mark.parametrize("path", ["/jobs/retry", "/jobs/{}/retry"])
async def test_what_a_job_has_failed_at_is_forgotten_when_it_is_queued_again(
    service: Service, api: httpx.AsyncClient, path: str
) -> None:
    """Or its first failure afterwards, whatever that is, would be its last."""
    await failed(service, 1, "read-back-differs")
    service.execute("update archival.job set failures = '{\"read-back-differs\": 5}', postponed = 7")
    [(job_id,)] = service.rows("select job_id from archival.job")
    answer = await api.post(path.format(job_id), json={"all": True} if path == "/jobs/retry" else None)
    assert answer.is_success
    assert service.rows("select status, failures, postponed from archival.job") == [("queued", {}, 0)]
