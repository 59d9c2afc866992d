"""A table with all its rows, archived and live, as one view in DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import quote_identifier
from archival_core.model.lake.manifest import ManifestColumn
from archival_core.query.archives.archive import Archive
from archival_core.query.columns.presentation import PresentColumn, arrow_type
from archival_core.query.columns.younger import Known
from archival_core.query.engine.own_reader import by_own_reader, read_parquet
from archival_core.query.engine.readings import Reading
from archival_core.query.question.caseless import caseless
from archival_core.query.scans.archived_rows import ArchivedRows, Forms, LakeFiles
from archival_core.query.scans.live_rows import LiveRows, LiveSource
from archival_core.query.scans.predicate import Predicate, both, renamed
from archival_core.query.scans.pruning import counts_time, may_hold
from archival_core.query.scans.scans import QuestionReads
from archival_core.source.state.snapshot.moment import TableThen

if TYPE_CHECKING:
    from archival_core.query.scans.question_files import QuestionFiles

#: Schemas with the names of databases that every DuckDB has: nobody can say which is meant.
_OWN_SCHEMAS: Final = frozenset({"memory", "system", "temp"})
#: More rows than any table has.
_ALL: Final = 2**62


@dataclass(frozen=True)
class WholeTable:
    """A table at one moment, and the archives that stand in for rows of it."""

    then: TableThen
    archives: tuple[Archive, ...]
    #: by attnum: what archived rows have in a column that was added after they were stored; `None` if that is not certain
    stored_before: Mapping[int, Known | None]
    #: names of columns that are wanted as PostgreSQL's text, as `caseless` has them
    as_text: frozenset[str] = frozenset()

    @cached_property
    def columns(self) -> list[PresentColumn]:
        """As the table has them now. Raises `PermanentError` (`query-names`) where DuckDB cannot tell two names apart."""
        columns = self.then.columns
        names = [caseless(column.name) for column in columns]
        if twice := sorted({column.name for column in columns if names.count(caseless(column.name)) > 1}):
            raise PermanentError(
                f"{self.then.table.relation} has columns whose names differ in case alone, which DuckDB takes for one:"
                f" {', '.join(twice)}",
                code="query-names",
            )
        return [
            PresentColumn(column, self.stored_before.get(column.number), as_text=caseless(column.name) in self.as_text)
            for column in columns
        ]


@dataclass(frozen=True, slots=True)
class Access:
    """How one question reaches rows."""

    reading: QuestionReads
    source: LiveSource
    lake: Callable[[], LakeFiles]
    #: for DuckDB's own reader
    files: QuestionFiles


@dataclass(frozen=True, slots=True)
class Needed:
    """What is known before of the rows of a table that a question needs: others may be left out, and may be given."""

    #: holds of every one of them
    implied: Predicate | None
    #: says more of them, if it is known
    reading: Reading | None
    #: whether DuckDB may hand filters down to scans of ours
    hands_down: bool

    @property
    def scanned(self) -> Predicate | None:
        """What a scan of ours is told before it is asked."""
        read = None if self.hands_down or self.reading is None else self.reading.condition
        return both(self.implied, read)


def create_view(connection: Any, number: int, table: WholeTable, access: Access, needed: Needed) -> None:
    """Make the view under the table's own name; `number` tells its parts from those of other tables."""
    columns, relation = table.columns, table.then.table.relation
    if caseless(relation.schema) in _OWN_SCHEMAS:
        raise PermanentError(
            f"{relation} cannot be asked: DuckDB has a database of its own that is called {relation.schema}, and takes the"
            " table's name for one of that. ALTER TABLE … SET SCHEMA, or rename the schema",
            code="query-names",
        )
    parts, reading = _Parts(connection, number, columns, needed.hands_down), needed.reading
    plain = {one.column.name: one.column.name for one in columns if one.live == quote_identifier(one.column.name)}
    live = LiveRows(columns, access.reading, access.source, table.then, renamed(needed.scanned, plain))
    if reading is None or not live.begin_after(renamed(reading.condition, plain)):
        parts.add_scanned(live, [one.live for one in columns])
    for then, archives in _alike(columns, table.archives):
        _add_archived(parts, str(relation), then, archives, access, needed)
    if not parts.selects:
        # without a row for the question it is a table all the same
        parts.add_scanned(live, [one.live for one in columns])
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(relation.schema)}")
    connection.execute(f"CREATE VIEW {relation.sql} AS {' UNION ALL '.join(parts.selects)}")


