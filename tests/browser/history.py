"""What the service of each module has behind it: it happens once a session, and is copied."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row
from redis import Redis

from dev.demo import sample_data
from dev.servers.postgres import PostgresServer
from dev.stack.owner import disown_ledger
from dev.stack.publish import request
from dev.stack.reader import READER, ensure_reader
from dev.stack.stack import Stack
from dev.stack.state import State
from tests.kit.copied_postgres import CopiedPostgres
from tests.kit.disks import Disks

HOSTILE = "<img src=x onerror=alert(1)>"
_HOSTILE_TABLE = f"""
create table demo."{HOSTILE}" (time timestamptz not null, value int) partition by range (time);
create table demo."{HOSTILE}_1" partition of demo."{HOSTILE}" for values from ('2026-01-01Z') to ('2026-02-01Z');
insert into demo."{HOSTILE}" values ('2026-01-05Z', 1);
"""
#: A partition that is asked for before it is there.
LATE = "demo.readings_2026_01_13"
#: While a page is looked at, timers that find nothing would take the processor from it.
_UNHURRIED = {
    "DRAIN_SCHEDULE": "*/2 * * * * *",
    "COMMIT_SCHEDULE": "*/10 * * * * *",
    "REMOVAL_SCHEDULE": "*/5 * * * * *",
    "VERIFY_SCHEDULE": "*/30 * * * * *",
    "RECONCILE_SCHEDULE": "*/15 * * * * *",
}
#: What the console asks for, of each dependency.
_LOOKS = (
    "health/ready",
    "dashboard/overview",
    "dashboard/hypertables",
    "chunks?hypertable=demo.readings",
    "jobs",
    "dead-letters",
)


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

    def answers(self, path: str) -> bool:
        return httpx.get(f"{self.api}/{path}", headers={"x-functions-key": self.key}, timeout=60).is_success

    def execute(self, statements: str) -> None:
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(statements.encode())

    def wait_for(self, look: Callable[[], Any], seconds: float = 300) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, self.rows("select chunk, status, error from archival.job")
            time.sleep(0.2)
        return found


def once(folder: Path) -> Path:
    """The folder with the history of all modules, in `folder`; whoever comes at the same time waits for it."""
    made, unfinished = folder / "history", folder / "history.unfinished"
    with (folder / "history.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(unfinished, ignore_errors=True)
            _make(unfinished)
            unfinished.rename(made)
    return made


def lake_of(history: Path) -> Path:
    """Its account of the lake."""
    return _state(history).lake


@contextmanager
def gone_on(history: Path, folder: Path, settings: Mapping[str, str]) -> Iterator[Shown]:
    """A service in `folder` that has this history and goes on, with settings of its own."""
    for part in (_state(history).servers, _state(history).lake):
        shutil.copytree(part, folder / part.relative_to(history))
    with CopiedPostgres(folder / "postgres", history / "postgres") as postgres:
        disown_ledger(postgres.url)
        with _serving(postgres, folder, {**_UNHURRIED, **settings}) as stack:
            stack.host.start()
            service = _shown(stack)
            # a host that has just started answers its first looks late, and says that something is away
            service.wait_for(lambda: all(map(service.answers, _LOOKS)))
            yield service


def _make(folder: Path) -> None:
    """Six chunks removed, three archived, two failed, and two dead letters, one of each with a hostile name."""
    folder.mkdir()
    with CopiedPostgres(folder / "server") as postgres:
        sample_data.create(postgres.url, 24_000)
        with _serving(postgres, folder, {}) as stack:
            stack.host.start()
            service = _shown(stack)
            service.execute(_HOSTILE_TABLE)
            service.ask("demo.readings", older_than="2026-01-07T00:00:00Z", remove=True)
            for day in ("07", "08", "09"):
                service.ask("demo.readings", chunk=f"demo.readings_2026_01_{day}")
            service.ask("demo.readings", chunk=LATE)
            service.ask(f'demo."{HOSTILE}"', chunk=f'demo."{HOSTILE}_2"')
            service.ask("demo.readings", older_than=HOSTILE)
            with Redis.from_url(service.redis) as redis:
                redis.xadd("archival.events.dead", {"message": HOSTILE, "dead.reason": f"invalid-message: {HOSTILE}"})
            wanted = {"removed": 6, "archived": 3, "failed": 2}
            service.wait_for(lambda: _counts(service) == wanted)
        (folder / "postgres").mkdir()
        shutil.copy(folder / "server" / "password", folder / "postgres")
        disks = Disks(postgres, folder / "postgres" / "data")
        with disks.stopped():
            subprocess.run(["cp", "-a", disks.data, folder / "postgres" / "data"], check=True)


@contextmanager
def _serving(postgres: PostgresServer, folder: Path, settings: Mapping[str, str]) -> Iterator[Stack]:
    ensure_reader(postgres.url)
    given = {"SOURCE_DATABASE_URL": postgres.url, "QUERY_ROLE": READER, "REMOVAL_GRACE": "PT0S", **settings}
    with Stack(_state(folder), given) as stack:
        yield stack


def _state(folder: Path) -> State:
    return State(folder, "page")


def _shown(stack: Stack) -> Shown:
    found = {name: str(value) for name, value in stack.addresses.items()}
    return Shown(found["api_url"], found["function_key"], found["source_database_url"], found["redis_url"])


def _counts(service: Shown) -> dict[str, int]:
    try:
        found = service.rows("select status, count(*) as jobs from archival.job group by 1")
    except psycopg.errors.UndefinedTable:
        return {}
    return {row["status"]: row["jobs"] for row in found}
