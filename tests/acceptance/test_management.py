"""Management over HTTP on real servers: ask, follow, cancel, retry, restore, pause, and every clear refusal."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import psycopg
import pytest

from archival_core.errors import LostLeaseError
from archival_core.model.chunks.chunk import Relation
from archival_core.settings import Settings
from dev.servers.processes import Process
from tests.acceptance.api_client import api_client
from tests.acceptance.test_security import HOSTILE

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

ROOT = Path(__file__).parents[2]
TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
insert into $s.readings select t, random() from generate_series(timestamptz '2026-01-01Z', '2026-03-31Z', '1 hour') t;
analyze $s.readings;
"""


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    service.execute(TABLE)
    async with api_client() as opened:
        yield opened


async def ask(client: httpx.AsyncClient, body: dict[str, Any], status: int = 202, **headers: str) -> Any:
    answer = await client.post("/archives", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def work(service: Service) -> None:
    for message in service.messages():
        await service.runtime.archival_processor.process(message)


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


async def test_policies_are_set_previewed_and_forgotten(service: Service, client: httpx.AsyncClient) -> None:
    table = f"{service.schema}.readings"
    body = {"archive_after": "P1D", "remove_after": "P2D", "enabled": True, "dropped_by_others": "keep"}
    answer = await client.put(f"/policies/{table}", json=body)
    assert (answer.status_code, answer.json()) == (201, {"hypertable": table, **body, "problem": None})
    assert (await client.put(f"/policies/{table}", json=body)).status_code == 200
    assert (await client.get("/policies")).json()["policies"] == [answer.json()]
    assert (await client.get(f"/policies/{table}")).json() == answer.json()
    due = (await client.post("/policies/preview", json={"hypertable": table, "archive_after": "P1D"})).json()["chunks"]
    assert [chunk["chunk"].partition(".")[2] for chunk in due] == ["jan", "feb", "mar"]
    answer = await client.put(f"/policies/{table}", json={**body, "archive_after": "P2D", "remove_after": "P1D"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-policy")
    assert (await client.delete(f"/policies/{table}")).status_code == 204
    assert (await client.delete(f"/policies/{table}")).json()["code"] == "unknown-policy"


async def test_a_policy_is_changed_in_what_is_given_alone(service: Service, client: httpx.AsyncClient) -> None:
    address = f"/policies/{service.schema}.readings"
    assert (await client.patch(address, json={"archive_after": "P1D"})).json()["code"] == "unknown-policy"
    await client.put(
        address, json={"archive_after": "P1D", "remove_after": "P9D", "enabled": False, "dropped_by_others": "keep"}
    )
    for change, then in (
        ({"archive_after": "P3D"}, ("P3D", "P9D", False, "keep")),
        ({"remove_after": "P5D"}, ("P3D", "P5D", False, "keep")),
        ({"dropped_by_others": "forget"}, ("P3D", "P5D", False, "forget")),
        ({"enabled": True}, ("P3D", "P5D", True, "forget")),
        ({"remove_after": None}, ("P3D", None, True, "forget")),
        ({"archive_after": "P4D", "enabled": False}, ("P4D", None, False, "forget")),
    ):
        answer = await client.patch(address, json=change)
        assert (answer.status_code, tuple(answer.json()[name] for name in POLICY)) == (200, then), change
        assert (await client.get(address)).json() == answer.json()
    answer = await client.patch(address, json={"remove_after": "P1D"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-policy")
    merging = {"content-type": "application/merge-patch+json"}
    assert (await client.patch(address, content='{"remove_after": "P8D"}', headers=merging)).json()["remove_after"] == "P8D"
    assert (await client.put(address, content=json.dumps(POLICY), headers=merging)).status_code == 415


async def test_changes_of_a_policy_at_the_same_time_all_count(service: Service, client: httpx.AsyncClient) -> None:
    address = f"/policies/{service.schema}.readings"
    for _ in range(5):
        await client.put(
            address, json={"archive_after": "P1D", "remove_after": None, "enabled": True, "dropped_by_others": "keep"}
        )
        changes: list[dict[str, Any]] = [
            {"archive_after": "P2D"},
            {"remove_after": "P7D"},
            {"enabled": False},
            {"dropped_by_others": "forget"},
        ]
        answers = await asyncio.gather(*(client.patch(address, json=change) for change in changes))
        assert [answer.status_code for answer in answers] == [200] * 4
        found = (await client.get(address)).json()
        assert {name: found[name] for name in POLICY} == {
            "archive_after": "P2D",
            "remove_after": "P7D",
            "enabled": False,
            "dropped_by_others": "forget",
        }


async def test_a_policy_is_turned_off_whatever_became_of_its_table(service: Service, client: httpx.AsyncClient) -> None:
    address = f"/policies/{service.schema}.readings"
    await client.put(address, json=POLICY)
    service.execute("drop table $s.readings")
    assert (await client.patch(address, json={"enabled": False})).json()["enabled"] is False
    answer = await client.patch(address, json={"enabled": True})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-hypertable")
    assert (await client.get(address)).json()["enabled"] is False


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


POLICY = {"archive_after": "P1D", "remove_after": None, "enabled": True, "dropped_by_others": "keep"}
REFUSED: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("POST", "/archives", {"content": "{", "headers": {"content-type": "application/json"}}, 400, "invalid-json"),
    ("POST", "/archives", {"content": "[" * 60_000, "headers": {"content-type": "application/json"}}, 400, ""),
    ("POST", "/archives", {"content": "9" * 60_000, "headers": {"content-type": "application/json"}}, 400, ""),
    ("POST", "/archives", {"content": "hypertable=x", "headers": {"content-type": "text/plain"}}, 415, "not-json"),
    ("POST", "/archives", {"json": {"hypertable": "x" * 70_000}}, 413, "body-too-large"),
    ("POST", "/archives", {"json": []}, 422, "invalid-request"),
    ("POST", "/archives", {"json": {"hypertable": "public.x"}}, 422, "invalid-request"),
    ("POST", "/archives", {"json": {"hypertable": "public.x", "chunk": "y", "older_than": 1}}, 422, "invalid-request"),
    ("POST", "/archives", {"json": {"hypertable": "public.x", "older_than": "2026-01-01"}}, 422, "invalid-request"),
    ("POST", "/archives", {"json": {"hypertable": "public.x", "older_than": True}}, 422, "invalid-request"),
    ("POST", "/archives", {"json": {"hypertable": "public.x", "older_than": 2**63}}, 422, "invalid-request"),
    ("POST", "/archives", {"json": {"hypertable": "a.b.c", "older_than": 1}}, 422, "invalid-request"),
    ("POST", "/archives", {"json": {"hypertable": "a\0b", "older_than": 1}}, 422, "invalid-request"),
    ("POST", "/archives", {"json": {"hypertable": "public.x", "older_than": 1, "dryrun": True}}, 422, "invalid-request"),
    ("POST", "/archives", {"json": {"hypertable": "x; drop table victims", "chunk": "y"}}, 404, "unknown-hypertable"),
    ("POST", "/archives", {"json": {"hypertable": "x'--", "older_than": "2026-01-01T00:00:00Z"}}, 404, "unknown-hypertable"),
    ("POST", "/restores", {"json": {"hypertable": "public.x", "all": True}}, 404, "no-archive"),
    ("POST", "/verifications", {"json": {"job_id": str(uuid4())}}, 404, "no-archive"),
    ("GET", "/jobs?limit=0", {}, 422, "invalid-request"),
    ("GET", "/jobs?cursor=x", {}, 422, "invalid-cursor"),
    ("GET", "/jobs?status=gone", {}, 422, "invalid-request"),
    ("GET", f"/jobs/{uuid4()}", {}, 404, "unknown-job"),
    ("GET", "/jobs/1", {}, 422, "invalid-request"),
    ("DELETE", "/jobs", {}, 405, "method-not-allowed"),
    ("GET", "/nothing", {}, 404, "not-found"),
    ("GET", "/chunks?hypertable=public.x", {}, 404, "unknown-hypertable"),
    ("PUT", "/policies/public.x", {"json": POLICY}, 404, "unknown-hypertable"),
    ("PUT", "/policies/public.x", {"json": {**POLICY, "archive_after": "P9999999999Y"}}, 422, "invalid-request"),
    ("PATCH", "/policies/public.x", {"json": {"enabled": False}}, 404, "unknown-policy"),
]


async def test_what_cannot_be_is_refused_clearly(service: Service, client: httpx.AsyncClient) -> None:
    for method, path, options, status, code in REFUSED:
        answer = await client.request(method, path, **options)
        problem = answer.json()
        assert (answer.status_code, problem["status"]) == (status, status), (method, path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert not code or problem["code"] == code, (path, problem)
        if code == "invalid-request":
            assert all(error["field"] and error["reason"] for error in problem["errors"])


async def test_a_hostile_name_is_only_a_name(service: Service, client: httpx.AsyncClient) -> None:
    service.execute("create table $s.victims (v int); insert into $s.victims values (1)")
    for number, name in enumerate(HOSTILE):
        table, chunk = Relation(service.schema, name), Relation(service.schema, f"hostile_{number}")
        with psycopg.connect(service.url, autocommit=True) as connection:
            connection.execute(f"create table {table.sql} (time timestamptz not null) partition by range (time)".encode())
            bounds = "from ('2026-01-01Z') to ('2026-02-01Z')"
            connection.execute(f"create table {chunk.sql} partition of {table.sql} for values {bounds}".encode())
        hypertable = str(table)
        body = {"hypertable": hypertable, "older_than": "2026-03-01T00:00:00Z"}
        assert [found["chunk"] for found in (await ask(client, {**body, "dry_run": True}, 200))["chunks"]] == [str(chunk)]
        [job] = (await ask(client, body))["jobs"]
        assert job["hypertable"] == hypertable
        assert (await client.get("/jobs", params={"hypertable": hypertable})).json()["jobs"] == [job]
        [found] = (await client.get("/chunks", params={"hypertable": hypertable})).json()["chunks"]
        assert found["state"] == "queued"
        address = f"/policies/{quote(hypertable, safe='')}"
        if "\n" in name:
            # no address holds a line break: a policy for such a table is a row of `archival.policy`
            assert (await client.get(address)).status_code == 404
            continue
        assert (await client.put(address, json=POLICY)).json()["hypertable"] == hypertable
        assert (await client.get(address)).json()["hypertable"] == hypertable
        assert (await client.delete(address)).status_code == 204
    assert service.rows("select * from $s.victims") == [(1,)]


async def test_a_database_that_is_away_is_told_with_its_cause_and_no_secret(
    service: Service, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archival_core.clients.postgres.database import Database

    monkeypatch.setattr(service.runtime.chunks, "_source", Database("postgresql://secret-user:secret@127.0.0.1:1/secret-db"))
    answer = await client.get("/chunks", params={"hypertable": f"{service.schema}.readings"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "secret" not in answer.text
    assert "Connection refused" in answer.json()["detail"]


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
