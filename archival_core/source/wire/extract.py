"""A chunk as a stream of Arrow record batches, by binary COPY through the ADBC driver."""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import adbc_driver_manager as adbc
import adbc_driver_postgresql.dbapi as adbc_postgresql
import pyarrow as pa

from archival_core import telemetry
from archival_core.errors import LostConnectionError, PostponedError
from archival_core.model.chunks.chunk import Chunk, Relation, quote_literal
from archival_core.model.chunks.part_range import WHOLE, PageRange, PartRange
from archival_core.source.session import ALONE
from archival_core.source.state.snapshot.parts import condition
from archival_core.source.state.snapshot.waiting import LOCK_TIMEOUT, Sessions, locked_by_others
from archival_core.source.wire.columns import ColumnPlan, Output
from archival_core.source.wire.driver import DatabaseUrl, arriving, connected, driver_errors
from archival_core.source.wire.gathering import BY_PAGES, NotJoinedError, gathered_query, pages_behind, ungathered

_LOG = logging.getLogger(__name__)

#: PostgreSQL's snapshot identifiers; nothing else is put into the statement.
_SNAPSHOT_CHARACTERS = frozenset("0123456789ABCDEFabcdef-")

#: Five gathered groups of pages: each batch costs some Python, and above 3 MB its memory would come from the system every time.
_BATCH_BYTES: Final = 9 * 256 * 1024


def read_batches(
    database_url: DatabaseUrl,
    snapshot_id: str,
    chunk: Chunk,
    plan: ColumnPlan,
    part: PartRange = WHOLE,
    *,
    gathered_pages: int | None = None,
    batch_bytes: int = _BATCH_BYTES,
    sessions: Sessions | None = None,
) -> Generator[pa.RecordBatch]:
    """Stream the rows of one part of `chunk` as they are in the exported snapshot, in batches of about `batch_bytes` of
    PostgreSQL's data.

    If the number of pages is given, the rows are gathered (`gathering`). The function blocks, so run it in a worker
    thread. It opens a connection of its own at the first batch, and closes it at the end or when the generator is closed.
    Meanwhile its session is one of `sessions`. Rows come in no promised order; each batch has exactly `plan.schema`. Raises
    `DoesNotFitError` that names the column to read as text, `GaveWayError` if somebody alters the chunk or waits to do so,
    `TransientError` (`snapshot-lost`, `source-unreachable`, …) and `PermanentError` (`unknown-chunk`, `unexpected-schema`,
    …).
    """
    if not snapshot_id or not _SNAPSHOT_CHARACTERS.issuperset(snapshot_id):
        raise ValueError(f"not a snapshot identifier: {snapshot_id!r}")
    source = _Source(database_url, snapshot_id, chunk.relation, batch_bytes, sessions or Sessions())
    if gathered_pages is None:
        # A query, never the table: COPY of a compressed chunk gives no rows, and ONLY leaves the compressed ones out.
        query = f"SELECT {plan.select_list} FROM {chunk.relation.sql} WHERE {condition(chunk, part)}"
        batches = source.read_rows(query, plan.packed)
    elif not isinstance(part, PageRange):
        raise ValueError(f"rows are gathered from pages, and the part is a range of time: {part!r}")
    else:
        batches = source.read_gathered(chunk, plan, part.pages(gathered_pages))
    with closing(batches):
        yield from map(plan.exact, batches)


def read_table(
    database_url: DatabaseUrl,
    snapshot_id: str,
    table: Relation,
    plan: ColumnPlan,
    condition: str,
    settings: Mapping[str, str],
    sessions: Sessions,
) -> Generator[pa.RecordBatch]:
    """Stream rows of a whole table, its chunks included, as they are in the exported snapshot, under `settings`.

    This is `read_batches` without its lock. A table may have been dropped or rewritten since the snapshot: the caller has
    to notice, once the first batch or the end has come. From then on this session holds locks on all the tables that it
    reads.
    """
    source = _Source(database_url, snapshot_id, table, _BATCH_BYTES, sessions)
    query = f"SELECT {plan.select_list} FROM {table.sql} WHERE {condition}"
    with closing(source.read(query, ALONE, settings)) as arriving:
        yield from map(plan.exact, (_apart(batch, plan.packed) for batch in arriving) if plan.packed else arriving)


