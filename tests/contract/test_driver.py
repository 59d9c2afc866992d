"""What a connection of the driver costs the server and the client does not grow with the tables that a database has."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import adbc_driver_manager as adbc
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from archival_core.errors import TransientError
from archival_core.source.wire import driver
from archival_core.source.wire.driver import connected
from tests.kit.log_records import events

_TABLES = 200
_COLUMNS = 4
_CATALOG_ROWS = """
SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint FROM pg_catalog.pg_stat_sys_tables
WHERE relname = 'pg_attribute'
"""
_OTHERS = """
SELECT FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@pytest.fixture(autouse=True)
def of_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a thread that has not connected yet."""
    monkeypatch.setattr(driver, "_OF_THREAD", driver._OfThread())


@pytest.fixture
def database_url(source_database_url: str) -> Iterator[str]:
    """A database of the test's own, with some tables."""
    name = f"driver_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(source_database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        url = make_conninfo(source_database_url, dbname=name)
        with psycopg.connect(url, autocommit=True) as inside:
            tables = "; ".join(f"CREATE TABLE t{number} (a int, b int, c int, d int)" for number in range(_TABLES))
            inside.execute(tables.encode())
        yield url
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def catalog_rows_read(url: str) -> int:
    """By one connection that asks for its own database's name, of the catalog of columns."""

    def total() -> int:
        with psycopg.connect(url, autocommit=True) as connection:
            deadline = time.monotonic() + 10
            while connection.execute(_OTHERS).fetchone():  # what a session counted is there once it has ended
                assert time.monotonic() < deadline
                time.sleep(0.01)
            row = connection.execute(_CATALOG_ROWS).fetchone()
            assert row is not None
            return int(row[0])

    before = total()
    with connected(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        assert cursor.fetchone() == (psycopg.conninfo.conninfo_to_dict(url)["dbname"],)
    return total() - before


def test_a_connection_leaves_the_columns_of_all_tables_alone(database_url: str) -> None:
    # to open the database at all takes some two hundred
    assert catalog_rows_read(database_url) < _TABLES * _COLUMNS


def test_a_thread_reads_the_types_once(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def again(*_: object) -> None:
        raise AssertionError("read again")

    catalog_rows_read(database_url)
    monkeypatch.setattr("adbc_driver_postgresql.connect", again)

    for _ in range(2):  # which also shows that the end of one connection leaves the next one's database
        with connected(database_url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1.5::float8, 'a'::text, ARRAY[now()]")
            assert cursor.fetch_arrow_table().num_rows == 1
    with ThreadPoolExecutor() as others, pytest.raises(AssertionError, match="read again"):
        others.submit(connected(database_url).__enter__).result()


def test_another_database_of_the_server_is_the_one_asked_for(database_url: str, source_database_url: str) -> None:
    for url in (database_url, source_database_url, database_url):
        with connected(url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_database()")
            assert cursor.fetchone() == (psycopg.conninfo.conninfo_to_dict(url)["dbname"],)


def test_a_server_with_the_one_database_alone_is_read_all_the_same(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_SMALL", "not_there")

    assert catalog_rows_read(database_url) >= _TABLES * _COLUMNS


def test_what_is_wrong_with_the_url_is_said_without_its_password(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for url in (
        make_conninfo(database_url, password="s3cret"),
        "postgresql://me:s3cret@127.0.0.1:1/x",
        "postgresql://me:s3cret@[",
    ):
        with pytest.raises(TransientError) as failure, connected(url):
            pass
        assert failure.value.code in ("source-unreachable", "source-login")
        assert "s3cret" not in str(failure.value)
    assert events(caplog, "archival.types.read_whole")
    assert "s3cret" not in caplog.text


def test_a_connection_that_breaks_when_it_begins_is_closed(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise adbc.OperationalError("the server went away", status_code=adbc.AdbcStatusCode.IO)

    monkeypatch.setattr("adbc_driver_postgresql.dbapi.Connection", breaks)

    with pytest.raises(TransientError, match="went away"), connected(database_url):
        pass
