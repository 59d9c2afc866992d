"""The whole stack with something to see, and Chromium."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, sync_playwright
from psycopg.rows import dict_row
from redis import Redis

from dev.demo import sample_data
from dev.stack.publish import request
from dev.stack.stack import Stack
from dev.stack.state import State

_ARGUMENTS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

HOSTILE = "<img src=x onerror=alert(1)>"
_HOSTILE_TABLE = f"""
create table demo."{HOSTILE}" (time timestamptz not null, value int) partition by range (time);
create table demo."{HOSTILE}_1" partition of demo."{HOSTILE}" for values from ('2026-01-01Z') to ('2026-02-01Z');
insert into demo."{HOSTILE}" values ('2026-01-05Z', 1);
"""
#: A partition that is asked for before it is there.
LATE = "demo.readings_2026_01_13"


#: In seconds, for each test with what it stands on: a machine that does other things takes minutes for a whole stack.
_PATIENCE = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of this folder have a longer time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(_PATIENCE))


@dataclass(frozen=True)
class Shown:
    """A running service with a history."""

    api: str
    key: str
    database: str
    redis: str

    def ask(self, hypertable: str, **data: Any) -> None:
        with Redis.from_url(self.redis) as redis:
            fields: dict[Any, Any] = request(hypertable, **data)
            redis.xadd("archival.events", fields)

    def rows(self, query: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.database, row_factory=dict_row) as connection:
            return connection.execute(query.encode()).fetchall()

    def execute(self, statements: str) -> None:
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(statements.encode())

    def wait_for(self, look: Callable[[], Any], seconds: float = 300) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, self.rows("select chunk, status, error from archival.job")
            time.sleep(0.2)
        return found


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """What a module's service has besides the settings of every one."""
    return {}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, chromium: Browser, settings: dict[str, str]) -> Iterator[Shown]:
    """Six chunks removed, three archived, two failed, and two dead letters, one of each with a hostile name."""
    state = State(tmp_path_factory.mktemp("stack"), "page")
    with Stack(state, {"REMOVAL_GRACE": "PT0S", **settings}, fresh=True) as stack:
        addresses = {name: str(value) for name, value in stack.addresses.items()}
        sample_data.create(addresses["source_database_url"], 24_000)
        stack.host.start()
        service = Shown(
            addresses["api_url"], addresses["function_key"], addresses["source_database_url"], addresses["redis_url"]
        )
        service.execute(_HOSTILE_TABLE)
        service.ask("demo.readings", older_than="2026-01-07T00:00:00Z", remove=True)
        for day in ("07", "08", "09"):
            service.ask("demo.readings", chunk=f"demo.readings_2026_01_{day}")
        service.ask("demo.readings", chunk=LATE)
        service.ask(f'demo."{HOSTILE}"', chunk=f'demo."{HOSTILE}_2"')
        service.ask("demo.readings", older_than=HOSTILE)
        with Redis.from_url(addresses["redis_url"]) as redis:
            redis.xadd("archival.events.dead", {"message": HOSTILE, "dead.reason": f"invalid-message: {HOSTILE}"})
        wanted = {"removed": 6, "archived": 3, "failed": 2}
        service.wait_for(lambda: _counts(service) == wanted)
        yield service


def _counts(service: Shown) -> dict[str, int]:
    try:
        found = service.rows("select status, count(*) as jobs from archival.job group by 1")
    except psycopg.errors.UndefinedTable:
        return {}
    return {row["status"]: row["jobs"] for row in found}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The Chromium of this machine, or the one named by TEST_CHROMIUM; without one the test is skipped, visibly."""
    path = os.environ.get("TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None or not Path(path).exists():
        pytest.skip("needs Chromium: install it, or set TEST_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def figures(shown: Shown) -> dict[str, int]:
    """What the page has to show, by plain SQL over the jobs."""
    [found] = shown.rows(
        "select count(*) filter (where status = 'removed') as removed,"
        " sum(source_bytes) filter (where status = 'removed')::bigint as freed,"
        " sum(parquet_bytes)::bigint as kept, sum(source_bytes)::bigint as source, sum(rows)::bigint as rows"
        " from archival.job where status in ('archived', 'removed')"
    )
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]
