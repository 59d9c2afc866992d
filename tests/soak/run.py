"""One run: the stack, the hosts, the people and the trouble; then peace, and the verdict."""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import psycopg
from psycopg.rows import dict_row

from tests.faults import servers
from tests.faults.servers import Servers
from tests.faults.truth import Row
from tests.soak.asking import Asker
from tests.soak.checker import Verdict, check
from tests.soak.hosts import Host, Trouble, hosts
from tests.soak.table import made
from tests.soak.writers import Writer

_WRITERS = 3
#: nothing has changed in the ledger for so long: the hosts have nothing to do any more
_QUIET_SECONDS = 6.0
_PATIENCE_SECONDS = 120.0
#: what is still to be done, and how far it is
_UNDONE = "select job_id, kind, status, attempt from archival.job where status in ('queued', 'running') order by 1"
_STATE = "select job_id, status, attempt, removed_at, restored_at from archival.job order by 1"


class Going(Protocol):
    """What goes on in a thread of its own until it is told to stop."""

    def run(self) -> None:
        """Go on."""

    def end(self) -> None:
        """Stop soon."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a run."""

    verdict: Verdict
    #: what happened, counted
    met: Counter[str]
    seconds: float
    #: the ends of the hosts' logs, where something is wrong
    logs: str

    @property
    def good(self) -> bool:
        """No row is lost or doubled, and everything agrees."""
        return self.verdict.good


def run(seconds: float, seed: int) -> Result:
    """Trouble for so many seconds."""
    started, rng = time.monotonic(), random.Random(seed)
    with TemporaryDirectory(prefix="soak-") as name, servers.started(_open(Path(name))) as stack:
        environment = _environment(stack)
        with psycopg.connect(stack.postgres_url, autocommit=True) as connection:
            rows = made(connection, rng)
        with hosts(Path(name), environment) as running:
            writers = _writers(stack.postgres_url, rng, rows)
            asker = Asker(stack.redis_url, stack.postgres_url, environment, running, random.Random(rng.random()))
            trouble = Trouble(running, random.Random(rng.random()))
            with _going([*writers, asker]):
                _until_at_work(stack.postgres_url)
                with _going([trouble]):
                    time.sleep(seconds)
            met = sum((*(writer.met for writer in writers), asker.met, trouble.met), Counter[str]())
            problems = _until_quiet(stack.postgres_url, running)
        verdict = check(stack.postgres_url, stack.emulator.root / "lake", {k: v for w in writers for k, v in w.rows.items()})
        verdict.problems += problems
        met += _ledger_counts(stack.postgres_url)
        logs = "" if verdict.good else "\n".join(host.log.read_text(errors="replace")[-6000:] for host in running)
        return Result(verdict, met, time.monotonic() - started, logs)


def _open(folder: Path) -> Path:
    folder.chmod(0o755)  # PostgreSQL runs as another user
    return folder


def _writers(url: str, rng: random.Random, rows: dict[int, Row]) -> list[Writer]:
    return [
        Writer(
            url,
            random.Random(rng.random()),
            {identity: row for identity, row in rows.items() if identity % _WRITERS == number},
            first=10**6 - 10**6 % _WRITERS + number,
            step=_WRITERS,
        )
        for number in range(_WRITERS)
    ]


@contextmanager
def _going(all_of_them: Sequence[Going]) -> Iterator[None]:
    threads = [threading.Thread(target=going.run) for going in all_of_them]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for going in all_of_them:
            going.end()
        for thread in threads:
            thread.join()


def _until_at_work(url: str) -> None:
    """The hosts have come up, made the ledger, and archived something."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with suppress(psycopg.errors.UndefinedTable), psycopg.connect(url) as connection:
            if connection.execute("select 1 from archival.job where kind = 'archive' and finished_at is not null").fetchone():
                return
        time.sleep(0.2)
    raise AssertionError(f"nothing was archived within {_PATIENCE_SECONDS:.0f} s, although nothing was in the way")


def _until_quiet(url: str, running: Sequence[Host]) -> list[str]:
    """Both hosts run, and finish what was asked; what they have not finished in time."""
    deadline, before, since = time.monotonic() + _PATIENCE_SECONDS, None, time.monotonic()
    undone: list[dict[str, Any]] = []
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        while time.monotonic() < deadline:
            for host in running:
                if host.process is None or host.process.exit_code is not None:
                    host.start()
            undone, now = connection.execute(_UNDONE).fetchall(), connection.execute(_STATE).fetchall()
            if undone or now != before:
                before, since = now, time.monotonic()
            elif time.monotonic() - since > _QUIET_SECONDS:
                return []
            time.sleep(0.3)
    return [f"not finished: {row}" for row in undone] or ["the hosts do not come to rest"]


def _environment(stack: Servers) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", ""),
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "SOURCE_DATABASE_URL": stack.postgres_url,
        "REDIS_URL": stack.redis_url,
        "EVENTS_STREAM": "soak.events",
        "RESULTS_STREAM": "soak.results",
        "DEAD_STREAM": "soak.dead",
        "LAKE_URL": f"{stack.emulator.url}/lake",
        "LAKE_ACCOUNT_KEY": stack.emulator.key,
        "AzureWebJobsStorage": stack.storage_connection,
        "ARCHIVE_QUEUE": "soak-archives",
        "RESTORE_QUEUE": "soak-restores",
        "PART_QUEUE": "soak-parts",
        "REMOVAL_QUEUE": "soak-removals",
        "VERIFY_QUEUE": "soak-verifications",
        "LOCAL_FUNCTION_KEY": secrets.token_urlsafe(12),
        "LOCAL_MASTER_KEY": secrets.token_urlsafe(12),
        "ARCHIVE_PART_BYTES": "16384",
        "REMOVAL_GRACE": "PT0S",
        "JOB_LEASE": "PT3S",
        "DRAIN_SCHEDULE": "* * * * * *",
        "COMMIT_SCHEDULE": "*/2 * * * * *",
        "REMOVAL_SCHEDULE": "* * * * * *",
        "VERIFY_SCHEDULE": "*/10 * * * * *",
        "RECONCILE_SCHEDULE": "*/3 * * * * *",
        "TELEMETRY_EXPORTER": "none",
    }


def _ledger_counts(url: str) -> Counter[str]:
    with psycopg.connect(url) as connection:
        query = "select format('jobs: %s %s', kind, status), count(*) from archival.job group by 1"
        return Counter(dict(connection.execute(query).fetchall()))
