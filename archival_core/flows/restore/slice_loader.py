"""Slices of an archive are loaded into a staging table, by the code of the restore, to prove that the archive comes back.

A thread does the work, as in `archive_loader`. The bytes of the files are not compared with the manifest here: PostgreSQL
compares the loaded rows with the chunk itself, and no damaged file passes that.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from archival_core import telemetry
from archival_core.codec import exact, slices
from archival_core.codec.memory import give_back
from archival_core.errors import TransientError
from archival_core.flows.jobs.watches.worker_thread import in_thread, until
from archival_core.flows.restore.archive_loader import check_exact
from archival_core.lake.client import LakehouseClient
from archival_core.lake.files import LakeSource
from archival_core.model.chunks.time_slice import TimeSlice
from archival_core.model.lake.manifest import Manifest
from archival_core.source.restore.columns.fitting import FittedColumn
from archival_core.source.restore.loading.load import loading
from archival_core.source.restore.loading.staging import StagingTable
from archival_core.source.wire.driver import DatabaseUrl


@dataclass(frozen=True, slots=True)
class SliceLoader:
    """Loads some rows of one archive."""

    lake: LakehouseClient
    database_url: DatabaseUrl
    staging: StagingTable
    manifest: Manifest
    columns: tuple[FittedColumn, ...]
    #: slices of another archive, to be loaded in place of slices of this one
    given: tuple[TimeSlice, ...] = ()

    async def load(self) -> list[TimeSlice]:
        """Load the first slice, the last slice and slices drawn by chance into the staging table, or those `given`.

        Returns the slices.

        Raises `TransientError` (`archive-damaged`) and `PermanentError` (`lossy-type`).
        """
        loop = asyncio.get_running_loop()

        def work(stop: threading.Event) -> list[TimeSlice]:
            try:
                with ExitStack() as stack:
                    files = [stack.enter_context(self._open(part.file, part.bytes, loop)) for part in self.manifest.parts]
                    chosen, groups = self._choose(files)
                    opened = stack.enter_context(loading(self.database_url, self.staging, self.columns))
                    with telemetry.step("removal.load") as span:
                        span.count(rows=opened.append(until(stop, self._rows(files, groups, chosen))))
                    check_exact(opened)
                    opened.commit()
            except (pa.ArrowException, ValueError, OSError) as error:
                what = self.manifest.lake_path
                raise TransientError(f"{what} does not read: {error}", code="archive-damaged") from error
            give_back()
            return chosen

        return await in_thread(work)

    def _open(self, file: str, length: int, loop: asyncio.AbstractEventLoop) -> pq.ParquetFile:
        source = LakeSource(self.lake, f"{self.manifest.lake_path}/{file}", length, loop)
        return pq.ParquetFile(source, pre_buffer=True, page_checksum_verification=True)

    def _choose(self, files: Sequence[pq.ParquetFile]) -> tuple[list[TimeSlice], list[slices.Group]]:
        column = self.manifest.stored_time_column
        found = [group for number, file in enumerate(files) for group in slices.groups(number, file, column)]
        chosen = list(self.given)
        if chosen:
            return chosen, [group for group in found if group.may_hold(chosen)]
        for place, group in enumerate(slices.drawn(found)):
            times = files[group.file].read_row_group(group.number, columns=[column]).column(0).combine_chunks()
            chosen += slices.slices_of(times, with_ends=place < 2)
        return chosen, [group for group in found if group.may_hold(chosen)]

    def _rows(
        self, files: Sequence[pq.ParquetFile], groups: Sequence[slices.Group], chosen: Sequence[TimeSlice]
    ) -> Iterator[pa.RecordBatch]:
        column = self.manifest.stored_time_column
        names = [fitted.stored for fitted in self.columns]
        corrected = [[name for name in names if name in part.exact] for part in self.manifest.parts]
        for group in groups:
            for batch in files[group.file].iter_batches(row_groups=[group.number], use_threads=False):
                inside = batch.filter(slices.within(batch.column(column), chosen))
                if inside.num_rows:
                    yield exact.as_texts(inside, corrected[group.file])
