"""Management over HTTP on real servers: ask, follow, cancel, retry, restore, pause, and every clear refusal."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from archival_core.errors import LostLeaseError
from archival_core.settings import Settings
from dev.servers.processes import Process
from tests.acceptance.api_client import api_client
from tests.acceptance.managing import ask, managed, work

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]


ROOT = Path(__file__).parents[2]


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with managed(service) as opened:
        yield opened


async def test_archives_by_chunk_by_age_and_by_time(service: Service, client: httpx.AsyncClient) -> None:
    table = f"{service.schema}.readings"
    [job] = (await ask(client, {"hypertable": table, "chunk": f"{service.schema}.mar"}))["jobs"]
    assert (job["status"], job["requested_by"]) == ("queued", "function key")
    within = {"hypertable": table, "from": "2026-01-31T23:00:00-01:00", "to": "2026-03-01T00:00:00Z"}
    [job] = (await ask(client, within))["jobs"]
    assert (job["chunk"], job["requested_by"]) == (f"{service.schema}.feb", "function key")
    jobs = (await ask(client, {"hypertable": table, "older_than": "2026-04-01T00:00:00Z"}))["jobs"]
    assert sorted(job["status"] for job in jobs) == ["queued", "skipped", "skipped"]
    await work(service)
    listed = (await client.get("/jobs", params={"status": "archived", "hypertable": table})).json()
    assert len(listed["jobs"]) == 3
    assert {job["rows"] for job in listed["jobs"]} == {744, 672, 721}
    assert listed["next"] is None


async def test_a_dry_run_records_nothing(service: Service, client: httpx.AsyncClient) -> None:
    found = await ask(
        client, {"hypertable": f"{service.schema}.readings", "older_than": "2026-03-01T00:00:00Z", "dry_run": True}, 200
    )
    assert [(chunk["chunk"], chunk["rows_estimated"]) for chunk in found["chunks"]] == [
        (f"{service.schema}.jan", 744),
        (f"{service.schema}.feb", 672),
    ]
    assert found["rows_estimated"] == 1416
    assert found["bytes"] == sum(chunk["bytes"] for chunk in found["chunks"]) > 0
    assert (await client.get("/jobs")).json()["jobs"] == []


async def test_a_dry_run_of_a_restore_records_nothing(service: Service, client: httpx.AsyncClient) -> None:
    table = f"{service.schema}.readings"
    await ask(client, {"hypertable": table, "older_than": "2026-03-01T00:00:00Z", "remove": True})
    await work(service)
    await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))
    jobs = (await client.get("/jobs")).json()["jobs"]
    answer = await client.post("/restores", json={"hypertable": table, "all": True, "dry_run": True})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [(archive["chunk"], archive["rows"]) for archive in found["archives"]] == [
        (f"{service.schema}.jan", 744),
        (f"{service.schema}.feb", 672),
    ]
    assert found["rows"] == 1416
    for size in ("source_bytes", "parquet_bytes"):
        assert found[size] == sum(archive[size] for archive in found["archives"]) > 0
    assert (await client.get("/jobs")).json()["jobs"] == jobs
    refused = await client.post("/restores", json={"hypertable": table, "chunk": f"{service.schema}.mar", "dry_run": True})
    assert refused.json()["code"] == "no-archive"


async def test_the_first_digits_of_an_id_find_a_job(service: Service, client: httpx.AsyncClient) -> None:
    [job] = (await ask(client, {"hypertable": f"{service.schema}.readings", "chunk": f"{service.schema}.mar"}))["jobs"]
    job_id = job["job_id"]
    for digits in (job_id[:4], job_id[:8].upper(), job_id[:13], job_id.replace("-", "")[:20], job_id):
        found = (await client.get("/jobs", params={"id": digits})).json()
        assert [one["job_id"] for one in found["jobs"]] == [job_id], digits
    other = f"{(int(job_id[:8], 16) + 1) % 2**32:08x}"
    assert (await client.get("/jobs", params={"id": other})).json()["jobs"] == []
    assert (await client.get("/jobs", params={"id": job_id[:8], "status": "failed"})).json()["jobs"] == []
    for wrong in ("0b9", "0b9g7a52", job_id + "0", "----"):
        assert (await client.get("/jobs", params={"id": wrong})).status_code == 422, wrong


async def test_the_same_key_is_the_same_request(service: Service, client: httpx.AsyncClient) -> None:
    body = {"hypertable": f"{service.schema}.readings", "older_than": "2026-03-01T00:00:00Z"}
    key: dict[str, Any] = {"Idempotency-Key": uuid4().hex}
    answers = await asyncio.gather(*(ask(client, body, **key) for _ in range(4)))
    assert {tuple(job["job_id"] for job in answer["jobs"]) for answer in answers} == {
        tuple(job["job_id"] for job in answers[0]["jobs"])
    }
    assert [job["status"] for job in service.jobs()] == ["queued", "queued"]
    await work(service)
    # the first answer's jobs, as they are now, although the chunks have changed
    service.execute("drop table $s.jan")
    again = await ask(client, body, **key)
    assert [job["status"] for job in again["jobs"]] == ["archived", "archived"]
    problem = await ask(client, {**body, "force": True}, 422, **key)
    assert problem["code"] == "idempotency-key-reused"


async def test_requests_for_the_same_chunks_at_the_same_time_make_one_job_each(
    service: Service, client: httpx.AsyncClient
) -> None:
    body = {"hypertable": f"{service.schema}.readings", "older_than": "2026-04-01T00:00:00Z"}
    for _ in range(5):
        answers = await asyncio.gather(*(ask(client, body) for _ in range(4)))
        assert all(len(answer["jobs"]) == 3 for answer in answers)
    assert sorted(job["chunk"] for job in service.jobs() if job["status"] == "queued") == [
        f"{service.schema}.{chunk}" for chunk in ("feb", "jan", "mar")
    ]


async def test_jobs_come_in_pages_newest_first(service: Service, client: httpx.AsyncClient) -> None:
    table = f"{service.schema}.readings"
    for chunk in ("jan", "feb", "mar", "jan"):
        await ask(client, {"hypertable": table, "chunk": f"{service.schema}.{chunk}"})
    everything = (await client.get("/jobs")).json()["jobs"]
    assert [job["requested_at"] for job in everything] == sorted((job["requested_at"] for job in everything), reverse=True)
    for filters in ({}, {"hypertable": table}, {"kind": "archive", "from": "2026-01-01T00:00:00Z"}):
        paged, cursor = [], None
        while True:
            page = (await client.get("/jobs", params={**filters, "limit": "3"} | ({"cursor": cursor} if cursor else {}))).json()
            paged += page["jobs"]
            if (cursor := page["next"]) is None:
                break
        assert paged == everything
    statuses = (await client.get("/jobs", params={"status": ["skipped", "failed"]})).json()["jobs"]
    assert [job["status"] for job in statuses] == ["skipped"]
    assert (await client.get("/jobs", params={"to": everything[1]["requested_at"]})).json()["jobs"] == everything[2:]
    assert (await client.get("/jobs", params={"hypertable": "public.nothing"})).json() == {"jobs": [], "next": None, "total": 0}


async def test_a_queued_job_is_cancelled_and_retried(service: Service, client: httpx.AsyncClient) -> None:
    [job] = (await ask(client, {"hypertable": f"{service.schema}.readings", "chunk": f"{service.schema}.jan"}))["jobs"]
    for _ in range(2):
        answer = await client.post(f"/jobs/{job['job_id']}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    await work(service)
    assert [job["status"] for job in service.jobs()] == ["cancelled"]
    assert (await client.post(f"/jobs/{job['job_id']}/retry")).status_code == 202
    await work(service)
    answer = await client.get(f"/jobs/{job['job_id']}")
    assert (answer.json()["status"], answer.json()["error"]) == ("archived", None)
    for operation, code in (("retry", "not-retryable"), ("cancel", "not-cancellable")):
        answer = await client.post(f"/jobs/{job['job_id']}/{operation}")
        assert (answer.status_code, answer.json()["code"]) == (409, code)


async def test_the_worker_of_a_cancelled_job_stops(
    service: Service, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    [job] = (await ask(client, {"hypertable": f"{service.schema}.readings", "chunk": f"{service.schema}.jan"}))["jobs"]
    [message] = service.messages()
    begun = asyncio.Event()

    async def slow(*_: Any) -> None:
        begun.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(service.runtime.chunk_archiver, "archive", slow)
    working = asyncio.create_task(service.runtime.archival_processor.process(message))
    await begun.wait()
    assert (await client.post(f"/jobs/{job['job_id']}/cancel")).json()["status"] == "cancelled"
    with pytest.raises(LostLeaseError):
        await asyncio.wait_for(working, 10)
    # its message comes again, and finds that there is nothing to do
    await service.runtime.archival_processor.process(message)
    assert [job["status"] for job in service.jobs()] == ["cancelled"]


async def test_a_restore_that_is_cancelled_leaves_no_row(
    service: Service, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = f"{service.schema}.readings"
    await ask(client, {"hypertable": table, "older_than": "2026-02-01T00:00:00Z", "remove": True})
    await work(service)
    await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))
    [job] = (await client.post("/restores", json={"hypertable": table, "all": True})).json()["jobs"]
    restorer = service.runtime.restore_processor._restorer
    restore = restorer.restore

    async def cancelled_meanwhile(*arguments: Any) -> Any:
        assert (await client.post(f"/jobs/{job['job_id']}/cancel")).json()["status"] == "cancelled"
        return await restore(*arguments)

    monkeypatch.setattr(restorer, "restore", cancelled_meanwhile)
    assert await service.restore() == ["lost-lease"]
    assert service.rows("select count(*) from $s.readings where time < '2026-02-01Z'") == [(0,)]
    monkeypatch.setattr(restorer, "restore", restore)
    assert (await client.post(f"/jobs/{job['job_id']}/retry")).status_code == 202
    assert await service.restore() == []
    assert service.rows("select count(*) from $s.readings where time < '2026-02-01Z'") == [(744,)]


async def test_chunks_show_where_their_rows_are(service: Service, client: httpx.AsyncClient) -> None:
    table = f"{service.schema}.readings"
    await ask(client, {"hypertable": table, "chunk": f"{service.schema}.jan", "remove": True})
    await ask(client, {"hypertable": table, "chunk": f"{service.schema}.feb"})
    await work(service)
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
    pages, cursor = [], None
    while True:
        params = {"hypertable": table, "limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/chunks", params=params)).json()
        pages += page["chunks"]
        if (cursor := page["next"]) is None:
            break
    assert [(chunk["chunk"].partition(".")[2], chunk["state"], chunk["rows"]) for chunk in pages] == [
        ("jan", "removed", 744),
        ("feb", "archived", 672),
        ("mar", "in-database", None),
    ]
    assert [chunk["database_bytes"] is None for chunk in pages] == [True, False, False]
    assert pages[2]["rows_estimated"] == 721
    [found] = (await client.get("/hypertables")).json()["hypertables"]
    assert (found["hypertable"], found["kind"], found["chunks"]) == (table, "native", 2)
    service.execute("drop table $s.readings")
    page = (await client.get("/chunks", params={"hypertable": table})).json()
    assert [chunk["state"] for chunk in page["chunks"]] == ["removed", "removed"]
    assert (await client.get("/hypertables")).json()["hypertables"][0]["kind"] is None


async def test_restores_and_verifications(service: Service, client: httpx.AsyncClient) -> None:
    table = f"{service.schema}.readings"
    before = service.rows("select * from $s.readings order by 1")
    await ask(client, {"hypertable": table, "older_than": "2026-02-01T00:00:00Z", "remove": True})
    await work(service)
    answer = await client.post("/restores", json={"hypertable": table, "all": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "not-restorable")
    await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))
    assert (await client.post("/verifications", json={"hypertable": table})).json() == {"archives": 1}
    assert (await client.get("/verifications")).json() == {"findings": []}
    key = {"Idempotency-Key": uuid4().hex}
    body = {"hypertable": table, "from": "2026-01-31T00:00:00Z", "to": "2026-02-01T00:00:00Z"}
    first, second = [(await client.post("/restores", json=body, headers=key)).json()["jobs"] for _ in range(2)]
    assert [job["job_id"] for job in first] == [job["job_id"] for job in second]
    answer = await client.post("/restores", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "restore-under-way")
    await service.restore()
    assert service.rows("select * from $s.readings order by 1") == before
    [chunk] = [c for c in (await client.get("/chunks", params={"hypertable": table})).json()["chunks"] if c["rows"] == 744]
    assert (chunk["state"], chunk["in_database"]) == ("archived", True)


@pytest.mark.parametrize(
    ("said", "name"), [("True", "ada@example.com"), ("true", "ada@example.com"), ("False", None), ("", None)]
)
async def test_a_name_counts_where_the_platform_vouches_for_it(
    service: Service, monkeypatch: pytest.MonkeyPatch, said: str, name: str | None
) -> None:
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", said)
    monkeypatch.setattr(service.runtime, "settings", Settings())  # type: ignore[call-arg]
    header = {"x-ms-client-principal-name": "ada@example.com\r\n"}
    async with api_client() as client:
        paused = (await client.post("/intake/pause", headers=header)).json()
        assert paused["changed_by"] == (name or "function key")


async def test_a_dry_run_that_is_asked_for_in_the_address_archives_nothing(service: Service, client: httpx.AsyncClient) -> None:
    body = {"hypertable": f"{service.schema}.readings", "older_than": "2026-04-01T00:00:00Z"}
    for parameters in ({"dry_run": "true"}, {"dryRun": "1"}, {"dry_run": "true", "code": "key"}):
        answer = await client.post("/archives", params=parameters, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
        assert answer.json()["errors"][0]["field"] == f"query.{next(iter(parameters))}"
    assert (await client.get("/jobs")).json()["jobs"] == []


async def test_a_paused_intake_takes_no_events_and_follows_no_policies(service: Service, client: httpx.AsyncClient) -> None:
    table = f"{service.schema}.readings"
    await client.put(
        f"/policies/{table}", json={"archive_after": "P1D", "remove_after": None, "enabled": True, "dropped_by_others": "keep"}
    )
    await service.publish(hypertable=table, chunk=f"{service.schema}.jan")
    paused = (await client.post("/intake/pause", json={"reason": "an upgrade"})).json()
    assert (paused["paused"], paused["reason"], paused["changed_by"]) == (True, "an upgrade", "function key")
    for _ in range(8):
        assert (await service.runtime.event_drain.drain()).paused
    await service.runtime.reconciler.reconcile(timedelta(minutes=1))
    assert service.jobs() == []
    assert (await client.get("/intake")).json() == paused
    assert (await client.post("/intake/resume")).json()["paused"] is False
    # it was not counted as delivered meanwhile
    report = await service.runtime.event_drain.drain()
    assert (report.queued, report.buried) == (1, 0)


async def test_dead_letters_are_listed_replayed_and_discarded(service: Service, client: httpx.AsyncClient) -> None:
    for hypertable in ("", "x", "y"):
        await service.publish(hypertable=hypertable, chunk="")
    await service.runtime.event_drain.drain()
    page = (await client.get("/dead-letters", params={"limit": 2})).json()
    [first, second] = page["dead_letters"]
    assert first["replayable"]
    assert "hypertable" in first["fields"]["event"]
    assert [letter["entry_id"] for letter in page["dead_letters"]][-1] == page["next"]
    rest = (await client.get("/dead-letters", params={"after": page["next"]})).json()
    assert (len(rest["dead_letters"]), rest["next"]) == (1, None)
    assert (await client.post(f"/dead-letters/{first['entry_id']}/replay")).status_code == 204
    assert (await client.post(f"/dead-letters/{second['entry_id']}/discard", json={})).status_code == 422
    answer = await client.post(f"/dead-letters/{second['entry_id']}/discard", json={"reason": "a test"})
    assert answer.status_code == 204
    assert (await client.get("/dead-letters")).json()["discarded"] == 1
    for entry_id in (first["entry_id"], "18446744073709551615-0", "nonsense", "١-١"):
        answer = await client.post(f"/dead-letters/{entry_id}/replay")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-dead-letter")


async def test_through_the_functions_host(service: Service, client: httpx.AsyncClient) -> None:
    ready = Path(service.emulator.root) / "ready"
    environment = {
        **os.environ,
        **service.names,
        "DRAIN_SCHEDULE": "0 0 0 1 1 *",
        "COMMIT_SCHEDULE": "0 0 0 1 1 *",
        "REMOVAL_SCHEDULE": "0 0 0 1 1 *",
        "VERIFY_SCHEDULE": "0 0 0 1 1 *",
        "RECONCILE_SCHEDULE": "0 0 0 1 1 *",
        "LOCAL_FUNCTION_KEY": "key",
        "LOCAL_FUNCTION_KEYS": '{"management_read": "viewer"}',
        # as App Service sets it where its authentication is on
        "WEBSITE_AUTH_ENABLED": "True",
    }
    command = [sys.executable, "-m", "dev.functions_host", str(ROOT), "--ready-file", str(ready), "--no-local-settings"]
    with Process(command, ready.with_name("host.log"), env=environment, cwd=ROOT) as process:
        process.wait_until(ready.exists, "the host")
        async with httpx.AsyncClient(base_url=f"{ready.read_text()}/api", timeout=60) as host:
            assert (await host.get("/health/live")).json() == {"status": "ok"}
            for path in ("/jobs", "/openapi.json", "/docs", "/dashboard/overview", "/metrics"):
                assert (await host.get(path)).status_code == 401, path
            # an anonymous function leads nowhere else, whatever the address looks like
            for path in ("/health/%2e%2e%2fjobs", "/dashboard/static/0/%2e%2e%2f%2e%2e%2fjobs"):
                assert (await host.get(path)).status_code in (401, 404), path
            # by OPTIONS the console hears whether its key may change anything
            viewer = {"x-functions-key": "viewer"}
            assert (await host.get("/jobs", headers=viewer)).status_code == 200
            assert (await host.options("/jobs", headers=viewer)).status_code == 401
            host.headers["x-functions-key"] = "key"
            assert (await host.options("/jobs")).status_code == 204
            assert (await host.get("/openapi.json")).json()["info"]["title"] == "archival_service"
            assert "/api/archives" in (await host.get("/docs", params={"code": "key"})).text
            body = {"hypertable": f"{service.schema}.readings", "chunk": f"{service.schema}.jan"}
            answer = await host.post("/archives", json=body, headers={"x-ms-client-principal-name": "ada@example.com"})
            assert (answer.status_code, answer.json()["jobs"][0]["requested_by"]) == (202, "ada@example.com")
            [job] = answer.json()["jobs"]
            async with asyncio.timeout(30):
                while (await host.get(f"/jobs/{job['job_id']}")).json()["status"] != "archived":
                    await asyncio.sleep(0.2)
            answer = await host.post("/archives", json={"hypertable": "x" * 70_000})
            assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
            assert (await host.get("/nothing")).status_code == 404
            answer = await host.get("/jobs/1/nothing")
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
            answer = await host.get("/jobs/%ff")
            assert answer.status_code in (400, 422)
