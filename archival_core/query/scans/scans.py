"""What DuckDB reads: tables of Arrow's kind that are asked for columns and a filter, as DuckDB's plan has them.

DuckDB asks subclasses of `pyarrow.dataset.Dataset` so, and reads the stream that they give. Its only other way out of its own
process are the files that `question_files` has.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.dataset as ds

from archival_core.query.scans.plan import TableRead
from archival_core.query.scans.predicate import Predicate
from archival_core.query.scans.substrait import predicate_of

#: for a thread that has only to notice that nobody wants its rows
_PATIENCE_SECONDS: Final = 0.05


class Feed(Protocol):
    """A thread that reads ahead of DuckDB."""

    def stop(self) -> None:
        """Nobody wants its rows any more."""

    def is_over(self, seconds: float | None) -> bool:
        """Whether it has ended, waited for so long at most; `None` waits for ever."""


@dataclass(slots=True)
class QuestionReads:
    """What one question has read, counted by its scans."""

    #: the first error of a scan, which DuckDB repeats in words alone
    failure: Exception | None = None
    archives_read: set[str] = field(default_factory=set)
    files_read: set[str] = field(default_factory=set)
    bytes_read: int = 0
    live_rows: int = 0
    #: whether it is told archive by archive, which takes a look into each file before it is read
    explains: bool = False
    tables: dict[str, TableRead] = field(default_factory=dict)
    #: threads that read from PostgreSQL
    feeds: list[Feed] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def end(self, cancel: Callable[[], None]) -> None:
        """Wait until nothing reads any more; `cancel` ends the sessions of what does not stop by itself."""
        for feed in self.feeds:
            feed.stop()
        if any(not feed.is_over(_PATIENCE_SECONDS) for feed in self.feeds):
            cancel()
        for feed in self.feeds:
            feed.is_over(None)

    def table(self, name: str) -> TableRead:
        """What was read of a table, by its name."""
        return self.tables.setdefault(name, TableRead(name))

    @contextmanager
    def keeping_failure(self) -> Iterator[None]:
        """Keep the first error, and let it go on."""
        try:
            yield
        except Exception as error:
            with self.lock:
                self.failure = self.failure or error
            raise


class _Scanner(ds.Scanner):  # type: ignore[misc]  # pyarrow has no types
    """Gives a stream when DuckDB begins to read."""

    def __init__(self, reader: Callable[[], pa.RecordBatchReader]) -> None:
        self._reader = reader

    def to_reader(self) -> pa.RecordBatchReader:
        """The stream."""
        return self._reader()


class Scanned(ds.Dataset):  # type: ignore[misc]
    """A table of `schema`; a subclass reads it."""

    def __init__(self, schema: pa.Schema, reading: QuestionReads) -> None:
        self._columns, self._reading = schema, reading

    @property
    def schema(self) -> pa.Schema:
        """Of all columns."""
        return self._columns

    def scanner(self, columns: Sequence[str] | None = None, filter: Any = None, **_: Any) -> ds.Scanner:
        """Called by DuckDB, for each time that a plan reads the table."""
        names = list(self._columns.names if columns is None else columns)
        with self._reading.keeping_failure():
            predicate = None if filter is None else predicate_of(filter, self._columns)
            schema = pa.schema([self._columns.field(name) for name in names])
            batches = self._kept(self._read(names, predicate))
        return _Scanner(lambda: pa.RecordBatchReader.from_batches(schema, batches))

    @abstractmethod
    def _read(self, columns: list[str], predicate: Predicate | None) -> Iterator[pa.RecordBatch]:
        """Rows for which `predicate` holds, with exactly `columns`."""

    def _kept(self, batches: Iterator[pa.RecordBatch]) -> Generator[pa.RecordBatch]:
        with self._reading.keeping_failure():
            yield from batches
