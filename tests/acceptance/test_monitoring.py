"""Metrics and health on real servers: right whatever the jobs went through, and told even when half of the servers are away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from redis.asyncio import Redis

from archival_core.flows.insight import insights
from archival_core.model.asking.policy import Policy
from archival_core.model.chunks.chunk import Relation
from tests.acceptance.api_client import api_client

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

MINUTE = timedelta(minutes=1)
TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
insert into $s.readings select t, random() from generate_series(timestamptz '2026-01-01Z', '2026-03-31Z', '1 hour') t;
"""
TALLIES = {
    "job_tally": "select hypertable, kind, status, sum(jobs) from archival.job_tally group by 1, 2, 3 having sum(jobs) <> 0",
    "outcome_tally": "select hypertable, outcome, seconds_bucket, bytes_bucket, sum(jobs), sum(rows), sum(source_bytes),"
    " sum(parquet_bytes), round(sum(seconds)::numeric, 3) from archival.outcome_tally group by 1, 2, 3, 4",
    "day_tally": "select day, hypertable, outcome, sum(jobs), sum(rows), sum(source_bytes), sum(parquet_bytes)"
    " from archival.day_tally group by 1, 2, 3",
    "freed_tally": "select day, hypertable, sum(source_bytes) from archival.freed_tally group by 1, 2"
    " having sum(source_bytes) <> 0",
}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMOVAL_GRACE", "PT0S")
    # every scrape asks anew
    monkeypatch.setattr(insights, "_GOOD_FOR", 0.0)
    monkeypatch.setattr(insights, "_OVERDUE_GOOD_FOR", 0.0)


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    service.execute(TABLE)
    async with api_client() as opened:
        yield opened


async def archive(service: Service, *chunks: str, remove: bool = False) -> None:
    for chunk in chunks:
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}", remove=remove)
    await service.work()
    await service.runtime.chunk_removal.remove_due(MINUTE)


