"""A server that is read-only, full, overloaded or damaged: whichever driver meets that, one code says what it is."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from archival_core.clients.postgres.database import Database, translated
from archival_core.errors import ArchivalError, PermanentError, TransientError
from archival_core.ledger import pool as pool_module
from archival_core.ledger.pool import LedgerPool
from archival_core.source.translate import source_errors
from archival_core.source.wire.driver import arriving, connected, driver_errors
from dev.servers.postgres import PostgresServer
from tests.kit.copied_postgres import CopiedPostgres

#: more memory than a sort may take: it goes to temporary files
SORT = "select g, pg_catalog.repeat('x', 100) as x from pg_catalog.generate_series(1, 100000) g order by 2, 1 desc"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server of this module's own, since what happens to it concerns the whole server."""
    with CopiedPostgres(tmp_path_factory.mktemp("troubled")) as running:
        yield running


@pytest.fixture
def admin(server: PostgresServer) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        yield connection


@contextmanager
def refused(*codes: str, kind: type[ArchivalError] = TransientError) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert caught.value.code in codes, str(caught.value)


async def by_source(url: str, statement: str) -> None:
    async with Database(url).connect() as connection:
        with source_errors():
            await connection.execute(statement.encode())


async def by_ledger(url: str, statement: str) -> None:
    async with Database(url).connect() as connection:
        with translated("the ledger"):
            await connection.execute(statement.encode())


def by_copy(url: str, query: str, meanwhile: Callable[[], None] = lambda: None, **settings: str) -> None:
    """Read by the Arrow driver; `meanwhile` comes after the first batch."""
    with connected(url, settings) as connection, connection.cursor() as cursor:
        with driver_errors():
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": "65536"})
            cursor.execute(query)
            reader = cursor.fetch_record_batch()
        for number, _ in enumerate(arriving(reader)):
            if not number:
                meanwhile()


async def test_a_server_that_takes_no_writes_is_waited_for(server: PostgresServer, admin: psycopg.Connection[Any]) -> None:
    """As Azure leaves a server whose storage is nearly full. Whoever gave up would have to be told when there is room again."""
    admin.execute("create table public.t (a int)")
    admin.execute("alter system set default_transaction_read_only = on")
    admin.execute("select pg_reload_conf()")
    try:
        while admin.execute("show default_transaction_read_only").fetchone() != ("on",):
            pass
        with refused("source-read-only"):
            await by_source(server.url, "insert into public.t values (1)")
        with refused("database-read-only"):
            await by_ledger(server.url, "insert into public.t values (1)")
        with refused("database-read-only"):
            await LedgerPool(Database(server.url)).migrate()
        with refused("source-read-only"), connected(server.url) as connection, driver_errors(), connection.cursor() as cursor:
            cursor.execute("insert into public.t values (1)")
    finally:
        admin.execute("set default_transaction_read_only = off")
        admin.execute("alter system reset default_transaction_read_only")
        admin.execute("select pg_reload_conf()")
        admin.execute("drop table public.t")


async def test_temporary_files_that_grow_too_large(server: PostgresServer) -> None:
    with refused("source-limit"):
        by_copy(server.url, SORT, temp_file_limit="64", work_mem="64")
    with refused("source-limit"):
        await by_source(server.url, f"set temp_file_limit = 64; set work_mem = 64; {SORT}")
    with refused("database-limit"):
        await by_ledger(server.url, f"set temp_file_limit = 64; set work_mem = 64; {SORT}")


async def test_a_disk_that_is_full(server: PostgresServer, admin: psycopg.Connection[Any], tmp_path: Path) -> None:
    with _small_disk(tmp_path) as disk:
        admin.execute(f"create tablespace small location '{disk}'".encode())
        admin.execute("create table public.full_one (a text) tablespace small")
        fill = "insert into public.full_one select repeat(g::text, 300) from generate_series(1, 20000) g"
        try:
            with refused("source-full"):
                await by_source(server.url, fill)
            with refused("database-full"):
                await by_ledger(server.url, fill)
        finally:
            admin.execute("drop table public.full_one")
            admin.execute("drop tablespace small")


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    disk = Path("/tmp") / f"small-{folder.name}"  # noqa: S108  where the server's user may go
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0777,uid=65534", "none", disk], capture_output=True, check=False
    )
    try:
        if mounted.returncode:
            pytest.skip("needs to mount a small disk, which only root may")
        yield disk
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", disk], check=True)
        disk.rmdir()


