"""A table that has another's oid is not taken for it: forged on a server of the test's own."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from archival_core.model.chunks.chunk import Chunk, ChunkRange, Relation
from archival_core.source.catalog.partitioning.tree import tree
from archival_core.source.state.tables import tables_of, those_there
from dev.servers.postgres import PostgresServer
from tests.contract.source_support import Connection
from tests.kit.copied_postgres import CopiedPostgres
from tests.kit.rows import one

TABLE = "CREATE TABLE t (at int PRIMARY KEY, v text)"
#: everything that PostgreSQL numbers when it makes a table
NUMBERS = "SELECT oid, reltype, relfilenode, reltoastrelid, (SELECT typarray FROM pg_type WHERE oid = reltype) FROM pg_class"


@pytest.fixture
def scratch(tmp_path: Path) -> PostgresServer:
    """A server that nobody else uses."""
    return CopiedPostgres(tmp_path / "scratch")


@pytest.fixture
async def conn(source_database_url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as conn:
        yield conn


async def connect(server: PostgresServer) -> Connection:
    return await psycopg.AsyncConnection.connect(server.url, autocommit=True)


async def table(conn: Connection) -> Chunk:
    row = await one(await conn.execute(b"SELECT 't'::regclass::oid::bigint"))
    name = Relation("public", "t")
    return Chunk(name, name, "native", "at", "integer", ChunkRange(None, None), oid=row[0])


async def numbers(conn: Connection) -> tuple[int, ...]:
    row = await one(await conn.execute(f"{NUMBERS} WHERE oid = 't'::regclass".encode()))
    return tuple(row)


async def data_folder(conn: Connection) -> str:
    row = await one(await conn.execute(b"SHOW data_directory"))
    return str(row[0])


def reset_counters(server: PostgresServer, folder: str, *options: str) -> None:
    """What an administrator can do to a server that is stopped; it is started again."""
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    process: Any = server._process
    process.stop()
    command: list[str | Path] = [server.binaries / "pg_resetwal", "-D", folder, *options]
    done = subprocess.run(command, capture_output=True, user=user, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    process.start()
    process.wait_until(server._answers, "PostgreSQL")


async def test_a_forged_oid_is_told_by_the_transaction_that_made_the_table(scratch: PostgresServer) -> None:
    with scratch:
        async with await connect(scratch) as conn:
            await conn.execute(TABLE.encode())
            folder, chunk, before = await data_folder(conn), await table(conn), await numbers(conn)
            [then], leaves = await tables_of(conn, chunk), await tree(conn, chunk)
            await conn.execute(b"DROP TABLE t")
            # PostgreSQL gives no oid out again while dead rows of the catalog have it
            await conn.execute(b"VACUUM")
        # the counter is where it was before the table was made
        reset_counters(scratch, folder, "-o", str(before[0]))
        async with await connect(scratch) as conn:
            await conn.execute(TABLE.encode())
            assert (await numbers(conn), await table(conn)) == (before, chunk)
            [now], again = await tables_of(conn, chunk), await tree(conn, chunk)
            assert (now.oid, again[0].relation, again[0].relfilenode) == (
                then.oid,
                leaves[0].relation,
                leaves[0].relfilenode,
            )
            # nothing else tells
            assert now.born != then.born
            assert again[0].created != leaves[0].created
            assert await those_there(conn, [(then.oid, then.born), (now.oid, now.born)]) == {(now.oid, now.born)}


async def test_a_server_whose_transactions_begin_anew_is_another_history(scratch: PostgresServer) -> None:
    """With both counters put back even that comes again: only a mark can tell, which such a server has not made yet."""
    with scratch:
        async with await connect(scratch) as conn:
            await conn.execute(TABLE.encode())
            folder, chunk, oids = await data_folder(conn), await table(conn), await numbers(conn)
            then = await tables_of(conn, chunk)
            await conn.execute(b"CREATE TABLE marks (nonce int); INSERT INTO marks VALUES (1)")
            await conn.execute(b"DROP TABLE t")
            await conn.execute(b"VACUUM")
        reset_counters(scratch, folder, "-o", str(oids[0]), "-x", then[0].born)
        async with await connect(scratch) as conn:
            await conn.execute(TABLE.encode())
            assert (await numbers(conn), await tables_of(conn, chunk)) == (oids, then)
            assert await (await conn.execute(b"SELECT to_regclass('marks') IS NULL")).fetchone() == (True,)


@pytest.mark.parametrize(
    "change",
    [
        "VACUUM (FULL, FREEZE) t",
        "VACUUM FULL pg_attribute",
        "VACUUM (FREEZE) pg_attribute",
        "CLUSTER t USING t_pkey",
        "TRUNCATE t",
        "ALTER TABLE t ADD COLUMN w int DEFAULT 5, ALTER COLUMN v TYPE varchar(9)",
        "ALTER TABLE t DROP COLUMN v",
        "ALTER TABLE t SET UNLOGGED",
        "ALTER TABLE t RENAME TO u",
        "ALTER SCHEMA {schema} RENAME TO x_{schema}; ALTER SCHEMA x_{schema} RENAME TO {schema}",
        "GRANT SELECT (at), UPDATE ON t TO pg_monitor",
        "ALTER TABLE t OWNER TO pg_monitor",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    ],
)
async def test_what_happens_to_a_table_leaves_it_the_same(conn: Connection, schema: str, change: str) -> None:
    await conn.execute(f"SET search_path = {schema}".encode())
    await conn.execute((TABLE + "; INSERT INTO t VALUES (1, 'x')").encode())
    chunk = replace(await table(conn), relation=Relation(schema, "t"))
    [then] = await tables_of(conn, chunk)
    await conn.execute(change.format(schema=schema).encode())
    row = await one(await conn.execute(b"SELECT relname FROM pg_class WHERE oid = %s", (chunk.oid,)))
    assert await tables_of(conn, replace(chunk, relation=Relation(schema, row[0]))) == (then,)


async def test_a_server_of_copied_data_is_a_system_of_its_own(scratch: PostgresServer, conn: Connection) -> None:
    """What other tests rely on."""
    identifier = b"SELECT system_identifier FROM pg_control_system()"
    with scratch:
        async with await connect(scratch) as other:
            assert await one(await other.execute(identifier)) != await one(await conn.execute(identifier))
