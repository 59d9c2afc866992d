"""What a request says and its operation does not know is refused, by every operation."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from archival_core.api.app import create_app
from archival_core.api.services import Services


def nothing() -> Services:
    """No route gets as far as a use case with what is refused here."""
    return cast(Services, SimpleNamespace(signs_in=False))


#: One for all tests, because an application looks at the signature of each operation at its first request.
APP = create_app(nothing)
DOCUMENT: dict[str, Any] = APP.openapi()
IN_PATH = {
    "{result}": "0b9f7a52-5a0c-4c55-9d9e-6f0f5d3c7a11",
    "{job_id}": "0b9f7a52-5a0c-4c55-9d9e-6f0f5d3c7a10",
    "{hypertable}": "public.x",
    "{entry_id}": "1-0",
    "{hypertable:path}": "public.x",
}


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    found = [(method, path, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()]
    hidden: list[tuple[str, str, dict[str, Any]]] = [
        ("get", path, {}) for path in ("/api/docs", "/api/openapi.json", "/api/dashboard/static/0/console.js")
    ]
    return [*found, *hidden]


def address(path: str) -> str:
    for name, value in IN_PATH.items():
        path = path.replace(name, value)
    assert "{" not in path
    return path


OPERATIONS = [pytest.param(*operation, id=f"{operation[0]} {operation[1]}") for operation in operations()]
WITH_BODY = [one for one in OPERATIONS if "requestBody" in cast(dict[str, Any], one.values[2])]
WITHOUT_BODY = [one for one in OPERATIONS if "requestBody" not in cast(dict[str, Any], one.values[2])]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(APP)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as opened:
        yield opened


def example(operation: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = next(iter(operation["requestBody"]["content"]["application/json"]["examples"].values()))["value"]
    return dict(body)


def refused(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid-request"
    return {error["field"]: error["reason"] for error in answer.json()["errors"]}


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
async def test_an_unknown_parameter(client: httpx.AsyncClient, method: str, path: str, operation: dict[str, Any]) -> None:
    body = example(operation) if "requestBody" in operation else None
    answer = await client.request(method, address(path), params={"dry-run": "true"}, json=body)
    assert "no such parameter" in refused(answer)["query.dry-run"]
    # the function key is the host's
    known = await client.request(method, address(path), params={"code": "key"}, json=body)
    assert known.status_code != 422 or "query.code" not in refused(known)


@pytest.mark.parametrize(("method", "path", "operation"), WITH_BODY)
async def test_an_unknown_field(client: httpx.AsyncClient, method: str, path: str, operation: dict[str, Any]) -> None:
    body = example(operation)
    answer = await client.request(method, address(path), json={**body, "dryrun": True})
    assert "body.dryrun" in refused(answer)
    name, value = next(iter(body.items()))
    headers = {"content-type": "application/json"}
    answer = await client.request(
        method, address(path), content=f'{{"{name}": {json.dumps(value)}, "{name}": {json.dumps(value)}}}', headers=headers
    )
    assert "more than once" in refused(answer)[f"body.{name}"]


@pytest.mark.parametrize(("method", "path", "operation"), WITHOUT_BODY)
async def test_a_body_where_there_is_none(client: httpx.AsyncClient, method: str, path: str, operation: dict[str, Any]) -> None:
    answer = await client.request(method, address(path), json={"force": True})
    assert "no body" in refused(answer)["body"]
    for nothing in (b"", b"{}", b" {} "):
        answer = await client.request(method, address(path), content=nothing, headers={"content-type": "application/json"})
        assert answer.status_code != 422 or "body" not in refused(answer)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/jobs?limit=1&limit=500", "query.limit"),
        ("/api/jobs?hypertable=a&hypertable=b", "query.hypertable"),
        ("/api/jobs?from=2026", "query.from"),
        ("/api/jobs?to=1767225600", "query.to"),
        ("/api/jobs?from=2026-01-01", "query.from"),
        ("/api/jobs?Status=failed", "query.Status"),
        ("/api/jobs?since=2026-01-01T00:00:00Z", "query.since"),
        ("/api/jobs?status=", "query.status.0"),
        ("/api/chunks?hypertable=x&states=archived", "query.states"),
        ("/api/chunks?hypertable=x&state=lost", "query.state.0"),
        ("/api/dashboard/timeline?days=7&day=1", "query.day"),
        ("/api/dead-letters?cursor=1-0", "query.cursor"),
        ("/api/health/ready?verbose", "query.verbose"),
    ],
)
async def test_a_parameter_that_means_nothing_or_two_things(client: httpx.AsyncClient, path: str, field: str) -> None:
    assert field in refused(await client.get(path))


async def test_what_may_be_repeated(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/jobs?status=failed&status=cancelled&kind=archive&from=2026-01-01T00:00:00Z")
    assert answer.status_code != 422


ARCHIVE = {"hypertable": "public.x", "older_than": "2026-01-01T00:00:00Z"}
RESTORE = {"hypertable": "public.x", "chunk": "public.y"}
POLICY = {"archive_after": "P90D", "remove_after": None, "enabled": True, "dropped_by_others": "keep"}


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "archives", {**ARCHIVE, "dry_run": "true"}, "body.dry_run"),
        ("POST", "archives", {**ARCHIVE, "dry_run": 1}, "body.dry_run"),
        ("POST", "archives", {**ARCHIVE, "dry_run": None}, "body.dry_run"),
        ("POST", "archives", {**ARCHIVE, "remove": "no"}, "body.remove"),
        ("POST", "archives", {**ARCHIVE, "older_than": "20260101T000000Z"}, "body.older_than"),
        ("POST", "archives", {**ARCHIVE, "older_than": 1.0}, "body.older_than"),
        ("POST", "restores", {**RESTORE, "recreate": "yes"}, "body.recreate"),
        ("POST", "verifications", {"job_id": 1}, "body.job_id"),
        ("POST", "policies/preview", {"hypertable": "public.x", "archive_after": 90}, "body.archive_after"),
        ("POST", "policies/preview", {"hypertable": "public.x", "archive_after": "90:00"}, "body.archive_after"),
        ("POST", "policies/preview", {"hypertable": "public.x", "archive_after": "1 day"}, "body.archive_after"),
        ("POST", "policies/preview", {"hypertable": "public.x", "archive_after": "P1D", "limit": "5"}, "body.limit"),
        ("POST", "policies/preview", {"hypertable": "public.x", "archive_after": "P1D", "limit": True}, "body.limit"),
        ("PUT", "policies/public.x", {**POLICY, "archive_after": 90}, "body.archive_after"),
        ("PUT", "policies/public.x", {**POLICY, "remove_after": 120}, "body.remove_after"),
        ("PUT", "policies/public.x", {**POLICY, "enabled": "false"}, "body.enabled"),
        ("PATCH", "policies/public.x", {"archive_after": 90}, "body.archive_after"),
        ("PATCH", "policies/public.x", {"archive_after": None}, "body.archive_after"),
        ("PATCH", "policies/public.x", {"enabled": None}, "body.enabled"),
        ("PATCH", "policies/public.x", {"enabled": 0}, "body.enabled"),
        ("PATCH", "policies/public.x", {"remove_after": "never"}, "body.remove_after"),
        ("PATCH", "policies/public.x", {"dropped_by_others": "delete"}, "body.dropped_by_others"),
        ("PATCH", "policies/public.x", {}, "body"),
        ("PUT", "policies/public.x", {"archive_after": "P90D", "enabled": True}, "body.remove_after"),
        ("PUT", "policies/public.x", {"archive_after": "P90D", "remove_after": None}, "body.enabled"),
        ("POST", "restores", {"hypertable": "public.x"}, "body"),
        ("POST", "restores", {"hypertable": "public.x", "into": "public.y"}, "body"),
        ("POST", "restores", {"hypertable": "public.x", "all": False}, "body"),
        ("POST", "restores", {"hypertable": "public.x", "everything": True}, "body.everything"),
        ("POST", "restores", {**RESTORE, "all": True}, "body"),
        ("POST", "restores", {**RESTORE, "all": "yes"}, "body.all"),
        ("POST", "intake/pause", {"reason": 1}, "body.reason"),
    ],
)
async def test_a_value_that_is_missing_or_of_another_type(
    client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    told = refused(await client.request(method, f"/api/{path}", json=body))
    assert any(name == field or name.startswith(f"{field}.") for name in told), told
