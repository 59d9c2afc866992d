"""The mark of a reading is left only while the session of its snapshot is alive on the server that is marked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest

from archival_core.errors import TransientError
from archival_core.source.state.marks import mark_schema, readings
from tests.contract.source_support import Connection
from tests.kit.copied_postgres import CopiedPostgres
from tests.kit.databases import own_database


@pytest.fixture
async def marked(source_database_url: str) -> AsyncIterator[Connection]:
    """A session of the server that is marked."""
    with own_database(source_database_url) as url:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
            assert await mark_schema.ensure(conn)
            yield conn


async def count(conn: Connection) -> int:
    [(found,)] = await (await conn.execute(b"SELECT count(*) FROM archival_marks.reading")).fetchall()
    return int(found)


async def test_the_snapshot_s_session_is_on_the_server(marked: Connection) -> None:
    nonce = readings.new_nonce()
    async with await psycopg.AsyncConnection.connect(marked.info.dsn, password=marked.info.password) as snapshot:
        await readings.hold(snapshot, nonce)
        assert await readings.mark_reading(marked, uuid4(), nonce, "1:1:")
    assert await count(marked) == 1


@pytest.mark.parametrize("elsewhere", ["ended", "another database", "another server"])
async def test_it_is_not_there(
    marked: Connection, source_database_url: str, tmp_path_factory: pytest.TempPathFactory, elsewhere: str
) -> None:
    """A server that was replaced may go on, and whoever reads there does not notice."""
    nonce = readings.new_nonce()
    if elsewhere == "another server":
        with CopiedPostgres(tmp_path_factory.mktemp("former")) as server:
            async with await psycopg.AsyncConnection.connect(server.url) as snapshot:
                await readings.hold(snapshot, nonce)
                await refused(marked, nonce)
    else:
        url = source_database_url if elsewhere == "another database" else marked.info.dsn
        async with await psycopg.AsyncConnection.connect(url, password=marked.info.password) as snapshot:
            await readings.hold(snapshot, nonce)
            if elsewhere == "another database":
                await refused(marked, nonce)
        await refused(marked, nonce)
    assert await count(marked) == 0


async def refused(marked: Connection, nonce: str) -> None:
    with pytest.raises(TransientError) as caught:
        await readings.mark_reading(marked, uuid4(), nonce, "1:1:")
    assert caught.value.code == "history-changed"
