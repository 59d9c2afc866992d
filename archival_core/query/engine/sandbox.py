"""A DuckDB for one question, which reaches nothing but the tables that it is given.

It has no access to the network, nor to files but those of archives that this process opens for it (`question_files`). It loads
no extension, sees no object of this process, and its settings are locked before the statement runs. All other rows come as
streams of Arrow that this process fills. This is the outer of two walls; `statement` is the inner one.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import pyarrow as pa

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import quote_identifier
from archival_core.query.columns.presentation import UNFIT, PresentColumn
from archival_core.query.engine.databases import Databases, tell
from archival_core.query.engine.implied import implied
from archival_core.query.engine.intervals import within_reach
from archival_core.query.engine.numbers import compared
from archival_core.query.engine.planning import Tables
from archival_core.query.engine.readings import Reading, readings
from archival_core.query.engine.whole_table import Access, Needed, WholeTable, create_view
from archival_core.query.question.limits import Limits, too_large, took_too_long
from archival_core.query.question.statement import Statement
from archival_core.query.scans.archived_rows import LakeFiles
from archival_core.query.scans.live_rows import LiveSource
from archival_core.query.scans.predicate import Predicate
from archival_core.query.scans.question_files import QuestionFiles
from archival_core.query.scans.scans import QuestionReads
from archival_core.query.scans.substrait import filter_without_form
from archival_core.query.scans.unreadable import unreadable

_LOG = logging.getLogger(__name__)

#: DuckDB's own vectors: rows of large values would not fit into memory by many.
_BATCH_ROWS: Final = 2_048
#: What DuckDB's own errors begin with.
_KIND: Final = re.compile(r"([A-Z]\w*(?:[ -]\w+)*) Error: ")
#: What DuckDB says of a filter that it cannot hand down to a scan of Arrow's kind, and Arrow of a list of values for one.
_UNFIT_FILTER: Final = re.compile(r"Pushdown Filter|ArrowTypeError|datetime\.date")
_KINDS_OF_FILES: Final = frozenset({"Invalid", "IO", "Serialization"})


#: Makes something of a stream of rows and the names of its columns' types in DuckDB.
type Take[T] = Callable[[pa.RecordBatchReader, Sequence[str]], T]


@dataclass(frozen=True, slots=True)
class Question:
    """What one DuckDB is made for."""

    statement: Statement
    tables: Sequence[WholeTable]
    source: LiveSource
    lake: Callable[[], LakeFiles]
    limits: Limits
    #: whether DuckDB's own reader may read archives
    own_reader: bool
    #: whether it may hand filters down to scans of this process
    hands_down: bool


class Sandbox:
    """Runs one question, in a thread that it blocks."""

    def __init__(self, question: Question, cancel: Callable[[], None], databases: Databases) -> None:
        self._question, self._cancel, self._databases = question, cancel, databases
        self.reading = QuestionReads()
        self._files = QuestionFiles(question.lake, self.reading)
        self._connection: Any = None
        self._lock = threading.Lock()
        self._stopped = False
        self._types: Tables = {_name(one): {c.column.name: c.type_name for c in one.columns} for one in question.tables}

    def _stop(self) -> None:
        """Its time is over."""
        with self._lock:
            self._stopped = True
            if self._connection is not None:
                self._connection.interrupt()
        for feed in self.reading.feeds:
            feed.stop()

    def answer[T](self, take: Take[T]) -> T:
        """What `take` makes of the result, which streams, and of the types of its columns.

        Raises `PermanentError`: `query-invalid`, `query-failed`, `query-memory`, `query-time`, `numbers-as-text`, and what
        reading raises.
        """
        timer = threading.Timer(self._question.limits.seconds, self._stop)
        timer.daemon = True
        timer.start()
        try:
            with self._opened() as connection, self._translating():
                found_of = self._implied()
                connection.execute("BEGIN TRANSACTION")
                read_of = self._readings(connection)
                access = Access(self.reading, self._question.source, self._question.lake, self._files)
                for number, table in enumerate(self._question.tables):
                    name = _name(table)
                    needed = Needed(found_of.get(name), read_of.get(name), self._question.hands_down)
                    create_view(connection, number, table, access, needed)
                if not self._question.hands_down:
                    # what one side of a join learns of the other goes by another way than conditions do
                    connection.execute("SET disabled_optimizers = 'join_filter_pushdown'")
                connection.execute("SET lock_configuration = true")
                self._check_numbers()
                found = connection.execute(within_reach(connection, self._question.statement.sql))
                types = [str(column[1]) for column in found.description]
                return take(found.to_arrow_reader(_BATCH_ROWS), types)
        finally:
            timer.cancel()
            self._files.close()
            self.reading.end(self._cancel)

    def _check_numbers(self) -> None:
        """Raise `PermanentError` (`numbers-as-text`) where texts would be compared that are numbers or moments."""
        texts = {
            (_name(one), column.column.name): column
            for one in self._question.tables
            for column in one.columns
            if column.compares_as is not None
        }
        if found := [texts[place] for place in compared(self._question.statement.sql, self._types, list(texts))]:
            raise _compared_as_text(found)

    def _implied(self) -> dict[tuple[str, str], Predicate]:
        try:
            return implied(self._question.statement.sql, self._types)
        except (duckdb.Error, KeyError, ValueError) as error:
            # the answer is the same without
            _LOG.info("nothing is implied of the tables: %s", error)
            return {}

    def _readings(self, connection: Any) -> dict[tuple[str, str], Reading]:
        """What is known of how the question reads its tables.

        Nothing where DuckDB's own reader is not to read them, as where it is told archive by archive what is read.
        """
        is_wanted = self._question.own_reader and not self.reading.explains
        if not is_wanted or not any(table.archives for table in self._question.tables):
            return {}
        try:
            return readings(connection, self._question.statement.sql, self._types)
        except (duckdb.Error, KeyError) as error:
            # the answer is the same without, and takes longer
            _LOG.warning("nothing is known of how the question reads its tables: %s", error)
            connection.execute("ROLLBACK")
            connection.execute("BEGIN TRANSACTION")
            return {}

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        limits = self._question.limits
        connection = self._databases.take()
        try:
            connection.register_filesystem(self._files)
            settings = {
                "memory_limit": f"'{limits.memory_mib}MiB'",
                "threads": str(limits.threads),
                # all that may be opened; the files themselves say which names are there
                "allowed_directories": f"['{self._files.folder}']",
                # the last one, after which some of the others cannot be said any more
                "enable_external_access": "false",
            }
            tell(connection, settings)
            with self._lock:
                self._connection = connection
                if self._stopped:
                    raise took_too_long(limits)
            yield connection
        finally:
            with self._lock:
                self._connection = None
            # whoever asked waits for the answer, and not for the end of what gave it
            self._databases.leave(connection)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        """Errors of DuckDB, and of what it read, as ours."""
        try:
            yield
        except (duckdb.Error, pa.ArrowException, OSError, MemoryError, UnicodeDecodeError) as error:
            if self._stopped:
                raise took_too_long(self._question.limits) from error
            if self.reading.failure is not None:
                raise self.reading.failure from error
            if self._question.hands_down and _UNFIT_FILTER.search(str(error)):
                raise filter_without_form(_said(error)) from error
            if self.reading.files_read and _is_of_a_file(error, self._files.folder):
                raise unreadable(self._files.plainly(_said(error))) from error
            raise _translated(error, self._question.limits) from error


def _name(table: WholeTable) -> tuple[str, str]:
    relation = table.then.table.relation
    return relation.schema, relation.name


def _compared_as_text(columns: Sequence[PresentColumn]) -> PermanentError:
    first = columns[0]
    name = quote_identifier(first.column.name)
    told = ", ".join(f"{column.column.name} ({column.column.type_name})" for column in columns)
    return PermanentError(
        f"the question compares, orders, groups or computes by {told}, of which DuckDB has the text alone: '9' would come after"
        f" '100', and 1.0 would not be 1.00. Write CAST({name} AS {first.compares_as}), or another type that holds the values,"
        f" to go by what they are, or CAST({name} AS VARCHAR) to go by their text; columns that are named in as_text are texts"
        " everywhere",
        code="numbers-as-text",
    )


def _said(error: Exception) -> str:
    # a statement is repeated with a caret below the place, which helps; a stack does not
    return str(error).split("\nStack Trace", 1)[0].strip()


def _is_of_a_file(error: Exception, folder: str) -> bool:
    """Whether DuckDB's reader of Parquet met it, which says so without a kind of error, or with the name of the file."""
    said = str(error)
    kind = _KIND.match(said)
    return folder in said or kind is None or kind[1] in _KINDS_OF_FILES


def _translated(error: Exception, limits: Limits) -> PermanentError:
    said = _said(error)
    if isinstance(error, duckdb.OutOfMemoryException | MemoryError):
        return too_large(limits)
    if UNFIT in said:
        return PermanentError(said.partition(UNFIT)[2], code="value-without-form")
    wrong = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.SyntaxException)
    return PermanentError(said[:2000], code="query-invalid" if isinstance(error, wrong) else "query-failed")