@pytest.fixture
def guest(server: PostgresServer, admin: psycopg.Connection[Any]) -> Iterator[str]:
    """The URL of role `guest`, who is no superuser and so may be kept out."""
    admin.execute("create role guest login password 's3cret'")
    admin.execute("grant create on database postgres to guest")
    yield f"postgresql://guest:s3cret@{server.url.partition('@')[2]}"
    admin.execute("drop owned by guest cascade")
    admin.execute("drop role guest")


async def test_no_connection_is_left(guest: str, admin: psycopg.Connection[Any]) -> None:
    admin.execute("alter role guest connection limit 0")
    with refused("database-connections"):
        await Database(guest).prove_writable()
    with refused("source-connections"), connected(guest):
        pass


async def test_a_pool_says_which_trouble_keeps_it_without_connections(
    guest: str, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_WAIT_SECONDS", 1.0)
    pool = LedgerPool(Database(guest))
    try:
        await pool.one("intake")
        admin.execute("alter role guest connection limit 0")
        admin.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'guest'")
        with refused("database-connections"):
            await pool.one("intake")
    finally:
        await pool.close()


async def test_a_role_that_is_not_let_in(server: PostgresServer) -> None:
    url = server.url.replace("postgres:", "postgres:wrong", 1)
    with refused("database-login"):
        await Database(url).prove_writable()
    with refused("source-login"), connected(url):
        pass


async def test_a_time_out_of_a_statement_is_told_from_whoever_cancels_it(server: PostgresServer) -> None:
    for errors, code in (
        (source_errors(), "source-statement-timeout"),
        (translated("the ledger"), "database-statement-timeout"),
    ):
        async with Database(server.url).connect() as connection:
            await connection.execute("set statement_timeout = '50ms'")
            with refused(code), errors:
                await connection.execute("select pg_catalog.pg_sleep(10)")
    # a server that has no such database is not said to be silent
    with refused("database-missing"):
        await by_ledger(server.url.rpartition("/")[0] + "/nothing", "select 1")
    with refused("source-missing"):
        by_copy(server.url.rpartition("/")[0] + "/nothing", "select 1")


async def test_a_copy_that_somebody_ends(server: PostgresServer, admin: psycopg.Connection[Any]) -> None:
    long = "select g, pg_catalog.repeat('x', 1000) from pg_catalog.generate_series(1, 1000000) g"

    def end(how: str) -> Callable[[], None]:
        def end_all() -> None:
            admin.execute(
                f"select {how}(pid) from pg_stat_activity where pid <> pg_backend_pid() and state = 'active'".encode()
            )

        return end_all

    with refused("source-cancelled"):
        by_copy(server.url, long, end("pg_cancel_backend"))
    with refused("source-unreachable"):
        by_copy(server.url, long, end("pg_terminate_backend"))
    with refused("source-failed"):  # what is wrong with a value was looked at before
        by_copy(server.url, "select 1000 / (50000 - g) from pg_catalog.generate_series(1, 100000) g")


async def test_damaged_rows_are_no_reason_to_wait(server: PostgresServer, admin: psycopg.Connection[Any]) -> None:
    """They do not mend by themselves, and other chunks are whole."""
    admin.execute("create table public.damaged as select g, repeat('x', 500) as x from generate_series(1, 2000) g")
    [(folder,)] = admin.execute("show data_directory").fetchall()
    [(file,)] = admin.execute("select pg_relation_filepath('public.damaged')").fetchall()
    admin.execute("checkpoint")
    admin.close()
    server.restart()
    with (Path(folder) / file).open("r+b") as pages, closing(pages):
        pages.seek(50 * 8192 + 100)
        pages.write(b"damage" * 100)
    query = "select * from public.damaged"
    with refused("source-damaged", kind=PermanentError):
        by_copy(server.url, query)
    with refused("source-damaged", kind=PermanentError):
        await by_source(server.url, query)
    with refused("database-damaged"):
        await by_ledger(server.url, query)
