"""Live rows for DuckDB, read by the code that reads chunks for archives: a live value is in the form that it is archived in."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from archival_core.errors import PermanentError, TransientError
from archival_core.query.columns.presentation import PresentColumn
from archival_core.query.columns.truth import UnfitError, true_batch
from archival_core.query.scans.filters import is_exact, to_arrow, to_sql
from archival_core.query.scans.predicate import Predicate, both, columns_of, range_of
from archival_core.query.scans.pruning import counts_time
from archival_core.query.scans.scans import QuestionReads, Scanned
from archival_core.query.scans.threads import Threads
from archival_core.source.state.snapshot.members import COMPRESSED
from archival_core.source.state.snapshot.moment import TableThen
from archival_core.source.state.snapshot.waiting import Sessions
from archival_core.source.wire.columns import ColumnPlan, plan_columns
from archival_core.source.wire.driver import DatabaseUrl
from archival_core.source.wire.whole_tables import WholeTable

#: Batches that wait for DuckDB, for each table.
_AHEAD: Final = 2
#: Tables that one question reads from PostgreSQL at a time, each over a connection of its own.
MOST_AT_A_TIME: Final = 6
_LOOK_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class LiveSource:
    """One moment of the source, as threads read it."""

    url: DatabaseUrl
    snapshot_id: str
    #: said to each session, for the length of its transaction
    settings: dict[str, str]
    sessions: Sessions
    #: raises where the table was changed under the snapshot; called by a thread that has begun to read it
    check: Callable[[TableThen], None]
    turns: threading.Semaphore
    threads: Threads


class LiveRows(Scanned):
    """Rows of one table as they are in the database."""

    def __init__(
        self,
        columns: list[PresentColumn],
        reading: QuestionReads,
        source: LiveSource,
        table: TableThen,
        implied: Predicate | None,
    ) -> None:
        schema = pa.schema([pa.field(one.column.name, one.arrow) for one in columns])
        super().__init__(schema, reading)
        self._present = {one.column.name: one for one in columns}
        self._source, self._table, self._implied = source, table, implied

    def begin_after(self, predicate: Predicate | None) -> bool:
        """Whether every row of the table that the snapshot sees is younger than those for which `predicate` holds."""
        begin = self._table.begin
        number = -1 if begin is None else self.schema.get_field_index(begin.column)
        if begin is None or number < 0 or not counts_time(self.schema.field(number).type):
            return False
        _, last = range_of(predicate, begin.column)
        return last is not None and last < begin.value

    def _read(self, columns: list[str], predicate: Predicate | None) -> Iterator[pa.RecordBatch]:
        asked = [name for name in self.schema.names if name in columns or name in columns_of(predicate)]
        present = [self._present[name] for name in asked]
        known = {one.column.name: one.column for one in present if not one.as_text}
        condition = to_sql(both(predicate, self._implied), known, self.schema) or "true"
        told = self._reading.table(str(self._table.table.relation))
        told.conditions.append(condition)
        if self.begin_after(both(predicate, self._implied)):
            return iter(())
        # to filter them once more takes a tenth of the time that rows take to arrive
        exactly = None if predicate is None or is_exact(predicate, known, self.schema) else to_arrow(predicate, self.schema)
        asked_schema = pa.schema([self.schema.field(name) for name in asked])

        def plan_of(nulls: Mapping[str, float]) -> ColumnPlan:
            as_text = [one.column.name for one in present if one.as_text]
            return plan_columns([one.column for one in present], nulls, as_text=as_text)

        def rows() -> Generator[pa.RecordBatch]:
            with closing(self._whole_table().read(asked, plan_of, condition)) as arriving:
                for batch in arriving:
                    self._reading.live_rows += batch.num_rows
                    told.live_rows += batch.num_rows
                    found = pa.Table.from_batches([true_batch(batch, asked_schema)])
                    yield from (found if exactly is None else found.filter(exactly)).select(columns).to_batches()

        # to wait for a turn could be to wait for ever: DuckDB may read this table before it goes on with another one
        if not self._source.turns.acquire(blocking=False):
            raise PermanentError(
                f"the question reads more than {MOST_AT_A_TIME} tables of the database at a time: ask for fewer at once",
                code="query-too-wide",
            )
        feed = _Feed(self._translated(rows()), self._source)
        self._reading.feeds.append(feed)
        return feed.batches()

    def _whole_table(self) -> WholeTable:
        source, table = self._source, self._table
        # rows of a compressed chunk lie in another table
        members = () if any(file.endswith(COMPRESSED) for file in table.members.values()) else tuple(table.members)
        return WholeTable(
            source.url,
            source.snapshot_id,
            table.table.relation,
            members,
            source.settings,
            source.sessions,
            lambda: source.check(table),
        )

    def _translated(self, batches: Generator[pa.RecordBatch]) -> Generator[pa.RecordBatch]:
        try:
            yield from batches
        except UnfitError as error:
            raise PermanentError(self._present[error.column].says_unfit, code="value-without-form") from error


class _Feed:
    """Reads batches ahead, in a thread beside: the driver's objects are not for several, and DuckDB has several."""

    def __init__(self, batches: Generator[pa.RecordBatch], source: LiveSource) -> None:
        self._batches, self._turns = batches, source.turns
        self._waiting: queue.Queue[pa.RecordBatch | Exception | None] = queue.Queue(_AHEAD)
        self._stopped, self._over = threading.Event(), threading.Event()
        source.threads.start(self._feed)

    def stop(self) -> None:
        """Nobody wants the batches any more."""
        self._stopped.set()

    def is_over(self, seconds: float | None) -> bool:
        """Whether nothing is read any more."""
        return self._over.wait(seconds)

    def batches(self) -> Generator[pa.RecordBatch]:
        """Every batch, or the error that reading met."""
        while True:
            try:
                item = self._waiting.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if self._stopped.is_set():
                    # an end without a word would be an answer without these rows
                    raise TransientError("the question was called off", code="query-called-off") from None
                continue
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            yield item

    def _feed(self) -> None:
        try:
            with closing(self._batches):
                for batch in self._batches:
                    if not self._put(batch):
                        return
            self._put(None)
        except Exception as error:
            self._put(error)
        finally:
            self._turns.release()
            self._over.set()

    def _put(self, item: pa.RecordBatch | Exception | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._waiting.put(item, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False
