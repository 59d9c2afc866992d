"""What one run has for itself: a database, names in Redis, queues, a filesystem in the lake, and what is true of them."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from azure.core.exceptions import AzureError
from azure.storage.queue import QueueServiceClient, TextBase64DecodePolicy, TextBase64EncodePolicy
from psycopg.rows import dict_row
from redis import Redis
from redis.exceptions import RedisError

from dev.lake_emulator import Fault
from dev.servers.postgres import PostgresServer
from tests.faults.servers import Servers
from tests.faults.truth import Truth

# rows that a paused worker has locked are left as they are: their time goes on when it does
_OTHERS = "job_id in (select job_id from archival.job for update skip locked)"
_LEASE_OVER = f"update archival.job set lease_until = now() - interval '1 second' where status = 'running' and {_OTHERS}"
_CLAIMS_OVER = (
    "update archival.part_claim set claimed_until = now() - interval '1 second' where (job_id, number) in"
    " (select job_id, number from archival.part_claim where token is not null for update skip locked)"
)
_TRY_AGAIN = f"update archival.job set removal_tried_at = null where removal_tried_at is not null and {_OTHERS}"
_OLDER = (
    "update archival.job set messaged_at = messaged_at - interval '1 hour', requested_at = requested_at - interval '1 hour'"
    " where status in ('queued', 'running')"
)
#: what a server may have been told about its sessions does not hold for the harness's own
_WRITES = "-c default_transaction_read_only=off"
#: for a server one of whose processes was killed
_RECOVERY_SECONDS = 60.0
#: the proxy of each setting
_PROXIED = {
    "postgres": "SOURCE_DATABASE_URL",
    "ledger": "LEDGER_DATABASE_URL",
    "redis": "REDIS_URL",
    "lake": "LAKE_URL",
}


@dataclass(slots=True)
class World:
    """Independent hands on everything around the service; nothing here goes through a proxy."""

    servers: Servers
    token: str
    database_url: str
    environment: dict[str, str]
    redis: Redis
    queues: QueueServiceClient
    truth: Truth
    log: Path
    #: folders below `tables/` that somebody else has put there: the ledger need not know them
    planted: set[str] = field(default_factory=set)
    #: roles that were made for this run
    roles: list[str] = field(default_factory=list)
    #: the ledger's own database, on the servers that all runs share; `None` where the ledger is in the source
    apart_url: str | None = None
    #: whether some of what the ledger once knew is of a history that is lost: its archives may lie in the lake, and count
    #: nowhere
    history_lost: bool = False
    #: servers that the run has started; they end with it
    closing: ExitStack = field(default_factory=ExitStack)
    _made: dict[str, Any] = field(default_factory=dict)

    @property
    def lake(self) -> Path:
        """Where the emulator keeps the committed files."""
        return self.servers.emulator.root / f"lake-{self.token}"

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """A connection to the source, in autocommit mode."""
        with _opened(self.database_url) as connection:
            yield connection

    @property
    def ledger_url(self) -> str:
        """Of the database that holds the ledger."""
        return self.apart_url or self.database_url

    @contextmanager
    def connect_ledger(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """A connection to the ledger, in autocommit mode, which may write whatever a server says by default."""
        with _opened(self.ledger_url) as connection:
            yield connection

    def jobs(self) -> list[dict[str, Any]]:
        """The ledger, oldest first; none before its first migration."""
        with self.connect_ledger() as connection, suppress(psycopg.errors.UndefinedTable):
            return connection.execute("select * from archival.job order by requested_at, chunk").fetchall()
        return []

    def let_time_pass(self) -> None:
        """The database's time goes on: no dead worker owns a job any more, and what was refused is tried again."""
        with self.connect_ledger() as connection, suppress(psycopg.errors.UndefinedTable):
            connection.execute(_LEASE_OVER.encode())
            connection.execute(_TRY_AGAIN.encode())
        self.let_claims_run_out()

    def let_claims_run_out(self) -> None:
        """Nobody who is dead or asleep has a part of a chunk any more."""
        with self.connect_ledger() as connection, suppress(psycopg.errors.UndefinedTable):
            connection.execute(_CLAIMS_OVER.encode())

    def let_an_hour_pass(self) -> None:
        """Long enough for whatever waits for age: a message that has not come by then is lost."""
        self.let_time_pass()
        with self.connect_ledger() as connection, suppress(psycopg.errors.UndefinedTable):
            connection.execute(_OLDER.encode())

    def publish(self, key: str = "", **data: Any) -> None:
        """An event, as database_service sends it."""
        event = {"specversion": "1.0", "id": key or str(uuid4()), "source": "database_service"}
        event |= {"type": "archival.chunk.requested", "data": data}  # type: ignore[dict-item]
        self.redis.xadd(self.environment["EVENTS_STREAM"], {"event": json.dumps(event)})

    def has_unread_events(self) -> bool:
        """Whether events wait to be read or acknowledged; false where Redis, or the group, is away."""
        with suppress(RedisError):
            groups: Any = self.redis.xinfo_groups(self.environment["EVENTS_STREAM"])
            return any(group["lag"] or group["pending"] for group in groups)
        return False

    def dead(self) -> list[dict[str, str]]:
        """What could not be used."""
        entries: Any = self.redis.xrange(self.environment["DEAD_STREAM"])
        return [{name.decode(): value.decode(errors="replace") for name, value in fields.items()} for _, fields in entries]

    def queue(self, name: str = "") -> Any:
        """The queue of that name, by default the one of archive jobs; it is made if it is missing."""
        name = name or self.environment["ARCHIVE_QUEUE"]
        if name not in self._made:
            policies = {"message_encode_policy": TextBase64EncodePolicy(), "message_decode_policy": TextBase64DecodePolicy()}
            self._made[name] = self.queues.get_queue_client(name, **policies)
            with suppress(AzureError):
                self._made[name].create_queue()
        return self._made[name]

    def fault(self, method: str, contains: str = "", **what: Any) -> Fault:
        """Switch a fault of the lake on."""
        fault = Fault(method, contains, **what)
        self.servers.emulator.faults.append(fault)
        return fault

    def through_proxies(self) -> None:
        """From now on the service reaches every server through its proxy."""
        ports = {name: proxy.port for name, proxy in self.servers.proxies.items()}
        for name, variable in _PROXIED.items():
            if url := self.environment.get(variable):
                self.environment[variable] = _with_port(url, ports[name])
        *kept, endpoint = [part for part in self.environment["AzureWebJobsStorage"].split(";") if part]
        name, _, url = endpoint.partition("=")
        self.environment["AzureWebJobsStorage"] = ";".join([*kept, f"{name}={_with_port(url, ports['queue'])};"])
        self.move()

    def set_in_urls(self, variable: str, **parameters: object) -> None:
        """Say more in a URL of the service's settings."""
        parts = urlsplit(self.environment[variable])
        said = "&".join(filter(None, [parts.query, *(f"{name}={value}" for name, value in parameters.items())]))
        self.environment[variable] = urlunsplit(parts._replace(query=said))

    def source_moves(self, server: PostgresServer) -> None:
        """Another server has the source now; who connects through the proxy reaches that one."""
        old, new = urlsplit(self.database_url).port, urlsplit(server.url).port
        assert new is not None
        self.servers.postgres, self.servers.proxies["postgres"].target = server, new
        self.database_url = self.database_url.replace(f":{old}/", f":{new}/")

    def move(self) -> None:
        """The source has another address from now on, and somebody has said that it is the same one."""
        (self.lake / "owner.json").unlink(missing_ok=True)
        with self.connect_ledger() as connection, suppress(psycopg.errors.UndefinedTable):
            connection.execute("update archival.owner set host = null, database = null")


