"""With Microsoft Entra every connection has a token of its own: no run ends because an hour is over."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from urllib.parse import urlsplit

import psycopg
import pytest

from archival_core import connections
from archival_core.clients.postgres import database as postgres
from archival_core.flows.archive import part_archiver
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore import archive_loader, slice_loader
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.chunks.chunk import ChunkRange, Relation
from dev.lake_emulator import Emulator
from tests.acceptance.conftest import Service, open_service

TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
insert into $s.readings select t, random() from generate_series(timestamptz '2026-01-01Z', '2026-01-31Z', '1 minute') t;
"""


@pytest.fixture
async def service(
    source_database_url: str, redis_url: str, storage_connection: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    """Its source's role has another password each time that a token is asked for, and before each part.

    The ledger's URL has a password, so that one connection at a time asks for a token.
    """
    with psycopg.connect(source_database_url, autocommit=True) as admin:
        admin.execute("create role fleeting superuser login")
        admin.execute("create schema tokens")
        given = itertools.count(1)

        def token() -> str:
            token = f"token-{next(given)}"
            admin.execute(f"alter role fleeting password '{token}'".encode())
            return token

        def ended[**P, T](function: Callable[P, T]) -> Callable[P, T]:
            """What was given out before is over when `function` is called."""

            def call(*args: P.args, **kwargs: P.kwargs) -> T:
                admin.execute("alter role fleeting password 'over'")
                return function(*args, **kwargs)

            return call

        for module, name in ((part_archiver, "read_batches"), (archive_loader, "loading"), (slice_loader, "loading")):
            monkeypatch.setattr(module, name, ended(getattr(module, name)))
        monkeypatch.setattr(postgres, "_LOCAL_HOSTS", frozenset())
        monkeypatch.setattr(connections, "token_source", lambda *_: token)
        monkeypatch.setenv("LEDGER_DATABASE_URL", source_database_url)
        monkeypatch.setenv("ARCHIVE_READERS", "1")
        monkeypatch.setenv("ARCHIVE_PART_BYTES", str(64 * 8192))
        monkeypatch.setenv("REMOVAL_GRACE", "PT0S")
        parts = urlsplit(source_database_url)
        url = f"postgresql://fleeting@{parts.hostname}:{parts.port}{parts.path}"
        async for opened in open_service(url, redis_url, storage_connection, emulator, monkeypatch, schema="tokens"):
            opened.url = source_database_url
            yield opened
        for statement in (
            "drop schema tokens cascade",
            "reassign owned by fleeting to postgres",
            "drop owned by fleeting",
            "drop role fleeting",
        ):
            admin.execute(statement.encode())


async def test_a_token_that_is_over_ends_no_run(service: Service) -> None:
    """Through an archive of several parts, its removal with the trial restore, and a restore."""
    service.execute(TABLE)
    rows = service.rows("select * from $s.readings order by time")
    await service.publish(hypertable="tokens.readings", chunk="tokens.jan", remove=True)
    await service.work()
    assert len(list(service.lake.rglob("part-*.parquet"))) > 2
    await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))
    [job] = service.jobs()
    assert job["status"] == "removed", job["removal_error"]
    await service.runtime.restore_requests.request(
        RestoreRequest(
            Relation("tokens", "readings"),
            None,
            ChunkRange(None, None),
            RestoreWish(),
            request_key="tokens",
            requested_by="tests",
        )
    )
    assert await service.restore() == []
    assert service.rows("select * from $s.readings order by time") == rows
