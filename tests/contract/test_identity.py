"""A table that has another's oid is not taken for it: forged on a server of the test's own."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from archival_core.model.chunk import Chunk, ChunkRange, Leaf, Relation
from archival_core.source.catalog.identity import are_same, are_same_tables
from archival_core.source.catalog.tree import tree
from dev.servers.postgres import PostgresServer
from tests.contract.source_support import Connection

TABLE = "CREATE TABLE t (at int PRIMARY KEY, v text)"
#: everything that PostgreSQL numbers when it makes a table
NUMBERS = "SELECT oid, reltype, relfilenode, reltoastrelid, (SELECT typarray FROM pg_type WHERE oid = reltype) FROM pg_class"


@pytest.fixture
def scratch(tmp_path: Path) -> PostgresServer:
    """A server that nobody else uses."""
    return PostgresServer(tmp_path / "scratch")


@pytest.fixture
async def conn(source_database_url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as conn:
        yield conn


async def connect(server: PostgresServer) -> Connection:
    return await psycopg.AsyncConnection.connect(server.url, autocommit=True)


async def table(conn: Connection) -> Chunk:
    row = await (await conn.execute(b"SELECT 't'::regclass::oid::bigint")).fetchone()
    name = Relation("public", "t")
    return Chunk(name, name, "native", "at", "integer", ChunkRange(None, None), oid=row[0])


async def snapshot(conn: Connection) -> str:
    row = await (await conn.execute(b"SELECT pg_current_snapshot()::text")).fetchone()
    return str(row[0])


async def numbers(conn: Connection) -> tuple[int, ...]:
    row = await (await conn.execute(f"{NUMBERS} WHERE oid = 't'::regclass".encode())).fetchone()
    return tuple(row)


async def data_folder(conn: Connection) -> str:
    row = await (await conn.execute(b"SHOW data_directory")).fetchone()
    return str(row[0])


def reset_counters(server: PostgresServer, folder: str, *options: str) -> None:
    """What an administrator can do to a server that is stopped."""
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    command = [server.binaries / "pg_resetwal", "-D", folder, *options]
    done = subprocess.run(command, capture_output=True, user=user, cwd="/", check=False)
    assert done.returncode == 0, done.stderr


async def test_a_forged_oid_is_told_by_the_transaction_that_made_the_table(scratch: PostgresServer) -> None:
    with scratch:
        async with await connect(scratch) as conn:
            await conn.execute(TABLE.encode())
            folder, chunk, before = await data_folder(conn), await table(conn), await numbers(conn)
            leaves, seen = await tree(conn, chunk), await snapshot(conn)
            assert await are_same(conn, leaves, await tree(conn, chunk), seen)
            await conn.execute(b"DROP TABLE t")
            # PostgreSQL gives no oid out again while dead rows of the catalog have it
            await conn.execute(b"VACUUM")
    # the counter is where it was before the table was made
    reset_counters(scratch, folder, "-o", str(before[0]))
    with scratch:
        async with await connect(scratch) as conn:
            await conn.execute(TABLE.encode())
            assert await numbers(conn) == before
            assert await table(conn) == chunk
            again = await tree(conn, chunk)
            assert [(leaf.relation, leaf.oid, leaf.relfilenode) for leaf in again] == [
                (leaf.relation, leaf.oid, leaf.relfilenode) for leaf in leaves
            ]
            assert [leaf.created for leaf in again] != [leaf.created for leaf in leaves]
            assert not await are_same(conn, leaves, again, seen)


async def test_a_server_whose_transactions_begin_anew_is_another_history(scratch: PostgresServer) -> None:
    with scratch:
        async with await connect(scratch) as conn:
            await conn.execute(TABLE.encode())
            folder, chunk, oids = await data_folder(conn), await table(conn), await numbers(conn)
            leaves = await tree(conn, chunk)
            for _ in range(5):
                await conn.execute(b"SELECT pg_current_xact_id()")
            seen = await snapshot(conn)
            await conn.execute(b"DROP TABLE t")
            await conn.execute(b"VACUUM")
    reset_counters(scratch, folder, "-o", str(oids[0]), "-x", str(leaves[0].created))
    with scratch:
        async with await connect(scratch) as conn:
            await conn.execute(TABLE.encode())
            again = await tree(conn, chunk)
            # all that PostgreSQL numbers has come again, and only the server's own count has not come as far
            assert (await numbers(conn), again) == (oids, leaves)
            assert not await are_same(conn, leaves, again, seen)


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
    chunk = await table(conn)
    leaves, seen = await tree(conn, chunk), await snapshot(conn)
    await conn.execute(change.format(schema=schema).encode())
    assert await are_same(conn, leaves, await tree(conn, chunk), seen)


def leaf(created: int, oid: int = 20000) -> Leaf:
    return Leaf(Relation("s", "t"), oid, oid, "p", False, created)


def at(number: int) -> str:
    return f"{number}:{number}:"


@pytest.mark.parametrize(
    ("then", "now", "seen_at", "now_at", "same"),
    [
        (700, 700, 800, 900, True),
        (700, 700, 800, 800, True),
        # made anew by another transaction, or at another oid
        (700, 850, 800, 900, False),
        # the server has not come as far as the snapshot, or farther than numbers compare
        (700, 700, 800, 799, False),
        (700, 700, 800, 800 + 2**32, False),
        # the counter of 32 bits has come round: 700 is a number of before the snapshot, and one of after it
        (700, 700, 2**32 + 500, 2**32 + 600, True),
        (700, 700, 2**32 + 500, 2**32 + 900, False),
        (700, 700, 2**32 + 800, 2**32 + 900, True),
        # PostgreSQL's own numbers are older than any
        (1, 1, 800, 900, True),
        (2, 2, 2**33 + 5, 2**33 + 90, True),
    ],
)
def test_numbers_of_transactions_compare(then: int, now: int, seen_at: int, now_at: int, same: bool) -> None:
    assert are_same_tables([leaf(then)], [leaf(now)], at(seen_at), at(now_at)) is same


def test_each_table_of_a_tree_counts() -> None:
    both = [leaf(700), leaf(701, 20001)]
    assert are_same_tables(both, both, at(800), at(900))
    assert not are_same_tables(both, both[:1], at(800), at(900))
    assert not are_same_tables(both, [leaf(700), leaf(701, 20002)], at(800), at(900))
    assert are_same_tables([], [], at(800), at(900))
