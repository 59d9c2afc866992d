"""What reading and comparing refuse, because they could not tell: hidden rows, and numbers out of reach."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.source import catalog
from archival_core.source.state.fence import holds_same_rows
from dev.servers.postgres import PostgresServer
from tests.contract.source_support import Connection, read_chunk
from tests.kit.copied_postgres import CopiedPostgres

TABLE = """
CREATE TABLE {0}.t (at int, v text) PARTITION BY RANGE (at);
CREATE TABLE {0}.p PARTITION OF {0}.t FOR VALUES FROM (0) TO (1000);
INSERT INTO {0}.t SELECT i, 'x' FROM generate_series(0, 99) i;
"""
#: rows in one transaction's reach, as 32 bits can tell older from newer
REACH = 2_147_000_000


async def connect(url: str) -> Connection:
    return await psycopg.AsyncConnection.connect(url, autocommit=True)


async def chunk_of(conn: Connection, schema: str) -> Chunk:
    return await catalog.find_chunk(conn, Relation(schema, "t"), Relation(schema, "p"))


async def snapshot_of(conn: Connection) -> str:
    row = await (await conn.execute("SELECT pg_current_snapshot()::text")).fetchone()
    assert row is not None
    return str(row[0])


async def test_rows_that_a_policy_hides_are_not_left_out(schema: str, source_database_url: str) -> None:
    role = f"reader_{schema}"
    parts = urlsplit(source_database_url)
    url = urlunsplit(parts._replace(netloc=f"{role}:secret@{parts.netloc.rpartition('@')[2]}"))
    async with await connect(source_database_url) as admin:
        await admin.execute(TABLE.format(schema).encode())
        await admin.execute(
            f"CREATE ROLE {role} LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA {schema} TO {role};"
            f" GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};"
            f" ALTER TABLE {schema}.p ENABLE ROW LEVEL SECURITY;"
            f" CREATE POLICY half ON {schema}.p FOR SELECT USING (at < 50)".encode()
        )
        try:
            async with await connect(url) as conn:
                with pytest.raises(PermanentError) as caught:
                    await read_chunk(url, conn, await chunk_of(conn, schema))
            assert caught.value.code == "source-permission-denied"
        finally:
            await admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


async def test_a_server_that_has_not_come_as_far_as_the_snapshot_cannot_tell(schema: str, source_database_url: str) -> None:
    async with await connect(source_database_url) as conn:
        await conn.execute(TABLE.format(schema).encode())
        chunk, snapshot = await chunk_of(conn, schema), await snapshot_of(conn)
        assert await holds_same_rows(conn, chunk, snapshot, (100,))
        # as it is when the server was put back, and gives the same numbers out again
        later = int(snapshot.split(":")[1]) + 1_000_000
        assert not await holds_same_rows(conn, chunk, f"{later}:{later}:", (100,))


async def test_a_snapshot_from_before_half_of_all_numbers_cannot_tell(tmp_path: Path) -> None:
    with CopiedPostgres(tmp_path / "server") as server:
        async with await connect(server.url) as conn:
            await conn.execute(b"CREATE SCHEMA s")
            await conn.execute(TABLE.format("s").encode())
            chunk, snapshot = await chunk_of(conn, "s"), await snapshot_of(conn)
            assert await holds_same_rows(conn, chunk, snapshot, (100,))
            row = await (await conn.execute("SHOW data_directory")).fetchone()
        assert row is not None
        await asyncio.to_thread(_come_as_far_as, server, Path(row[0]), REACH + 1_000_000)
        async with await connect(server.url) as conn:
            assert not await holds_same_rows(conn, chunk, snapshot, (100,))


def _come_as_far_as(server: PostgresServer, data: Path, xid: int) -> None:
    """The server's next transaction gets the number `xid`, and the rows that are there are older than that."""
    process, owner = server._process, data.stat().st_uid
    assert process is not None
    user = owner if os.geteuid() == 0 else None
    frozen: list[str | Path] = [server.binaries / "vacuumdb", "--all", "--freeze", "-q", "--maintenance-db", server.url]
    subprocess.run(frozen, check=True, user=user, cwd="/", capture_output=True)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    process.stop()
    segment = data / "pg_xact" / f"{xid // 1_048_576:04X}"
    segment.write_bytes(bytes(262_144))
    os.chown(segment, owner, -1)
    reset: list[str | Path] = [server.binaries / "pg_resetwal", "-f", "-x", str(xid), data]
    subprocess.run(reset, check=True, user=user, cwd="/", capture_output=True)
    process.start()
    process.wait_until(server._answers, "PostgreSQL")
