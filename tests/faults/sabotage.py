"""Ways to break the service, so that a test can see the checker find it. Used by the tests of the harness alone."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import psycopg
import pyarrow as pa

_WAYS: dict[str, Callable[[], None]] = {}


def apply(name: str) -> None:
    """Break the service of this process."""
    _WAYS[name]()


def _way(function: Callable[[], None]) -> Callable[[], None]:
    _WAYS[function.__name__] = function
    return function


def _replace(module: ModuleType, name: str, stand_in: object) -> None:
    """Put `stand_in` in the place of a function that `module` imports by `name`."""
    assert hasattr(module, name), f"{module.__name__} imports no {name}"
    setattr(module, name, stand_in)


@_way
def acknowledges_first() -> None:
    """An event is acknowledged before its job and its message are there."""
    from archival_core.flows.asking.event_drain import EventDrain

    take = EventDrain._take

    async def hasty(self: Any, batch: Any, report: Any) -> None:
        await self._messaging.acknowledge([entry.entry_id for entry in batch])
        await take(self, batch, report)

    EventDrain._take = hasty  # type: ignore[method-assign]


@_way
def trusts_the_lake() -> None:
    """What was written is not compared with what reads back."""
    from archival_core.flows.archive import part_archiver

    part_archiver._check_equal = lambda *_: None
    part_archiver._check_bytes = lambda *_: None
    part_archiver.PartArchiver._read = lambda *_: None  # type: ignore[method-assign,assignment]


@_way
def drops_rows() -> None:
    """The first row of each batch is left out, and nobody counts."""
    from archival_core.flows.archive import part_archiver, reading
    from archival_core.source.wire.extract import read_batches

    def fewer(*args: Any, **kwargs: Any) -> Iterator[pa.RecordBatch]:
        for batch in read_batches(*args, **kwargs):
            yield batch.slice(1)

    _replace(part_archiver, "read_batches", fewer)
    reading.Reading.check_total = lambda self, done: None  # type: ignore[method-assign]


@_way
def doubles_rows() -> None:
    """Each batch comes twice, and nobody counts."""
    from archival_core.flows.archive import part_archiver, reading
    from archival_core.source.wire.extract import read_batches

    def more(*args: Any, **kwargs: Any) -> Iterator[pa.RecordBatch]:
        for batch in read_batches(*args, **kwargs):
            yield batch
            yield batch

    _replace(part_archiver, "read_batches", more)
    reading.Reading.check_total = lambda self, done: None  # type: ignore[method-assign]


@_way
def ignores_the_fence() -> None:
    """A chunk that has changed is taken for unchanged."""
    from archival_core.flows.archive import chunk_archiver, reading

    async def unchanged(*_: Any) -> bool:
        return True

    _replace(chunk_archiver, "is_unchanged", unchanged)
    reading.Reading.check_total = lambda self, done: None  # type: ignore[method-assign]


@_way
def keeps_a_lock() -> None:
    """The chunk stays locked by a statement, whoever waits for it, and also when its client has gone."""

    def hold() -> None:
        with psycopg.connect(os.environ["SOURCE_DATABASE_URL"], application_name="archival_service") as connection:
            connection.execute("lock table weather.m1 in access share mode")
            connection.execute("select pg_sleep(20)")

    threading.Thread(target=hold, daemon=True).start()


@_way
def watches_no_connection() -> None:
    """A silent server is waited for: no keepalives, and no end to waiting for what was sent."""
    connect: Any = psycopg.AsyncConnection.connect

    async def patient(conninfo: str = "", **options: Any) -> Any:
        return await connect(conninfo, **{**options, "keepalives": 0, "tcp_user_timeout": 0})

    psycopg.AsyncConnection.connect = patient  # type: ignore[method-assign]


@_way
def blames_the_job() -> None:
    """A job that would have to wait for a dependency has failed."""
    from archival_core.flows.jobs.runner import JobRunner

    async def fail(self: Any, message: Any, error: Any, *_: Any) -> None:
        job = await self._ledger.take_lease(message.job_id, self._lease)
        await self._ledger.fail(job, error.code, str(error))

    JobRunner._send_later = fail  # type: ignore[method-assign,assignment]


@_way
def keeps_its_connections() -> None:
    """A connection to Redis is kept, whatever the server answers there."""
    from redis.asyncio.connection import AbstractConnection

    async def stay(*_: Any, **__: Any) -> None:
        return None

    AbstractConnection.disconnect = stay  # type: ignore[method-assign]


@_way
def trusts_poolers() -> None:
    """Each connection is taken to have a session of its own."""
    from archival_core.clients.postgres import pooler as postgres_pooler

    async def kept(*_: Any) -> bool:
        return True

    postgres_pooler.keeps_session = kept  # type: ignore[assignment]


@_way
def believes_any_history() -> None:
    """Every history is taken to have all that a reading saw."""
    from archival_core.source.state.marks import readings

    async def has(*_: Any) -> bool:
        return True

    readings.has_reading = has  # type: ignore[assignment]
