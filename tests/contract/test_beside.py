"""Sessions beside a reading, which stay open: they lead to the server that the next reading is on."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from archival_core.clients.postgres.database import Database
from archival_core.errors import TransientError
from archival_core.source.beside import Beside
from archival_core.source.state.marks import mark_schema, readings
from dev.servers.postgres import PostgresServer
from tests.faults.proxy import proxied
from tests.kit.copied_postgres import CopiedPostgres


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PostgresServer, PostgresServer]]:
    with (
        CopiedPostgres(tmp_path_factory.mktemp("former")) as former,
        CopiedPostgres(tmp_path_factory.mktemp("present")) as present,
    ):
        yield former, present


async def mark(source: Database, beside: Beside) -> bool:
    """A reading begins, and leaves its mark."""
    nonce = readings.new_nonce()
    async with source.connect() as reading, reading.transaction():
        await readings.hold(reading, nonce)
        async with beside.connect() as connection:
            assert await mark_schema.ensure(connection)
            return await readings.mark_reading(connection, uuid4(), nonce, "1:1:")


async def test_an_address_that_leads_elsewhere(servers: tuple[PostgresServer, PostgresServer]) -> None:
    """The former server is still there, and answers whoever has a session."""
    former, present = (urlsplit(server.url) for server in servers)
    async with proxied(former.port or 0) as proxy:
        url = former._replace(netloc=f"{former.username}:{former.password}@127.0.0.1:{proxy.port}").geturl()
        source = Database(url)
        beside = Beside(source)
        try:
            assert await mark(source, beside)
            proxy.target = present.port or 0
            with pytest.raises(TransientError) as caught:
                await mark(source, beside)
            assert caught.value.code == "history-changed"
            assert await mark(source, beside)
        finally:
            await beside.close()