async def scrape(client: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    """Samples by their name and label values in the order of the labels' names."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in prometheus(answer.text)
        for sample in family.samples
    }


def tallies(service: Service) -> dict[str, list[tuple[Any, ...]]]:
    return {name: sorted(service.rows(query), key=str) for name, query in TALLIES.items()}


async def test_sums_are_those_of_the_jobs_whatever_they_went_through(service: Service, client: httpx.AsyncClient) -> None:
    table = f"{service.schema}.readings"
    await archive(service, "jan", remove=True)
    await archive(service, "feb")
    await archive(service, "nothing")
    service.execute("insert into $s.feb values ('2026-02-02Z', 1)")
    forced = await client.post("/archives", json={"hypertable": table, "chunk": f"{service.schema}.feb", "force": True})
    assert forced.status_code == 202
    await service.work()
    restored = await client.post("/restores", json={"hypertable": table, "chunk": f"{service.schema}.jan"})
    assert restored.status_code == 202, restored.text
    assert await service.restore() == []
    [failed] = [job for job in service.jobs() if job["status"] == "failed"]
    service.execute("create table $s.nothing partition of $s.readings for values from ('2026-04-01Z') to ('2026-05-01Z')")
    assert (await client.post(f"/jobs/{failed['job_id']}/retry")).status_code == 202
    await service.work()
    statuses = sorted(job["status"] for job in service.jobs())
    assert statuses == ["archived", "archived", "archived", "restored", "superseded"]

    kept = tallies(service)
    service.execute("select archival.count_again()")
    again = tallies(service)
    # a failure that was made up for has happened, and stays counted; the jobs do not know of it any more
    failure = [row for name in ("outcome_tally", "day_tally") for row in kept[name] if "failed" in row]
    assert len(failure) == 2
    assert {name: [row for row in rows if row not in failure] for name, rows in kept.items()} == again


async def test_counters_never_go_back_and_folding_changes_nothing(service: Service, client: httpx.AsyncClient) -> None:
    await archive(service, "jan", "feb", remove=True)
    before, kept = await scrape(client), tallies(service)
    for fold in ("job", "outcome", "day", "freed"):
        await service.runtime._pool.one(f"fold_{fold}_tally")
    assert tallies(service) == kept
    assert service.rows("select count(*) from archival.job_tally") == [(1,)]
    service.execute("delete from archival.job where status = 'removed' and chunk like '%jan'")
    after = await scrape(client)
    table = f"{service.schema}.readings"
    assert after["archival_jobs", table, "archive", "removed"] == before["archival_jobs", table, "archive", "removed"] - 1
    counters = {key: value for key, value in before.items() if key[0].endswith(("_total", "_count", "_sum", "_bucket"))}
    assert counters
    assert {key: after[key] for key in counters} == counters


async def test_a_scrape_tells_what_there_is(service: Service, client: httpx.AsyncClient) -> None:
    table = f"{service.schema}.readings"
    await archive(service, "jan", remove=True)
    await archive(service, "feb")
    await service.runtime.policies.set(Policy(Relation(service.schema, "readings"), timedelta(days=30)))
    await service.publish(hypertable=table, older_than="never")
    await service.runtime.event_drain.drain()
    await service.publish(hypertable=table, chunk=f"{service.schema}.mar")
    [jan, feb] = service.jobs()
    found = await scrape(client)
    assert found["archival_jobs", table, "archive", "archived"] == 1
    assert found["archival_rows_total", table, "archived"] == jan["rows"] + feb["rows"]
    assert found["archival_rows_total", table, "removed"] == jan["rows"]
    assert found["archival_source_bytes_total", table, "removed"] == jan["source_bytes"]
    assert found["archival_parquet_bytes_total", table, "archived"] == jan["parquet_bytes"] + feb["parquet_bytes"]
    assert found["archival_archive_duration_seconds_count",] == 2
    assert found["archival_archive_size_bytes_bucket", "1048576.0"] == 2
    assert found["archival_oldest_unremoved_timestamp_seconds", table] == pytest.approx(feb["finished_at"].timestamp())
    assert (found["archival_stream_lag_entries",], found["archival_stream_pending_entries",]) == (1, 0)
    assert found["archival_dead_letters",] == 1
    # March ended months ago by the database's clock, or is yet to come
    due = service.rows("select extract(epoch from now() - interval '30 days' - timestamptz '2026-04-01Z')::float8")[0][0]
    assert found["archival_policy_lag_seconds", table] == pytest.approx(max(due, 0), abs=60)
    await service.runtime.event_drain.drain()
    found = await scrape(client)
    assert found["archival_queue_messages", "archive"] == 1
    assert found["archival_queue_oldest_timestamp_seconds", "archive"] > feb["finished_at"].timestamp() - 60
    assert {value for key, value in found.items() if key[0] == "archival_scrape_success"} == {1.0}
    assert {value for key, value in found.items() if key[0] == "archival_dependency_up"} == {1.0}


async def test_findings_count_until_they_are_right_again(service: Service, client: httpx.AsyncClient) -> None:
    await archive(service, "jan")
    [part] = (service.lake / service.jobs()[0]["lake_path"]).glob("*.parquet")
    content = part.read_bytes()
    part.unlink()
    await service.runtime.verification.verify_due(MINUTE)
    key = ("archival_findings", f"{service.schema}.readings", "missing")
    assert (await scrape(client))[key] == 1
    part.write_bytes(content)
    service.execute("update archival.job set verified_at = null")
    await service.runtime.verification.verify_due(MINUTE)
    assert key not in await scrape(client)


@pytest.mark.parametrize(
    ("accept", "content_type", "parse"),
    [
        ("", "text/plain; version=0.0.4", prometheus),
        ("text/plain", "text/plain; version=0.0.4", prometheus),
        (
            "application/openmetrics-text; version=1.0.0,text/plain;q=0.5",
            "application/openmetrics-text; version=1.0.0",
            openmetrics,
        ),
    ],
)
async def test_the_format_is_negotiated(
    service: Service, client: httpx.AsyncClient, accept: str, content_type: str, parse: Any
) -> None:
    await archive(service, "jan")
    answer = await client.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(content_type)
    assert any(family.name == "archival_jobs" for family in parse(answer.text))


async def test_what_is_away_takes_nothing_else_with_it(
    service: Service, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive(service, "jan")
    monkeypatch.setattr(service.runtime.messaging, "_redis", Redis(port=1))
    found = await scrape(client)
    assert found["archival_scrape_success", "stream"] == 0
    assert found["archival_scrape_success", "ledger"] == 1
    assert found["archival_dependency_up", "redis"] == 0
    assert ("archival_dead_letters",) not in found
    assert found["archival_jobs", f"{service.schema}.readings", "archive", "archived"] == 1
    ready = await client.get("/health/ready")
    assert (ready.status_code, ready.json()["checks"]["redis"], ready.json()["checks"]["ledger"]) == (503, "failed", "ok")
    overview = (await client.get("/dashboard/overview")).json()
    away = {source["name"]: source for source in overview["away"]}
    assert (set(away), overview["stream"], overview["dead_letters"]) == ({"stream", "dead_letters"}, None, None)
    assert away["stream"]["cause"]
    assert overview["dependencies"]["redis"]["state"] == "failed"
    assert overview["dependencies"]["redis"]["cause"] and overview["dependencies"]["redis"]["since"]
    assert overview["numbers"]["jobs"] == {"archived": 1}


async def test_a_ledger_that_hangs_ends_a_scrape_in_time(service: Service, client: httpx.AsyncClient) -> None:
    await scrape(client)
    with psycopg.connect(service.url) as blocker:
        blocker.execute("lock table archival.job_tally")
        started = asyncio.get_running_loop().time()
        found = await scrape(client)
        assert asyncio.get_running_loop().time() - started < 8
    assert found["archival_scrape_success", "ledger"] == 0
    assert found["archival_scrape_success", "queues"] == 1
    assert (await scrape(client))["archival_scrape_success", "ledger"] == 1


async def test_the_oldest_snapshot_of_the_service_in_the_source(service: Service, client: httpx.AsyncClient) -> None:
    key = ("archival_oldest_snapshot_timestamp_seconds",)

    async def is_free() -> bool:
        """None is held, but for that of a statement that is just being executed."""
        asked_at = time.time()
        return (await scrape(client)).get(key, asked_at) > asked_at - 1

    assert await is_free()
    async with service.runtime._source.connect() as connection, connection.transaction():
        await connection.execute("set transaction isolation level repeatable read")
        row = await (await connection.execute("select extract(epoch from now())::float8 as began")).fetchone()
        assert row is not None
        with psycopg.connect(service.url) as somebody:
            # somebody else's is no concern of ours
            somebody.execute("set transaction isolation level repeatable read")
            somebody.execute("select")
            await asyncio.sleep(1)
            assert (await scrape(client))[key] == pytest.approx(row["began"])
    assert await is_free()
