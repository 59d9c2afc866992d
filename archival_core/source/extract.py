"""A chunk as a stream of Arrow record batches, by binary COPY through the ADBC driver."""

from __future__ import annotations

from collections.abc import Generator, Mapping

import adbc_driver_manager as adbc
import adbc_driver_postgresql.dbapi as adbc_postgresql
import pyarrow as pa

from archival_core.errors import TransientError
from archival_core.model.chunk import Chunk
from archival_core.source.columns import ColumnPlan
from archival_core.source.driver import arriving, connected, driver_errors
from archival_core.source.gathering import BY_PAGES, gathered_query, ungathered
from archival_core.source.parts import WHOLE, PartRange
from archival_core.source.session import ALONE, READING, pin_statement

#: PostgreSQL's snapshot identifiers; nothing else is put into the statement.
_SNAPSHOT_CHARACTERS = frozenset("0123456789ABCDEFabcdef-")


def read_batches(
    database_url: str,
    snapshot_id: str,
    chunk: Chunk,
    plan: ColumnPlan,
    part: PartRange = WHOLE,
    *,
    gathered_pages: int | None = None,
    batch_bytes: int = 2 * 1024 * 1024,
) -> Generator[pa.RecordBatch]:
    """Stream the rows of one part of `chunk` as they are in the exported snapshot, in batches of about `batch_bytes` of
    PostgreSQL's data; gathered from the chunk's pages, if that is how many it has (`source.gathering`).

    Blocks: run it in a worker thread. It opens a connection of its own at the first batch and closes it at the end, or when
    the generator is closed. Rows come in no promised order; each batch has exactly `plan.schema`.

    Raises `DoesNotFitError` that names the column to read as text, `TransientError` (`snapshot-lost`, `source-unreachable`, …)
    and `PermanentError` (`unknown-chunk`, `unexpected-schema`, …).
    """
    if not snapshot_id or not _SNAPSHOT_CHARACTERS.issuperset(snapshot_id):
        raise ValueError(f"not a snapshot identifier: {snapshot_id!r}")
    with connected(database_url) as conn, conn.cursor() as cur:
        _join_snapshot(cur, snapshot_id, READING | ALONE if gathered_pages is None else READING | ALONE | BY_PAGES)
        with driver_errors():
            cur.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(batch_bytes)})
            if gathered_pages is None:
                # A query, never the table: COPY of a compressed chunk gives no rows, and ONLY leaves the compressed ones out.
                cur.execute(f"SELECT {', '.join(plan.outputs)} FROM {chunk.relation.sql} WHERE {part.condition}")
            else:
                cur.execute(gathered_query(chunk, plan, part, gathered_pages))
            reader = cur.fetch_record_batch()
        batches = arriving(reader)
        yield from map(plan.exact, batches if gathered_pages is None else map(ungathered, batches))


def _join_snapshot(cur: adbc_postgresql.Cursor, snapshot_id: str, settings: Mapping[str, str]) -> None:
    with driver_errors():
        cur.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        cur.execute(f"SET TRANSACTION SNAPSHOT '{snapshot_id}'")
    except adbc.Error as error:
        raise TransientError(
            "the exported snapshot is gone: the transaction that holds it has ended", code="snapshot-lost"
        ) from error
    with driver_errors():
        cur.execute(pin_statement(settings))
        cur.fetchall()
