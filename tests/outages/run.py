"""One run: jobs in the queue and events in the stream, one dependency away for minutes, and what becomes of them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psycopg
from redis import Redis

from dev.lake_emulator import Fault
from dev.servers.processes import Process, free_port
from dev.stack.host_defaults import SCHEDULES
from dev.stack.state import ROOT
from tests.faults import servers
from tests.faults.proxy import Proxy, Weather, proxied
from tests.faults.servers import Servers

DEPENDENCIES = ("source", "ledger", "lake", "queue", "redis")
_STREAM, _DEAD = "outages.events", "outages.dead"
#: after the return of the dependency, for as many jobs as a busy machine may have to do
_PATIENCE_SECONDS = 3600.0


@dataclass(slots=True)
class Result:
    """What became of the jobs, in seconds after the dependency's return where it is a time."""

    dependency: str
    minutes: float
    first: float | None = None
    all_done: float | None = None
    #: jobs by status, at the end
    jobs: dict[str, int] = field(default_factory=dict)
    #: attempts that began while the dependency was away
    attempts: int = 0
    buried: int = 0
    #: `GET /health/ready`, and `archival_dependency_up` of the dependency, at the end of the outage
    ready: str = ""
    metric: str = ""

    @property
    def good(self) -> bool:
        """Everything is archived, and soon."""
        return set(self.jobs) == {"archived"} and not self.buried and self.first is not None and self.first < 30


@dataclass(slots=True)
class _World:
    stack: Servers
    proxies: dict[str, Proxy]
    ledger_url: str
    key: str
    url: str = ""

    def jobs(self) -> Counter[str]:
        with suppress(psycopg.errors.UndefinedTable), psycopg.connect(self.ledger_url) as connection:
            return Counter(dict(connection.execute("select status, count(*) from archival.job group by 1").fetchall()))
        return Counter()

    def attempts(self) -> int:
        with psycopg.connect(self.ledger_url) as connection:
            row = connection.execute("select coalesce(sum(attempt), 0) from archival.job").fetchone()
            return int(row[0]) if row else 0

    def cut(self, dependency: str) -> None:
        if dependency == "lake":
            self.stack.emulator.faults.append(Fault("*", "", "status", status=503, code="ServerBusy", times=10**9))
            return
        self.proxies[dependency].weather = Weather("refuse")
        self.stack.loop.run(self.proxies[dependency].close())

    def heal(self, dependency: str) -> None:
        self.stack.emulator.faults.clear()
        if dependency != "lake":
            self.stack.loop.loop.call_soon_threadsafe(self.proxies[dependency].heal)

    def ask(self, first: int, count: int) -> None:
        with Redis.from_url(self.stack.redis_url) as redis:
            for number in range(first, first + count):
                data = {"hypertable": "outages.readings", "chunk": f"outages.c{number:04d}"}
                event = {"specversion": "1.0", "id": str(uuid4()), "source": "outages", "data": data}
                redis.xadd(_STREAM, {"event": json.dumps(event | {"type": "archival.chunk.requested"})})

    def asked(self, path: str) -> str:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/{path}", headers={"x-functions-key": self.key}, timeout=20).text
        return "no answer"


