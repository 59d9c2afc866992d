"""Connections of the ADBC driver, which copies in binary and in C. The driver's errors are translated here, once."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from types import MappingProxyType
from typing import Final

import adbc_driver_manager as adbc
import adbc_driver_postgresql
import adbc_driver_postgresql.dbapi as adbc_postgresql
import psycopg
import pyarrow as pa
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from archival_core import telemetry
from archival_core.clients.postgres import settings as postgres_settings
from archival_core.clients.postgres import silence as postgres_silence
from archival_core.errors import ArchivalError, AwayError, PermanentError, TransientError
from archival_core.source.translate import translate

_LOG = logging.getLogger(__name__)

#: How the driver reports a statement that failed: the statement, the severity, the server's message.
_REPEATED: Final = re.compile(r".*?Failed to execute query '.*': \S+: +(.*)", re.DOTALL)

#: A small database that every server has, and another small one for the case that the data is in the first.
_SMALL, _OTHERWISE = "postgres", "template1"
_NOT_OF_THE_SERVER = {"dbname", "user", "password", "options", "tcp_user_timeout"}

#: A URL, or a function that gives a URL with a token that is valid now; the function is called for each connection.
DatabaseUrl = str | Callable[[], str]


class _OfThread(threading.local):
    """What each thread has for itself: objects of the driver must not be shared by threads."""

    def __init__(self) -> None:
        #: by server
        self.databases: dict[frozenset[tuple[str, object]], adbc.AdbcDatabase] = {}


_OF_THREAD = _OfThread()


class _Kept:
    """Stands in the place of the database object that a connection would close when it is closed."""

    def close(self) -> None:
        """Close nothing: the thread's next connection uses the same database object."""


@contextmanager
def connected(
    database_url: DatabaseUrl, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[adbc_postgresql.Connection]:
    """A connection in a transaction. What is not committed at the end is rolled back.

    The session begins as every session does (`postgres_settings`), and with `settings` besides. The driver is sure to know
    the server's own types only, not the types that were made in this database.
    """
    url = database_url if isinstance(database_url, str) else database_url()
    with ExitStack() as stack:
        try:
            conninfo, mark = postgres_silence.marked(postgres_settings.conninfo(url, settings))
            stack.enter_context(postgres_silence.ended_when_hanging(conninfo, mark))
            conn = stack.enter_context(closing(_connection(_database(conninfo))))
        except (adbc.Error, psycopg.ProgrammingError) as error:
            # Not chained: what libpq quotes of a URL that it cannot read may be the password.
            raise _not_connected(translate(getattr(error, "sqlstate", None), _harmless(str(error), url))) from None
        yield conn


def _database(conninfo: str) -> adbc.AdbcDatabase:
    """The driver's database object, ready to connect. This thread uses it again."""
    databases, given = _OF_THREAD.databases, conninfo_to_dict(conninfo)
    server = frozenset((name, value) for name, value in given.items() if name not in _NOT_OF_THE_SERVER)
    if server not in databases:
        databases[server] = _with_types(conninfo, given)
    databases[server].set_options(uri=conninfo)
    return databases[server]


def _with_types(conninfo: str, given: Mapping[str, object]) -> adbc.AdbcDatabase:
    """The database object with the server's types.

    The driver first reads every type of a database and every column of every table. With 10,000 chunks that takes half a
    second and 70 MB. The service reads values of the server's own types only, and a small database has all of these types.
    """
    small = _OTHERWISE if (given.get("dbname") or given.get("user")) == _SMALL else _SMALL
    database: adbc.AdbcDatabase
    try:
        database = adbc_driver_postgresql.connect(make_conninfo(conninfo, dbname=small))
    except adbc.Error as error:
        # whatever is wrong with the server shows again with the next connection
        _LOG.info(
            "no small database can be read for the types: %s",
            _harmless(str(error), conninfo),
            extra=telemetry.named("archival.types.read_whole"),
        )
        database = adbc_driver_postgresql.connect(conninfo)
    return database


def _connection(database: adbc.AdbcDatabase) -> adbc_postgresql.Connection:
    conn = adbc.AdbcConnection(database)
    try:
        with closing(adbc.AdbcStatement(conn)) as begin:
            begin.set_sql_query(postgres_settings.first_statement())
            begin.execute_update()
        return adbc_postgresql.Connection(_Kept(), conn)  # begins a transaction, which may fail too
    except BaseException:
        conn.close()
        raise


def arriving(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The batches of a query's result, without empty ones."""
    with driver_errors():
        for batch in reader:
            if batch.num_rows:
                yield batch


@contextmanager
def driver_errors() -> Iterator[None]:
    """Translate the driver's errors inside the block into `TransientError` or `PermanentError`."""
    try:
        yield
    except adbc.NotSupportedError as error:
        raise PermanentError(f"the driver cannot read a value: {error}", code="unrepresentable-value") from error
    except adbc.Error as error:
        raise translate(error.sqlstate, said_by_server(error)) from error
    except (pa.ArrowException, OSError) as error:
        # The errors of the stream carry no SQLSTATE, so words have to do. What could be wrong with the chunk was looked at
        # before.
        raise translate(None, f"reading broke off: {said_by_server(error)}") from error


def _not_connected(error: ArchivalError) -> AwayError:
    """The error of a connection that was not made. Nothing was asked for yet, so no job and no event is to blame."""
    code = error.code if isinstance(error, TransientError) else "source-unreachable"
    return AwayError(str(error), code=code, dependency="source")


def _harmless(message: str, database_url: str) -> str:
    try:
        password = conninfo_to_dict(database_url).get("password")
    except psycopg.ProgrammingError:
        return "the database URL cannot be read"
    return "the connection failed" if password and str(password) in message else message.strip()


def said_by_server(error: Exception) -> str:
    """The server's message, without the statement that the driver repeats before it, and without the lines below it."""
    found = _REPEATED.match(str(error))
    return (found[1] if found else str(error)).strip().split("\n", 1)[0]
