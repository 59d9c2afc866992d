"""One consistent view of a chunk, which several connections can read, and the facts that the copy must equal."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final, LiteralString, Self

import psycopg
from psycopg import AsyncConnection, sql
from psycopg import errors as postgres
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk
from archival_core.source.catalog.partitioning.bounds import normalise
from archival_core.source.session import READ_SETTINGS, pin_statement
from archival_core.source.state.marks import readings
from archival_core.source.state.snapshot.waiting import LOCK_TIMEOUT, locked_by_others
from archival_core.source.statement import name_of
from archival_core.source.translate import source_errors

# The moment is a number of microseconds: how it is printed is set just before, and psycopg has not heard of that yet.
EXPORT: LiteralString = (
    "SELECT pg_catalog.pg_export_snapshot(), pg_catalog.current_setting('server_encoding'),"
    " (extract(epoch FROM pg_catalog.now()) * 1000000)::bigint"
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_BEGIN: Final = sql.SQL("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
_ROLLBACK: Final = sql.SQL("ROLLBACK")
_WAIT: Final = sql.SQL("SET LOCAL lock_timeout = {}").format(LOCK_TIMEOUT)
_LOCK: Final = sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE")
_FACTS: Final = sql.SQL("SELECT count(*), min({value})::text, max({value})::text, pg_current_snapshot()::text FROM {table}")
# Whoever waits for the chunk may hold a lock that is asked for now. PostgreSQL would look for a cycle after a second, and
# might end the other's statement.
_NO_CYCLES: LiteralString = "SET LOCAL lock_timeout = '100ms'"


@dataclass(frozen=True, slots=True)
class ChunkFacts:
    """What a chunk holds in one snapshot."""

    rows: int
    #: least and greatest value of the time column, as in `ChunkRange`; `None` without rows
    min_time: str | None
    max_time: str | None
    #: `pg_current_snapshot()`: what has been written since can be told by it
    snapshot: str


class ReadSnapshot:
    """A REPEATABLE READ, READ ONLY transaction on an idle connection, exported for other connections to join.

    The chunk is locked in ACCESS SHARE mode BEFORE the snapshot is taken, and until the end. An ALTER that rewrites a table
    leaves the table empty for a snapshot that was taken before (PostgreSQL documentation, "Caveats" of MVCC). For the same
    reason `columns` are to be looked up inside.
    """

    def __init__(self, conn: AsyncConnection[Any], chunk: Chunk) -> None:
        self._conn = conn
        self._chunk = chunk
        #: for `SET TRANSACTION SNAPSHOT`; valid inside the context
        self.snapshot_id = ""
        #: whether text is sent as the database stores it
        self.in_utf8 = False
        #: when the transaction began, by the database's clock
        self.started_at: datetime
        #: a random number whose lock this session holds: whoever sees the lock knows that the session is alive
        self.nonce = readings.new_nonce()

    async def __aenter__(self) -> Self:
        if self._conn.info.transaction_status is not TransactionStatus.IDLE:
            raise RuntimeError("a snapshot is exported from a transaction of its own: give it an idle connection")
        with source_errors():
            try:
                await self._begin()
            except BaseException:
                await self._end(has_failed=True)
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with source_errors():
            await self._end(has_failed=error is not None)
            if error is not None:
                raise error

    async def _begin(self) -> None:
        conn = self._conn
        try:
            # one way to the server, in which whoever waits behind the lock waits no longer than it takes
            async with conn.pipeline():
                await conn.execute(_BEGIN, prepare=False)
                await conn.execute(_WAIT, prepare=False)
                await conn.execute(_LOCK.format(name_of(self._chunk.relation)), prepare=False)
                await conn.execute(_NO_CYCLES)
                await conn.execute(pin_statement(READ_SETTINGS))
                exported = await conn.cursor(row_factory=tuple_row).execute(EXPORT)
                await readings.hold(conn, self.nonce)
        except postgres.LockNotAvailable as error:
            raise locked_by_others(self._chunk.relation) from error
        except (postgres.UndefinedTable, postgres.InvalidSchemaName) as error:
            raise PermanentError(f"{self._chunk.relation} is gone", code="unknown-chunk") from error
        row = await exported.fetchone()
        assert row is not None
        if row[1] == "SQL_ASCII":
            raise PermanentError(
                "the source database is in SQL_ASCII, which does not say what its text means; convert it to UTF8",
                code="unsupported-encoding",
            )
        self.snapshot_id, self.in_utf8, self.started_at = row[0], row[1] == "UTF8", _EPOCH + timedelta(microseconds=row[2])

    async def _end(self, *, has_failed: bool) -> None:
        if self._conn.closed:
            return
        # what went wrong before says more than a session that is lost
        with suppress(*((psycopg.Error,) if has_failed else ())):
            await self._conn.execute(_ROLLBACK, prepare=False)

    async def measure(self) -> ChunkFacts:
        """Count the chunk in one scan, independently of whoever copies the chunk."""
        with source_errors():
            async with self._conn.cursor(row_factory=tuple_row) as cur:
                await cur.execute(_facts_query(self._chunk))
                row = await cur.fetchone()
        assert row is not None
        rows, least, greatest, snapshot = row
        return ChunkFacts(rows, _time(least, self._chunk), _time(greatest, self._chunk), snapshot)


def _facts_query(chunk: Chunk) -> sql.Composed:
    # PostgreSQL has no min(uuid); its text has the same order.
    value = sql.SQL('{}::text COLLATE "C"' if chunk.time_type == "uuid" else "{}").format(sql.Identifier(chunk.time_column))
    return _FACTS.format(value=value, table=name_of(chunk.relation))


def _time(text: str | None, chunk: Chunk) -> str | None:
    return text if chunk.time_type == "uuid" else normalise(text, chunk.time_type)