class _Parts:
    """What a view puts together: a SELECT for each kind of rows, with `columns`."""

    def __init__(self, connection: Any, number: int, columns: Sequence[PresentColumn], hands_down: bool) -> None:
        self._connection, self._number, self._hands_down = connection, number, hands_down
        self.columns = columns
        self.selects: list[str] = []

    def add(self, rows: str, values: Sequence[str]) -> None:
        """Rows that DuckDB finds by itself; `values` are SQL of the columns, in their order."""
        named = (f"{value} AS {quote_identifier(one.column.name)}" for value, one in zip(values, self.columns, strict=True))
        self.selects.append(f"SELECT {', '.join(named)} FROM {rows}")

    def add_scanned(self, rows: Any, values: Sequence[str]) -> None:
        """Rows that a scan of ours gives."""
        name = f"part {self._number}.{len(self.selects)}"
        self._connection.register(name, rows)
        # DuckDB hands no filter down through a LIMIT
        all_rows = quote_identifier(name) if self._hands_down else f"(FROM {quote_identifier(name)} LIMIT {_ALL})"
        self.add(all_rows, values)


def _add_archived(
    parts: _Parts,
    relation: str,
    then: Sequence[ManifestColumn | None],
    archives: Sequence[Archive],
    access: Access,
    needed: Needed,
) -> None:
    """Archives that have the view's columns as `then`, each read by DuckDB's own reader where that may."""
    columns = parts.columns
    # rows without a column of today's: any column of theirs counts them
    kept = [column for column in then if column is not None] or [archives[0].columns[0]]
    schema = pa.schema([pa.field(column.stored, arrow_type(column)) for column in kept])
    known = [(one, was) for one, was in zip(columns, then, strict=True) if was is not None]
    delivered = {was.stored: one.delivered(was) for one, was in known}
    fields = [pa.field(field.name, delivered.get(field.name, field.type)) for field in schema]
    forms = Forms(schema, pa.schema(fields), {was.stored: one.says_unfit for one, was in known})
    time_column = _time_column(forms.delivered, archives[0])
    plain = {one.column.name: was.stored for one, was in known if one.archived(was) == quote_identifier(was.stored)}
    values = [one.missing if was is None else one.archived(was) for one, was in zip(columns, then, strict=True)]
    reading = needed.reading
    if needed.implied is None and reading is not None:
        archives, by_duckdb = by_own_reader(archives, forms, time_column, reading)
        condition = renamed(reading.condition, plain)
        chosen = [(archive, file) for archive, file in by_duckdb if may_hold(file, time_column, condition)]
        if chosen:
            parts.add(read_parquet(access.files.named(chosen), schema), values)
    if archives:
        told = access.reading.table(relation)
        condition = renamed(needed.scanned, plain)
        parts.add_scanned(ArchivedRows(forms, access.reading, access.lake, archives, time_column, told, condition), values)


def _alike(
    columns: Collection[PresentColumn], archives: Sequence[Archive]
) -> list[tuple[tuple[ManifestColumn | None, ...], list[Archive]]]:
    """Archives by the forms in which they have the columns: each form is a table of Arrow's of its own."""
    groups: dict[tuple[Any, ...], tuple[tuple[ManifestColumn | None, ...], list[Archive]]] = {}
    for archive in archives:
        then = archive.found([one.column for one in columns])
        key = (archive.time_column, *((c.stored, c.arrow_type, c.postgresql_type) if c else None for c in then))
        groups.setdefault(key, (then, []))[1].append(archive)
    return list(groups.values())


def _time_column(schema: pa.Schema, archive: Archive) -> str | None:
    """The column by whose range files are told apart, if its values are the numbers that manifests have."""
    name = next(column.stored for column in archive.columns if column.name == archive.time_column)
    number = schema.get_field_index(name)
    if number < 0:
        return None
    return name if counts_time(schema.field(number).type) else None
