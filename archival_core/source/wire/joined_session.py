"""A session of the driver that sees what an exported snapshot shows."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import adbc_driver_manager as adbc
import adbc_driver_postgresql.dbapi as adbc_postgresql
import pyarrow as pa

from archival_core.errors import LostConnectionError, PostponedError
from archival_core.model.chunks.chunk import Relation, quote_literal
from archival_core.source.state.snapshot.waiting import LOCK_TIMEOUT, Sessions, locked_by_others
from archival_core.source.wire.driver import DatabaseUrl, arriving, connected, driver_errors

#: Five gathered groups of pages: each batch costs some Python, and above 3 MB its memory would come from the system every time.
BATCH_BYTES: Final = 9 * 256 * 1024

#: PostgreSQL's snapshot identifiers; nothing else is put into the statement.
_SNAPSHOT_CHARACTERS = frozenset("0123456789ABCDEFabcdef-")


class JoinedSession:
    """What one may do in it."""

    def __init__(self, cursor: adbc_postgresql.Cursor) -> None:
        self._cursor = cursor

    def lock(self, table: Relation) -> None:
        """Take the lock that reading needs, and wait only briefly.

        If somebody waits to alter the table, this session would wait behind them, they would wait for the session that holds
        the snapshot, and that session for this one. Raises `GaveWayError`.
        """
        try:
            with driver_errors():
                self._cursor.execute(f"LOCK TABLE {table.sql} IN ACCESS SHARE MODE")
        except PostponedError as error:
            if error.code != "source-locked":
                raise
            raise locked_by_others(table) from error

    def set(self, settings: Mapping[str, str]) -> None:
        """Settings that hold until the end of the transaction, known to every server."""
        with driver_errors():
            _run(self._cursor, f"SELECT {local_settings(settings)}")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The few rows of a query, to their end: the driver aborts the process where a result is open at the next statement."""
        with driver_errors():
            self._cursor.execute(query)
            return list(self._cursor.fetchall())

    def plan(self, query: str) -> str:
        """How PostgreSQL would answer a query: JSON, as EXPLAIN VERBOSE gives it."""
        statement = self._cursor.adbc_statement
        with driver_errors():
            statement.set_options(**{"adbc.postgresql.use_copy": "false"})
            self._cursor.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {query}")
            [(plan,)] = self._cursor.fetchall()
            statement.set_options(**{"adbc.postgresql.use_copy": "true"})
        return str(plan)

    def batches(self, query: str, batch_bytes: int = BATCH_BYTES) -> Generator[pa.RecordBatch]:
        """Its rows in batches of about `batch_bytes` of PostgreSQL's data. No other statement may follow in this session."""
        with driver_errors():
            self._cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(batch_bytes)})
            self._cursor.execute(query)
            reader = self._cursor.fetch_record_batch()
        yield from arriving(reader)


@contextmanager
def joined(
    database_url: DatabaseUrl, snapshot_id: str, settings: Mapping[str, str], sessions: Sessions
) -> Iterator[JoinedSession]:
    """Such a session, which begins with `settings`, and is one of `sessions` meanwhile.

    Raises `TransientError` (`snapshot-lost`, `source-unreachable`, …).
    """
    if not snapshot_id or not _SNAPSHOT_CHARACTERS.issuperset(snapshot_id):
        raise ValueError(f"not a snapshot identifier: {snapshot_id!r}")
    with connected(database_url, settings) as conn, conn.cursor() as cursor:
        _join_snapshot(cursor, snapshot_id)
        with sessions.with_one_more(_process(cursor)):
            yield JoinedSession(cursor)


def local_settings(settings: Mapping[str, str]) -> str:
    """SQL of calls that make `settings` hold until the end of the transaction."""
    return ", ".join(f"pg_catalog.set_config('{name}', {quote_literal(value)}, true)" for name, value in settings.items())


def _join_snapshot(cur: adbc_postgresql.Cursor, snapshot_id: str) -> None:
    with driver_errors():
        _run(cur, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        _run(cur, f"SET TRANSACTION SNAPSHOT '{snapshot_id}'")
    except adbc.Error as error:
        raise LostConnectionError(
            "the exported snapshot is gone: the transaction that holds it has ended", code="snapshot-lost", dependency="source"
        ) from error


def _process(cur: adbc_postgresql.Cursor) -> int:
    """The process of the session on the server. From now on the session waits only briefly for a lock."""
    with driver_errors():
        cur.execute(f"SELECT pg_catalog.pg_backend_pid(), pg_catalog.set_config('lock_timeout', '{LOCK_TIMEOUT}', true)")
        [(pid, _)] = cur.fetchall()
    return int(pid)


def _run(cur: adbc_postgresql.Cursor, statement: str) -> None:
    """Run a statement whose rows nobody wants, in one way to the server: `execute` has it prepared and described before."""
    cur.adbc_statement.set_sql_query(statement)
    cur.adbc_statement.execute_update()