@contextmanager
def fresh(
    servers: Servers, template: str, truth: Truth, settings: Mapping[str, str], ledger_at: str | None = None
) -> Iterator[World]:
    """A world whose database is a copy of `template`, holding `truth`; gone at the end.

    The ledger has a database of its own on the server of the URL `ledger_at`, if that is given.
    """
    token = uuid4().hex[:12]
    database = f"run_{token}"
    with servers.administrator() as connection:
        connection.execute(f"create database {database} template {template}".encode())
    url = urlunsplit(urlsplit(servers.postgres_url)._replace(path=f"/{database}"))
    environment = {
        "PATH": "/usr/bin:/bin",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "SOURCE_DATABASE_URL": url,
        "REDIS_URL": servers.redis_url,
        "EVENTS_STREAM": f"events.{token}",
        "RESULTS_STREAM": f"results.{token}",
        "DEAD_STREAM": f"dead.{token}",
        "LAKE_URL": f"{servers.emulator.url}/lake-{token}",
        "LAKE_ACCOUNT_KEY": servers.emulator.key,
        "AzureWebJobsStorage": servers.storage_connection,
        "ARCHIVE_QUEUE": f"jobs-{token}",
        "RESTORE_QUEUE": f"restores-{token}",
        "PART_QUEUE": f"parts-{token}",
        "REMOVAL_QUEUE": f"removals-{token}",
        "VERIFY_QUEUE": f"verifications-{token}",
        "ARCHIVE_PART_BYTES": "16384",
        "JOB_LEASE": "PT30S",
        # nobody reads an older version of a table
        "TABLE_READERS": "PT0S",
        # a tenth of what the service waits by default before it looks again whether something is there
        "OUTAGE_BACKOFF": "PT1S",
        **settings,
    }
    redis = Redis.from_url(servers.redis_url)
    queues = QueueServiceClient.from_connection_string(servers.storage_connection)
    log = servers.folder / "logs" / f"{token}.log"
    log.parent.mkdir(exist_ok=True)
    world = World(servers, token, url, environment, redis, queues, truth.copy(), log)
    if ledger_at is not None:
        with psycopg.connect(ledger_at, autocommit=True) as connection:
            connection.execute(f"create database ledger_{token}".encode())
        world.apart_url = urlunsplit(urlsplit(ledger_at)._replace(path=f"/ledger_{token}"))
        environment["LEDGER_DATABASE_URL"] = world.apart_url
    if (servers.folder / template).exists():
        shutil.copytree(servers.folder / template, world.lake)
        world.move()
    try:
        yield world
    finally:
        servers.heal()
        if ledger_at is not None:
            _drop_all(ledger_at, f"ledger_{token}")
        with world.closing:
            _tidy_up(world, database)


def _drop_all(url: str, beginning: str) -> None:
    """Every database of such a name: the harness may have saved some."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("select datname from pg_database where starts_with(datname, %s)", (beginning,))
        for (name,) in found.fetchall():
            connection.execute(f"drop database {name} with (force)".encode())


def _tidy_up(world: World, database: str) -> None:
    for queue in world.queues.list_queues():
        if world.token in queue.name:
            world.queues.delete_queue(queue.name)
    world.redis.delete(*(f"{kind}.{world.token}" for kind in ("events", "results", "dead")))
    world.redis.close()
    world.queues.close()
    shutil.rmtree(world.lake, ignore_errors=True)
    with world.servers.administrator() as connection:
        connection.execute(f"drop database {database} with (force)".encode())
        for role in world.roles:
            connection.execute(f"drop role {role}".encode())


def _opened(url: str) -> psycopg.Connection[dict[str, Any]]:
    """A connection, once the server has recovered from the fault that this run is about."""
    deadline = time.monotonic() + _RECOVERY_SECONDS
    while True:
        try:
            return psycopg.connect(url, autocommit=True, row_factory=dict_row, options=_WRITES)
        except psycopg.OperationalError as error:
            if "the database system is" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _with_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{port}"))
