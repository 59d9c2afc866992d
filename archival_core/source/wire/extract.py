"""A chunk as a stream of Arrow record batches, by binary COPY through the ADBC driver."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa

from archival_core import telemetry
from archival_core.model.chunks.chunk import Chunk
from archival_core.model.chunks.part_range import WHOLE, PageRange, PartRange
from archival_core.source.session import ALONE
from archival_core.source.state.snapshot.parts import condition
from archival_core.source.state.snapshot.waiting import Sessions
from archival_core.source.wire.columns import ColumnPlan
from archival_core.source.wire.driver import DatabaseUrl
from archival_core.source.wire.gathering import BY_PAGES, Gathering, NotJoinedError
from archival_core.source.wire.joined_session import BATCH_BYTES, joined
from archival_core.source.wire.packing import apart

_LOG = logging.getLogger(__name__)


def read_batches(
    database_url: DatabaseUrl,
    snapshot_id: str,
    chunk: Chunk,
    plan: ColumnPlan,
    part: PartRange = WHOLE,
    *,
    gathered_pages: int | None = None,
    batch_bytes: int = BATCH_BYTES,
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
    source = _Source(database_url, snapshot_id, chunk, batch_bytes, sessions or Sessions())
    if gathered_pages is None:
        # A query, never the table: COPY of a compressed chunk gives no rows, and ONLY leaves the compressed ones out.
        query = f"SELECT {plan.select_list} FROM {chunk.relation.sql} WHERE {condition(chunk, part)}"
        batches = source.read_rows(query, plan.packed)
    elif not isinstance(part, PageRange):
        raise ValueError(f"rows are gathered from pages, and the part is a range of time: {part!r}")
    else:
        batches = source.read_gathered(Gathering(chunk.relation, plan.outputs, part.pages(gathered_pages)))
    with closing(batches):
        yield from map(plan.exact, batches)


@dataclass(frozen=True, slots=True)
class _Source:
    """A chunk in one snapshot of a database."""

    database_url: DatabaseUrl
    snapshot_id: str
    chunk: Chunk
    batch_bytes: int
    sessions: Sessions

    def read_rows(self, query: str, packed: int) -> Generator[pa.RecordBatch]:
        """Rows one by one, whose first columns, as many as `packed` says, are packed numbers."""
        with joined(self.database_url, self.snapshot_id, ALONE, self.sessions) as session:
            session.lock(self.chunk.relation)
            with closing(session.batches(query, self.batch_bytes)) as arriving:
                yield from (apart(batch, packed) for batch in arriving) if packed else arriving

    def read_gathered(self, gathering: Gathering | None) -> Generator[pa.RecordBatch]:
        """Gathered rows; outputs that cannot be joined come as arrays from there on."""
        while gathering is not None and gathering.pages:
            with joined(self.database_url, self.snapshot_id, ALONE | BY_PAGES, self.sessions) as session:
                session.lock(self.chunk.relation)
                with closing(session.batches(gathering.query, self.batch_bytes)) as arriving:
                    try:
                        for groups in arriving:
                            rows = gathering.rows(groups)
                            gathering = gathering.behind(groups)
                            yield rows
                        return
                    except NotJoinedError as error:
                        _LOG.info(
                            "%s: not joined from page %d on: %s",
                            self.chunk.relation,
                            gathering.pages.start,
                            ", ".join(gathering.names(error)),
                            extra=telemetry.named("archival.values.apart", page=gathering.pages.start),
                        )
                        gathering = gathering.with_arrays(error)
