"""A DuckDB for one question, which reaches nothing but the tables that it is given.

It has no access to files or to the network, loads no extension, sees no object of this process, and its settings are locked
before the statement runs. Its tables are streams of Arrow that this process fills. This is the outer of two walls; `statement`
is the inner one.
"""

from __future__ import annotations

import logging
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
from archival_core.query.engine.implied import implied
from archival_core.query.engine.intervals import within_reach
from archival_core.query.engine.numbers import compared
from archival_core.query.engine.planning import Tables
from archival_core.query.engine.whole_table import WholeTable, create_view
from archival_core.query.question.limits import Limits, too_large, took_too_long
from archival_core.query.question.statement import Statement
from archival_core.query.scans.archived_rows import LakeFiles
from archival_core.query.scans.live_rows import LiveSource
from archival_core.query.scans.predicate import Predicate
from archival_core.query.scans.scans import QuestionReads

_LOG = logging.getLogger(__name__)

#: DuckDB's own vectors: rows of large values would not fit into memory by many.
_BATCH_ROWS: Final = 2_048
_SCHEMA: Final = "public"


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


class Sandbox:
    """Runs one question, in a thread that it blocks."""

    def __init__(self, question: Question, cancel: Callable[[], None]) -> None:
        self._question, self._cancel = question, cancel
        self.reading = QuestionReads()
        self._connection: Any = None
        self._lock = threading.Lock()
        self._stopped = False

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
                for number, table in enumerate(self._question.tables):
                    condition = found_of.get(_name(table))
                    create_view(connection, number, table, self.reading, self._question.source, self._question.lake, condition)
                connection.execute("SET lock_configuration = true")
                self._check_numbers()
                found = connection.execute(within_reach(connection, self._question.statement.sql))
                types = [str(column[1]) for column in found.description]
                return take(found.to_arrow_reader(_BATCH_ROWS), types)
        finally:
            timer.cancel()
            self.reading.end(self._cancel)

    def _types(self) -> Tables:
        return {_name(one): {c.column.name: c.type_name for c in one.columns} for one in self._question.tables}

    def _check_numbers(self) -> None:
        """Raise `PermanentError` (`numbers-as-text`) where texts would be compared that are numbers or moments."""
        texts = {
            (_name(one), column.column.name): column
            for one in self._question.tables
            for column in one.columns
            if column.compares_as is not None
        }
        if found := [texts[place] for place in compared(self._question.statement.sql, self._types(), list(texts))]:
            raise _compared_as_text(found)

    def _implied(self) -> dict[tuple[str, str], Predicate]:
        try:
            return implied(self._question.statement.sql, self._types())
        except (duckdb.Error, KeyError, ValueError) as error:
            # the answer is the same without
            _LOG.info("nothing is implied of the tables: %s", error)
            return {}

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        limits = self._question.limits
        connection = duckdb.connect(":memory:")
        try:
            for name, value in {
                "python_enable_replacements": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "allow_community_extensions": "false",
                "temp_directory": "''",
                "memory_limit": f"'{limits.memory_mib}MiB'",
                "threads": str(limits.threads),
                "preserve_insertion_order": "false",
                "TimeZone": "'UTC'",
                # the last one, after which some of the others cannot be said any more
                "enable_external_access": "false",
            }.items():
                connection.execute(f"SET {name} = {value}")
            connection.execute(f"CREATE SCHEMA {_SCHEMA}")
            connection.execute(f"SET schema = '{_SCHEMA}'")
            with self._lock:
                self._connection = connection
                if self._stopped:
                    raise took_too_long(limits)
            yield connection
        finally:
            with self._lock:
                self._connection = None
            connection.close()

    @contextmanager
    def _translating(self) -> Iterator[None]:
        """Errors of DuckDB, and of what it read, as ours."""
        try:
            yield
        except (duckdb.Error, pa.ArrowException, OSError, MemoryError) as error:
            if self._stopped:
                raise took_too_long(self._question.limits) from error
            if self.reading.failure is not None:
                raise self.reading.failure from error
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


def _translated(error: Exception, limits: Limits) -> PermanentError:
    said = str(error)
    # a statement is repeated with a caret below the place, which helps; a stack does not
    said = said.split("\nStack Trace", 1)[0].strip()
    if isinstance(error, duckdb.OutOfMemoryException | MemoryError):
        return too_large(limits)
    if UNFIT in said:
        return PermanentError(said.partition(UNFIT)[2], code="value-without-form")
    wrong = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.SyntaxException)
    return PermanentError(said[:2000], code="query-invalid" if isinstance(error, wrong) else "query-failed")