def run(dependency: str, minutes: float, jobs: int, events: int, say: Callable[[str], None]) -> Result:
    """`jobs` in the queue and `events` that come meanwhile, with `dependency` away for so many minutes."""
    result = Result(dependency, minutes)
    with TemporaryDirectory(prefix="outages-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        with servers.started(folder) as stack, _world(stack, jobs + events) as world, _host(folder, world):
            world.ask(0, jobs)
            _until(lambda: sum(world.jobs().values()) == jobs, 120, "the first events are drained")
            say(f"{jobs} jobs are asked for, and {dependency} goes away")
            world.cut(dependency)
            before = world.attempts()
            time.sleep(1)
            world.ask(jobs, events)
            time.sleep(minutes * 60)
            result.attempts = world.attempts() - before
            result.ready = world.asked("health/ready")
            wanted = f'archival_dependency_up{{dependency="{dependency}"}}'
            result.metric = next((line for line in world.asked("metrics").splitlines() if line.startswith(wanted)), "")
            done = world.jobs()["archived"]
            say(f"{dependency} is back; {dict(world.jobs())}")
            world.heal(dependency)
            back = time.monotonic()
            with suppress(AssertionError):
                _until(lambda: world.jobs()["archived"] > done or done == jobs + events, _PATIENCE_SECONDS, "a job is done")
                result.first = time.monotonic() - back
                _until(lambda: world.jobs()["archived"] == jobs + events, _PATIENCE_SECONDS, "all jobs are done")
                result.all_done = time.monotonic() - back
            result.jobs = dict(world.jobs())
            with Redis.from_url(stack.redis_url) as redis:
                result.buried = int(redis.xlen(_DEAD))
    return result


@contextmanager
def _world(stack: Servers, chunks: int) -> Iterator[_World]:
    with psycopg.connect(stack.postgres_url, autocommit=True) as connection:
        connection.execute("create database ledger")
        connection.execute("create schema outages")
        connection.execute("create table outages.readings (id integer not null, value float8) partition by range (id)")
        for number in range(chunks):
            connection.execute(
                f"create table outages.c{number:04d} partition of outages.readings"
                f" for values from ({number * 1000}) to ({(number + 1) * 1000})".encode()
            )
        connection.execute("insert into outages.readings select i, i from generate_series(0, %s) i" % (chunks * 1000 - 1))
    port = urlsplit(stack.postgres_url).port
    assert port is not None
    proxies = {**stack.proxies, "source": stack.proxies["postgres"], "ledger": stack.loop.enter(proxied(port))}
    yield _World(stack, proxies, stack.postgres_url.rpartition("/")[0] + "/ledger", secrets.token_urlsafe(12))


@contextmanager
def _host(folder: Path, world: _World) -> Iterator[None]:
    """The development host over a copy of the app, with everything as `host.json` and the settings' defaults have it."""
    app, port = folder / "app", free_port()
    app.mkdir()
    for file in ("function_app.py", "host.json"):
        shutil.copy(ROOT / file, app)
    ready = folder / "ready"
    command = [sys.executable, "-m", "dev.functions_host", str(app), "--port", str(port), "--no-local-settings"]
    environment = _environment(world)
    process = Process([*command, "--ready-file", str(ready)], folder / "host.log", env=environment, cwd=ROOT)
    world.url = f"http://127.0.0.1:{port}/api"
    process.start()
    try:
        process.wait_until(ready.exists, "the functions host")
        yield
    finally:
        process.stop()


def _environment(world: _World) -> dict[str, str]:
    def through(url: str, dependency: str) -> str:
        return url.replace(f":{world.proxies[dependency].target}", f":{world.proxies[dependency].port}")

    stack = world.stack
    return {
        "PATH": os.environ.get("PATH", ""),
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "SOURCE_DATABASE_URL": through(stack.postgres_url, "source"),
        "LEDGER_DATABASE_URL": through(world.ledger_url, "ledger"),
        "REDIS_URL": through(stack.redis_url, "redis"),
        "EVENTS_STREAM": _STREAM,
        "RESULTS_STREAM": "outages.results",
        "DEAD_STREAM": _DEAD,
        "LAKE_URL": f"{stack.emulator.url}/lake",
        "LAKE_ACCOUNT_KEY": stack.emulator.key,
        "AzureWebJobsStorage": through(stack.storage_connection, "queue"),
        "ARCHIVE_QUEUE": "outages-archives",
        "RESTORE_QUEUE": "outages-restores",
        "PART_QUEUE": "outages-parts",
        "REMOVAL_QUEUE": "outages-removals",
        "VERIFY_QUEUE": "outages-verifications",
        "LOCAL_FUNCTION_KEY": world.key,
        "LOCAL_MASTER_KEY": secrets.token_urlsafe(12),
        **SCHEDULES,
        "TELEMETRY_EXPORTER": "none",
    }


def _until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)
