"""Archived rows for DuckDB: archives whose files have the same columns."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds

from archival_core.codec import exact
from archival_core.errors import PermanentError
from archival_core.query.answer.values import values_of
from archival_core.query.archives.archive import Archive, ArchivedFile
from archival_core.query.columns.truth import UnfitError, true_batch
from archival_core.query.scans.filters import to_arrow
from archival_core.query.scans.plan import ArchiveRead, TableRead
from archival_core.query.scans.predicate import Predicate, both, columns_of
from archival_core.query.scans.pruning import may_hold
from archival_core.query.scans.scans import QuestionReads, Scanned
from archival_core.query.scans.unreadable import lake_errors

#: Decoded ahead of DuckDB, which keeps within its own limit of memory: rows of a batch, batches, and files at a time.
_AHEAD: Final[dict[str, int]] = {"batch_size": 65_536, "batch_readahead": 8, "fragment_readahead": 2}


@dataclass(slots=True)
class LakeFiles:
    """The lake as Arrow reads it, and the folder in it that archives' paths begin from."""

    files: Any
    root: str
    #: whether the end of a file came soon, of whichever question it was the last one
    is_near: bool = False


@dataclass(frozen=True, slots=True)
class Forms:
    """The forms of columns that archives have in common."""

    #: in the files
    stored: pa.Schema
    #: as DuckDB gets them
    delivered: pa.Schema
    #: by column: what to say of a value that DuckDB does not hold
    says_unfit: Mapping[str, str]


class ArchivedRows(Scanned):
    """Rows of `archives`; files that cannot hold a row for the filter are not opened."""

    def __init__(
        self,
        forms: Forms,
        reading: QuestionReads,
        lake: Callable[[], LakeFiles],
        archives: Sequence[Archive],
        time_column: str | None,
        told: TableRead,
        implied: Predicate | None,
    ) -> None:
        super().__init__(forms.delivered, reading)
        self._forms, self._told, self._implied = forms, told, implied
        time = None if time_column is None else forms.stored.field(time_column).type
        told.archives |= {archive.lake_path: _untouched(archive, time) for archive in archives}
        self._lake, self._archives = lake, archives
        #: by whose range files are told apart; `None` where its values are no numbers
        self._time_column = time_column

    def _read(self, columns: list[str], predicate: Predicate | None) -> Iterator[pa.RecordBatch]:
        predicate = both(predicate, self._implied)
        chosen = [
            (archive, file)
            for archive in self._archives
            for file in archive.files
            if may_hold(file, self._time_column, predicate)
        ]
        with self._reading.lock:
            self._reading.archives_read |= {archive.lake_path for archive, _ in chosen}
            new = {file.path: file.bytes for _, file in chosen if file.path not in self._reading.files_read}
            self._reading.files_read |= new.keys()
            self._reading.bytes_read += sum(new.values())
            self._tell(chosen)
        if not chosen:
            return iter(())
        needed = [name for name in self.schema.names if name in columns or name in columns_of(predicate)]
        is_printed = any(self.schema.field(name).type != self._forms.stored.field(name).type for name in needed)
        apart = [file for _, file in chosen if is_printed or not set(needed).isdisjoint(file.corrected)]
        together = [file for _, file in chosen if file not in apart]
        condition = None if predicate is None else to_arrow(predicate, self.schema)
        read = self._scan(together, self._forms.stored, columns, condition, needed) if together else iter(())
        return itertools.chain(read, *(self._true(file, columns, needed, condition) for file in apart))

    def _scan(
        self, files: Sequence[ArchivedFile], schema: pa.Schema, columns: list[str], condition: Any, needed: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        lake, form = self._lake(), ds.ParquetFileFormat()
        fragments = [form.make_fragment(f"{lake.root}/{file.path}", lake.files) for file in files]
        if self._reading.explains:
            fragments = [self._looked_into(fragment, schema, condition, needed) for fragment in fragments]
        dataset = ds.FileSystemDataset(fragments, schema, form, lake.files)
        return _translated(dataset.scanner(columns=columns, filter=condition, **_AHEAD).to_reader())

    def _true(self, file: ArchivedFile, columns: list[str], needed: list[str], condition: Any) -> Iterator[pa.RecordBatch]:
        """Rows of a file that has other values than PostgreSQL's, or has them in another form than DuckDB gets them in.

        No filter may look at them before they are what PostgreSQL has.
        """
        fields = [self._forms.stored.field(name) for name in needed]
        stored = pa.schema([*fields, *([exact.FIELD] if file.corrected else [])])
        wanted = pa.schema([self.schema.field(name) for name in needed])
        for batch in self._scan([file], stored, stored.names, None, stored.names):
            try:
                found = true_batch(exact.as_texts(batch, file.corrected), wanted)
            except UnfitError as error:
                raise PermanentError(self._forms.says_unfit[error.column], code="value-without-form") from error
            table = pa.Table.from_batches([found])
            yield from (table if condition is None else table.filter(condition)).select(columns).to_batches()

    def _tell(self, chosen: Sequence[tuple[Archive, ArchivedFile]]) -> None:
        opened = {archive.lake_path for archive, _ in chosen}
        for archive in self._archives:
            told = self._told.archives[archive.lake_path]
            if archive.lake_path in opened:
                told.is_read, told.why = True, None
            elif not told.is_read:
                told.why = "range" if any(file.rows for file in archive.files) else "empty"

    def _looked_into(self, fragment: Any, schema: pa.Schema, condition: Any, needed: Collection[str]) -> Any:
        """The fragment, after its footer has said what will be read of it."""
        told = next(one for path, one in self._told.archives.items() if f"/{path}/" in f"/{fragment.path}")
        with lake_errors():
            footer = fragment.metadata
            kept = [group.id for piece in fragment.split_by_row_group(condition, schema) for group in piece.row_groups]
        told.row_groups += footer.num_row_groups
        told.row_groups_read += len(kept)
        for number in kept:
            group = footer.row_group(number)
            columns = (group.column(place) for place in range(group.num_columns))
            told.bytes_read += sum(c.total_compressed_size for c in columns if c.path_in_schema.partition(".")[0] in needed)
        told.is_read = told.row_groups_read > 0
        told.why = None if told.is_read else "statistics"
        return fragment


def _untouched(archive: Archive, time: pa.DataType | None) -> ArchiveRead:
    def text(bounds: list[int]) -> str | None:
        return None if time is None or not bounds else str(values_of(pa.array(bounds, time))[0])

    least = min((file.min_time for file in archive.files if file.min_time is not None), default=None)
    greatest = max((file.max_time for file in archive.files if file.max_time is not None), default=None)
    return ArchiveRead(
        chunk=archive.chunk,
        archive=archive.lake_path,
        rows=sum(file.rows for file in archive.files),
        bytes=sum(file.bytes for file in archive.files),
        begin=text([] if least is None else [least]),
        end=text([] if greatest is None else [greatest]),
    )


def _translated(batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    with lake_errors():
        yield from batches
