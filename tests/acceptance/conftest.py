"""The whole service on real servers: PostgreSQL, Valkey, Azurite's queue and the lake emulator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg
import pytest
from azure.storage.queue import QueueClient, TextBase64DecodePolicy
from psycopg.rows import dict_row
from redis.asyncio import Redis

from archival_core import runtime, settings
from archival_core.clients.postgres.database import Database
from archival_core.errors import ArchivalError
from archival_core.ledger.jobs.job_life import Marked
from archival_core.ledger.pool import LedgerPool
from archival_core.model.jobs.message import JobMessage
from archival_core.runtime import Runtime
from dev.lake_emulator import Emulator
from tests.kit.databases import own_database
from tests.kit.worlds import World, open_world


@dataclass
class Service:
    """The service's runtime, and independent hands on the servers around it."""

    runtime: Runtime
    url: str
    schema: str
    redis: Redis
    queue: QueueClient
    emulator: Emulator
    names: dict[str, str]
    #: whoever owns the tables, where the service's own role does not
    admin: psycopg.Connection[Any] | None = None

    async def publish(self, **data: Any) -> None:
        event = {"specversion": "1.0", "id": str(uuid4()), "source": "test", "type": "archival.chunk.requested", "data": data}
        await self.redis.xadd(self.names["EVENTS_STREAM"], {"event": json.dumps(event)})

    def messages(self) -> list[JobMessage]:
        """Take every visible message off the queue."""
        found = []
        for message in self.queue.receive_messages(messages_per_page=32):
            found.append(JobMessage.from_json(message.content))
            self.queue.delete_message(message)
        return found

    async def results(self, stream: str = "RESULTS_STREAM") -> list[dict[str, Any]]:
        entries: Any = await self.redis.xrange(self.names[stream])
        return [
            json.loads(fields[b"event"]) if stream == "RESULTS_STREAM" else {k.decode(): v.decode() for k, v in fields.items()}
            for _, fields in entries
        ]

    def jobs(self) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(
                "select * from archival.job where hypertable like %s order by requested_at, chunk", (f"{self.schema}.%",)
            ).fetchall()

    def execute(self, statements: str) -> None:
        if self.admin is not None:
            self.admin.execute(statements.encode())
            return
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statements.replace("$s", self.schema).encode())

    def forge_ledger(self, statements: str) -> None:
        """Leave the ledger as a crash or a put-back could, whatever its trigger would say of that."""
        disable, enable = (f"alter table archival.job {action} trigger follow_job" for action in ("disable", "enable"))
        self.execute("; ".join([disable, statements.rstrip("; "), enable]))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        if self.admin is not None:
            return self.admin.execute(query.encode()).fetchall()
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query.replace("$s", self.schema).encode()).fetchall()

    @property
    def has_timescaledb(self) -> bool:
        return self.rows("select 1 from pg_extension where extname = 'timescaledb'") != []

    async def give_up(self, message: JobMessage) -> None:
        """Deliver a message to the poison queue's function, after its worker was killed each of five times."""
        self.execute(
            "update archival.job set status = 'running', attempt = 5, lease_token = gen_random_uuid(), lease_until = now()"
            f""", failures = '{{"interrupted": 4}}' where job_id = '{message.job_id}'"""
        )
        await self.runtime.archival_processor.give_up(message)

    async def work(self) -> None:
        """Drain the stream and settle every waiting message."""
        await self.runtime.event_drain.drain()
        for message in self.messages():
            await self.runtime.archival_processor.process(message)

    async def restore(self) -> list[str]:
        """Settle every waiting message of the restore queue; the codes of what has to come again."""
        codes = []
        with QueueClient.from_connection_string(
            self.names["AzureWebJobsStorage"],
            self.names["RESTORE_QUEUE"],
            message_decode_policy=TextBase64DecodePolicy(),
        ) as queue:
            for message in queue.receive_messages(messages_per_page=32):
                queue.delete_message(message)
                try:
                    await self.runtime.restore_processor.process(JobMessage.from_json(message.content))
                except ArchivalError as error:
                    codes.append(error.code)
        return codes

    @property
    def lake(self) -> Path:
        return self.emulator.root / "lake"

    def files(self, below: str = "") -> list[str]:
        """Of the lake, without its marker, which is written now and then."""
        folder = self.lake / below
        found = [str(file.relative_to(self.lake)) for file in folder.rglob("*") if file.is_file()] if folder.exists() else []
        return sorted(file for file in found if file != "generation.json")


@pytest.fixture(scope="session")
def ledger_template(source_database_url: str) -> Iterator[str]:
    """A database with an empty ledger: a copy of it costs a fifth of a ledger that is made by every migration in turn."""
    with own_database(source_database_url) as url:
        asyncio.run(_migrate(url))
        yield urlsplit(url).path.strip("/")


async def _migrate(url: str) -> None:
    pool = LedgerPool(Database(url))
    await pool.migrate()
    await pool.close()


@pytest.fixture
def own_database_url(source_database_url: str, ledger_template: str) -> Iterator[str]:
    """A database of the test's own with an empty ledger, for what looks at the whole ledger."""
    with own_database(source_database_url, ledger_template) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            # no two ledgers are the same one
            connection.execute("update archival.owner set ledger = gen_random_uuid(), taken_at = now()")
        yield url


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """Where the service works; a module that needs a ledger to itself is marked `own_database`."""
    own = request.node.get_closest_marker("own_database") is not None
    url: str = request.getfixturevalue("own_database_url" if own else "source_database_url")
    return url


