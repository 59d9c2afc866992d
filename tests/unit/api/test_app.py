"""The application without a service behind it: limits, errors and its description."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from archival_core.api import problems
from archival_core.api.app import create_app
from archival_core.api.gate import guard
from archival_core.api.services import Services
from archival_core.error_codes import CODES
from archival_core.errors import PermanentError, SettingsError, TransientError


def unwired() -> Services:
    raise SettingsError("wrong settings: LAKE_URL: is not set")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(unwired))
    async with httpx.AsyncClient(transport=transport, base_url="http://service/api") as opened:
        yield opened


async def test_without_settings_it_lives_and_says_no_more_than_it_must(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/live")).json() == {"status": "ok"}
    ready = await client.get("/health/ready")
    assert (ready.status_code, ready.json()["checks"]) == (503, {"settings": "failed"})
    answer = await client.get("/jobs")
    assert (answer.status_code, answer.json()["code"]) == (503, "wrong-setting")
    # whoever has a key is told which setting it is
    assert answer.json()["detail"] == "wrong settings: LAKE_URL: is not set"
    assert "LAKE_URL" not in ready.text


async def test_a_defect_is_told_to_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Services:
        raise RuntimeError("password=secret")

    transport = httpx.ASGITransport(create_app(broken))
    async with httpx.AsyncClient(transport=transport, base_url="http://service/api") as client:
        with caplog.at_level(logging.ERROR):
            answer = await client.get("/jobs")
    assert answer.json() == {"type": "about:blank", "title": "Internal Server Error", "status": 500, "code": "internal"}
    assert answer.headers["content-type"] == "application/problem+json"
    assert "password=secret" in caplog.text


async def test_too_many_requests_at_a_time_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MOST_REQUESTS", 1)
    entered, leave = asyncio.Event(), asyncio.Event()

    async def waiting(scope: object, receive: object, send: object) -> None:
        entered.set()
        await leave.wait()

    guarded = guard.Guard(waiting)
    transport = httpx.ASGITransport(guarded)
    async with httpx.AsyncClient(transport=transport, base_url="http://service/api") as client:
        first = asyncio.create_task(guarded({"type": "http", "method": "GET", "path": "/", "headers": []}, _empty, _nowhere))
        await entered.wait()
        answer = await client.get("/jobs")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        leave.set()
        await first


async def _empty() -> dict[str, object]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _nowhere(message: object) -> None: ...


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PermanentError("there is no job", code="unknown-job"), 404),
        (PermanentError("grant it", code="not-permitted"), 403),
        (PermanentError("select secret from x", code="undefined"), 500),
        (PermanentError("rows are in no table", code="no-leaves"), 409),
        (PermanentError("a temporary table", code="temporary-table"), 409),
        (PermanentError("FINALIZE it", code="detach-pending"), 409),
        (TransientError("host db.example refused user app", code="database"), 503),
    ],
)
def test_errors_say_what_a_caller_may_know(error: PermanentError | TransientError, status: int) -> None:
    answer = problems.from_error(error)
    assert answer.status_code == status
    told = bytes(answer.body).decode()
    assert (str(error) in told) is (status < 500)
    assert error.code in told


@pytest.mark.parametrize("code", sorted(CODES))
def test_what_passes_is_told_by_the_catalogue_and_names_no_server(code: str) -> None:
    answer = problems.from_error(TransientError("host db.example", code=code))
    told = json.loads(bytes(answer.body))
    assert (answer.status_code, told["code"], told["detail"]) == (503, code, CODES[code].meaning)
    assert "db.example" not in bytes(answer.body).decode()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("source-standby", "standby"),
        ("source-read-only", "source takes no writes"),
        ("database-read-only", "database takes no writes"),
        ("database-connections", "All connections of a database"),
        ("database-failed", "database reports"),
        ("no-token", "token"),
    ],
)
def test_what_is_away_is_told_without_its_name(code: str, told: str) -> None:
    assert told in bytes(problems.from_error(TransientError("host db.example", code=code)).body).decode()


async def test_every_answer_forbids_caches_and_guessing(client: httpx.AsyncClient) -> None:
    for path in ("/health/live", "/nothing", "/docs"):
        headers = (await client.get(path)).headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert "default-src 'none'" in (await client.get("/docs")).headers["content-security-policy"]


async def test_schemas_have_names_of_their_own() -> None:
    """Two models of one name would be told apart by the paths of their modules."""
    schemas = create_app(unwired).openapi()["components"]["schemas"]
    assert [name for name in schemas if "__" in name] == []
