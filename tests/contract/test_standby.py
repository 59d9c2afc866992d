"""A standby as the source: it is looked at, and nothing is archived or removed from it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from archival_core.errors import TransientError
from archival_core.model.chunks.chunk import Relation
from archival_core.source import catalog
from archival_core.source.catalog.hypertables import source_tables
from archival_core.source.catalog.presence import missing_oids, table_oids
from dev.servers.postgres import PostgresServer
from tests.contract.source_support import Connection
from tests.kit.copied_postgres import CopiedPostgres

ALL = "2100-01-01T00:00:00Z"


async def connect(server: PostgresServer) -> Connection:
    return await psycopg.AsyncConnection.connect(server.url, autocommit=True)


async def test_a_standby_is_refused_until_it_is_promoted(tmp_path: Path) -> None:
    server, table = CopiedPostgres(tmp_path / "scratch"), Relation("public", "t")
    with server:
        async with await connect(server) as conn:
            await conn.execute(b"CREATE TABLE t (at timestamptz) PARTITION BY RANGE (at)")
            await conn.execute(b"CREATE TABLE p PARTITION OF t FOR VALUES FROM ('2026-01-01Z') TO ('2026-01-02Z')")
            row = await (await conn.execute(b"SHOW data_directory")).fetchone()
        assert row is not None
        (Path(row[0]) / "standby.signal").touch()
        await asyncio.to_thread(server.restart)
        async with await connect(server) as conn:
            assert await (await conn.execute(b"SELECT pg_is_in_recovery()")).fetchone() == (True,)
            # people can look at it
            assert [found.relation for found in await source_tables(conn)] == [table]
            [chunk] = await catalog.chunks(conn, table)
            assert await missing_oids(conn, [1]) == set()
            for asked in (
                catalog.find_chunk(conn, table, chunk.relation),
                catalog.chunks_ending_by(conn, table, ALL),
                # a table that has not arrived yet is not gone
                table_oids(conn, [chunk.relation]),
            ):
                with pytest.raises(TransientError, match="SOURCE_DATABASE_URL") as caught:
                    await asked
                assert caught.value.code == "source-standby"
            await conn.execute(b"SELECT pg_promote()")
            assert await catalog.find_chunk(conn, table, chunk.relation) == chunk
            assert await table_oids(conn, [chunk.relation, table]) != {}
            assert await catalog.chunks_ending_by(conn, table, ALL) == [chunk]