@pytest.fixture
def timescaledb_database_url(request: pytest.FixtureRequest, timescaledb_url: str) -> Iterator[str]:
    """The same on the server that has TimescaleDB."""
    if request.node.get_closest_marker("own_database") is None:
        yield timescaledb_url
        return
    # its workers may be connected to template1
    with own_database(timescaledb_url, "template0") as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create extension if not exists timescaledb")
        yield url


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks that may go are removed by the next run."""
    monkeypatch.setenv("REMOVAL_GRACE", "PT0S")


async def open_service(
    url: str,
    redis_url: str,
    storage_connection: str,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    schema: str = "",
) -> AsyncIterator[Service]:
    """A service of its own: fresh names everywhere, so tests share servers and nothing else; `schema` exists already."""
    token = uuid4().hex[:10]
    names = {
        "SOURCE_DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "EVENTS_STREAM": f"events.{token}",
        "RESULTS_STREAM": f"results.{token}",
        "DEAD_STREAM": f"dead.{token}",
        "LAKE_URL": f"{emulator.url}/lake",
        "LAKE_ACCOUNT_KEY": emulator.key,
        "AzureWebJobsStorage": storage_connection,
        "ARCHIVE_QUEUE": f"jobs-{token}",
        "RESTORE_QUEUE": f"restores-{token}",
        "PART_QUEUE": f"parts-{token}",
        "REMOVAL_QUEUE": f"removals-{token}",
        "VERIFY_QUEUE": f"verifications-{token}",
        "JOB_LEASE": "PT3S",
        "OUTAGE_BACKOFF": "PT0.2S",
    }
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    settings.load.cache_clear()
    queue = QueueClient.from_connection_string(
        storage_connection, names["ARCHIVE_QUEUE"], message_decode_policy=TextBase64DecodePolicy()
    )
    queue.create_queue()
    redis = Redis.from_url(redis_url)
    service = Service(runtime.get(), url, schema or f"t_{token}", redis, queue, emulator, names)
    if not schema:
        service.execute("create schema $s")
    forget_lake(settings.load().ledger_database_url or url)
    # on a busy machine the first look at a new ledger would otherwise be answered as an outage is
    with suppress(ArchivalError):
        await service.runtime._pool.migrate()
    try:
        yield service
    finally:
        await service.runtime.close()
        await redis.aclose()
        queue.close()
        if not schema:
            # a test that failed may have left a session of this process at work, which would be waited for without an end
            service.execute("set lock_timeout = '30s'; drop schema $s cascade")
            # the runs of the next test's timers, over a ledger that both share, find none of this test's jobs
            with suppress(psycopg.errors.UndefinedTable):
                service.execute("set lock_timeout = '30s'; delete from archival.job where hypertable like '$s.%'")


def forget_lake(url: str) -> None:
    """The ledger at `url` gets another lake, which is none that went back."""
    # whatever the role's own settings are
    with psycopg.connect(url, autocommit=True, options="-c statement_timeout=0 -c lock_timeout=0") as connection:
        if connection.execute("select to_regclass('archival.lake_generation')").fetchone() != (None,):
            connection.execute(
                "update archival.lake_generation"
                " set sequence = 0, token = null, written_at = null, back_to = null, noticed_at = null, noticed = null"
            )


async def no_marks(_: Collection[UUID]) -> Marked:
    """The answer of a source in which nothing of the archives' range went."""
    return Marked(stands_in=False, table_went=False)


@pytest.fixture
async def service(
    database_url: str, redis_url: str, storage_connection: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    async for opened in open_service(database_url, redis_url, storage_connection, emulator, monkeypatch):
        yield opened


@pytest.fixture
async def timescaledb_service(
    timescaledb_database_url: str, redis_url: str, storage_connection: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    async for opened in open_service(timescaledb_database_url, redis_url, storage_connection, emulator, monkeypatch):
        yield opened


@pytest.fixture(params=["native", "timescaledb"])
def any_service(request: pytest.FixtureRequest) -> Service:
    """Either kind of source; what is the same for both is tested on both."""
    service: Service = request.getfixturevalue("service" if request.param == "native" else "timescaledb_service")
    return service


@pytest.fixture
async def apart(
    own_database_url: str,
    redis_url: str,
    storage_connection: str,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> AsyncIterator[World]:
    """A world whose ledger is in a database of its own."""
    async for world in open_world((redis_url, storage_connection, emulator), monkeypatch, tmp_path, own_database_url):
        yield world


@pytest.fixture(params=["inside", pytest.param("apart", marks=pytest.mark.slow)])
async def world(
    request: pytest.FixtureRequest,
    own_database_url: str,
    redis_url: str,
    storage_connection: str,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> AsyncIterator[World]:
    """A world with its ledger in the source, and one with the ledger apart."""
    ledger_url = own_database_url if request.param == "apart" else None
    async for world in open_world((redis_url, storage_connection, emulator), monkeypatch, tmp_path, ledger_url):
        yield world
