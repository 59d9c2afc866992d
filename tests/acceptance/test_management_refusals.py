"""What the management API refuses, and what it says of hostile names and of databases that are away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import psycopg
import pytest

from archival_core.model.chunks.chunk import Relation
from tests.acceptance.managing import POLICY, ask, managed
from tests.acceptance.test_security import HOSTILE

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with managed(service) as opened:
        yield opened


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