@dataclass(frozen=True, slots=True)
class _Source:
    """One table in one snapshot of a database."""

    database_url: DatabaseUrl
    snapshot_id: str
    table: Relation
    batch_bytes: int
    sessions: Sessions

    def read(
        self, query: str, settings: Mapping[str, str], local: Mapping[str, str] | None = None
    ) -> Generator[pa.RecordBatch]:
        """The batches that `query` gives, over a connection of its own, under `local` settings, or with a lock of the
        table.
        """
        with connected(self.database_url, settings) as conn, conn.cursor() as cur:
            _join_snapshot(cur, self.snapshot_id)
            with self.sessions.with_one_more(_session(cur)):
                if local is None:
                    _lock(cur, self.table)
                else:
                    _set(cur, local)
                with driver_errors():
                    cur.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(self.batch_bytes)})
                    cur.execute(query)
                    reader = cur.fetch_record_batch()
                yield from arriving(reader)

    def read_rows(self, query: str, packed: int) -> Generator[pa.RecordBatch]:
        """Rows one by one, whose first columns, as many as `packed` says, are packed numbers."""
        with closing(self.read(query, ALONE)) as arriving:
            yield from (_apart(batch, packed) for batch in arriving) if packed else arriving

    def read_gathered(self, chunk: Chunk, plan: ColumnPlan, pages: range) -> Generator[pa.RecordBatch]:
        """The rows in `pages`; outputs that cannot be joined come as arrays from there on."""
        outputs = list(plan.outputs)
        while pages:
            with closing(self.read(gathered_query(chunk, outputs, pages), ALONE | BY_PAGES)) as arriving:
                try:
                    for groups in arriving:
                        rows, behind = ungathered(groups, outputs), pages_behind(groups, pages)
                        yield rows
                        pages = behind
                    return
                except NotJoinedError as error:
                    apart = [outputs[number].sql for number in error.outputs]
                    _LOG.info(
                        "%s: not joined from page %d on: %s",
                        chunk.relation,
                        pages.start,
                        ", ".join(apart),
                        extra=telemetry.named("archival.values.apart", page=pages.start),
                    )
                    outputs = [Output(output.sql) if output.sql in apart else output for output in outputs]


def _apart(batch: pa.RecordBatch, packed: int) -> pa.RecordBatch:
    """Copies of the other columns: the batch is freed as a whole, and would keep the packed numbers in memory with them."""
    memory = pa.default_cpu_memory_manager()
    columns = [column.copy_to(memory) if number >= packed else column for number, column in enumerate(batch.columns)]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _join_snapshot(cur: adbc_postgresql.Cursor, snapshot_id: str) -> None:
    with driver_errors():
        cur.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        cur.execute(f"SET TRANSACTION SNAPSHOT '{snapshot_id}'")
    except adbc.Error as error:
        raise LostConnectionError(
            "the exported snapshot is gone: the transaction that holds it has ended", code="snapshot-lost", dependency="source"
        ) from error


def _session(cur: adbc_postgresql.Cursor) -> int:
    """The process of the session on the server. From now on the session waits only briefly for a lock."""
    with driver_errors():
        cur.execute(f"SELECT pg_catalog.pg_backend_pid(), pg_catalog.set_config('lock_timeout', '{LOCK_TIMEOUT}', true)")
        [(pid, _)] = cur.fetchall()  # to its end: the driver aborts the process where a result is open at the next statement
    return int(pid)


def _set(cur: adbc_postgresql.Cursor, settings: Mapping[str, str]) -> None:
    """Settings that hold until the end of the transaction, known to every server."""
    calls = ", ".join(f"pg_catalog.set_config('{name}', {quote_literal(value)}, true)" for name, value in settings.items())
    with driver_errors():
        cur.execute(f"SELECT {calls}")
        cur.fetchall()  # to its end, as in `_session`


def _lock(cur: adbc_postgresql.Cursor, table: Relation) -> None:
    """Take the lock that reading needs, and wait only briefly.

    If somebody waits to alter the table, this session would wait behind them, they would wait for the session that holds
    the snapshot, and that session for this one.
    """
    try:
        with driver_errors():
            cur.execute(f"LOCK TABLE {table.sql} IN ACCESS SHARE MODE")
    except PostponedError as error:
        if error.code != "source-locked":
            raise
        raise locked_by_others(table) from error
