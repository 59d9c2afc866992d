"""`/health/ready` does what the work does, says what it tried, and answers in time whoever is away."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from archival_core import runtime, settings
from archival_core.flows.insight import insights, readiness
from dev.lake_emulator import Emulator
from tests.acceptance.api_client import api_client
from tests.acceptance.conftest import Service, open_service
from tests.faults.proxy import Proxy, Weather, proxied

PARTS = ("source", "ledger", "redis", "queue", "lake")


@dataclass
class Distant:
    """A service whose dependencies are all behind proxies."""

    service: Service
    client: httpx.AsyncClient
    proxies: dict[str, Proxy]

    async def ready(self) -> tuple[int, dict[str, str], float]:
        began = time.monotonic()
        answer = await self.client.get("/health/ready")
        return answer.status_code, answer.json()["checks"], time.monotonic() - began


@pytest.fixture
async def distant(
    own_database_url: str,
    source_database_url: str,
    redis_url: str,
    storage_connection: str,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Distant]:
    monkeypatch.setattr(readiness, "_GOOD_FOR", 0.0)
    monkeypatch.setattr(insights, "_GOOD_FOR", 0.0)
    found = re.search(r"QueueEndpoint=http://127\.0\.0\.1:(\d+)", storage_connection)
    assert found is not None
    ports = {
        "source": urlsplit(source_database_url).port,
        "ledger": urlsplit(own_database_url).port,
        "redis": urlsplit(redis_url).port,
        "queue": int(found[1]),
        "lake": urlsplit(emulator.url).port,
    }
    async with AsyncExitStack() as stack:
        proxies = {name: await stack.enter_async_context(proxied(port or 0)) for name, port in ports.items()}

        def through(name: str, url: str) -> str:
            return url.replace(f":{ports[name]}", f":{proxies[name].port}")

        async for service in open_service(source_database_url, redis_url, storage_connection, emulator, monkeypatch):
            for name, setting, url in (
                ("source", "SOURCE_DATABASE_URL", source_database_url),
                ("ledger", "LEDGER_DATABASE_URL", own_database_url),
                ("redis", "REDIS_URL", redis_url),
                ("queue", "AzureWebJobsStorage", storage_connection),
                ("lake", "LAKE_URL", service.names["LAKE_URL"]),
            ):
                monkeypatch.setenv(setting, through(name, url))
            await service.runtime.close()
            settings.load.cache_clear()
            monkeypatch.setattr(runtime, "_current", None)
            service.runtime = runtime.get()
            async with api_client() as client:
                yield Distant(service, client, proxies)
            for proxy in proxies.values():
                proxy.heal()


async def test_everything_answers_and_it_is_said_what_was_tried(distant: Distant) -> None:
    await until_ready(distant)
    answer = await distant.client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.json()["tried"] == {
        "source": "look",
        "ledger": "write",
        "redis": "write",
        "queue": "look",
        "lake": "look",
    }


async def until_ready(distant: Distant) -> None:
    async with asyncio.timeout(30):
        while (await distant.ready())[0] != 200:
            await asyncio.sleep(0.1)


async def test_whatever_falls_silent_is_told_in_time(distant: Distant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over connections that are there already."""
    await until_ready(distant)
    monkeypatch.setattr(readiness, "_DEADLINE_SECONDS", 1.0)
    for proxy in distant.proxies.values():
        proxy.weather = Weather("black_hole")
    for _ in range(2):
        status, checks, seconds = await distant.ready()
        assert status == 503
        assert checks == dict.fromkeys(PARTS, "failed")
        assert seconds < 2
    for proxy in distant.proxies.values():
        proxy.heal()
    await until_ready(distant)


@pytest.mark.parametrize("name", ["ledger", "redis", "queue"])
async def test_what_is_away_takes_nothing_else_with_it(distant: Distant, name: str) -> None:
    await until_ready(distant)
    distant.proxies[name].weather = Weather("refuse")
    await distant.proxies[name].close()
    status, checks, seconds = await distant.ready()
    assert status == 503
    assert {part for part, state in checks.items() if state == "failed"} == {name}
    assert seconds < 3


async def test_databases_that_take_no_writes_are_not_ready(distant: Distant, source_database_url: str) -> None:
    await until_ready(distant)
    with psycopg.connect(source_database_url, autocommit=True) as admin:
        admin.execute("alter system set default_transaction_read_only = on")
        admin.execute("select pg_reload_conf()")
        try:
            async with asyncio.timeout(10):
                while (await distant.ready())[1] != dict.fromkeys(PARTS, "ok") | dict.fromkeys(("source", "ledger"), "failed"):
                    await asyncio.sleep(0.1)
        finally:
            admin.execute("set default_transaction_read_only = off")
            admin.execute("alter system reset default_transaction_read_only")
            admin.execute("select pg_reload_conf()")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ledger", "refuse"),
        *(pytest.param(name, "refuse", marks=pytest.mark.slow) for name in ("source", "redis", "queue", "lake")),
        *(pytest.param(name, "black_hole", marks=pytest.mark.slow) for name in ("source", "ledger", "redis", "lake", "queue")),
    ],
)
async def test_the_console_names_what_is_away_within_3_s_and_recovers(
    distant: Distant, name: str, kind: Literal["refuse", "black_hole"]
) -> None:
    await until_ready(distant)
    assert (await distant.client.get("/dashboard/overview")).json()["numbers"] is not None
    distant.proxies[name].weather = Weather(kind)
    if kind == "refuse":
        await distant.proxies[name].close()
    began = time.monotonic()
    told = (await distant.client.get("/dashboard/overview")).json()
    assert time.monotonic() - began < 3
    assert told["dependencies"][name]["state"] == "failed"
    assert told["dependencies"][name]["cause"] and told["dependencies"][name]["since"]
    # what is of before is still there, and says so
    assert told["numbers"]["jobs"] == {}
    sources = {"ledger": "ledger", "queue": "queues", "redis": "stream"}
    away = {source["name"]: source for source in told["away"]}
    if name in sources:
        assert away[sources[name]]["cause"] and away[sources[name]]["as_of"]
    # lists that need it say so in time, the others answer
    for path, needs in (("/jobs", {"ledger"}), ("/dead-letters", {"redis", "ledger"}), ("/hypertables", {"source", "ledger"})):
        began = time.monotonic()
        answer = await distant.client.get(path)
        assert time.monotonic() - began < 3, path
        assert (answer.status_code == 503) is (name in needs), (path, answer.text)
    if kind == "black_hole":
        distant.proxies[name].heal()
        await until_ready(distant)
        async with asyncio.timeout(20):
            while (await distant.client.get("/dashboard/overview")).json()["dependencies"][name]["state"] != "ok":
                await asyncio.sleep(0.2)
