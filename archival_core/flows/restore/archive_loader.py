"""An archive out of the lake into a staging table, proven equal to its manifest before anybody can see it.

Like `part_archiver` a thread's work; the lake's transfers run in the event loop meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa

from archival_core import telemetry
from archival_core.codec import parquet
from archival_core.codec.memory import give_back
from archival_core.errors import PermanentError, TransientError
from archival_core.flows.jobs.watches.worker_thread import in_thread, until
from archival_core.lake.client import LakehouseClient
from archival_core.lake.files import LakeSource
from archival_core.model.lake.lake_column import text_of
from archival_core.model.lake.manifest import Manifest, ManifestPart
from archival_core.source.restore.columns.fitting import FittedColumn
from archival_core.source.restore.loading.load import Loading, loading
from archival_core.source.restore.loading.staging import StagingTable
from archival_core.source.wire.driver import DatabaseUrl


@dataclass(frozen=True, slots=True)
class ArchiveLoader:
    """Loads one archive."""

    lake: LakehouseClient
    database_url: DatabaseUrl
    staging: StagingTable
    manifest: Manifest
    columns: tuple[FittedColumn, ...]

    async def load(self) -> None:
        """All parts into the staging table, which is there afterwards only if it is equal to the archive.

        Raises `TransientError` (`archive-damaged`: what comes from the lake is not what the manifest says; `restore-differs`:
        what the database holds is not) and `PermanentError` (`lossy-type`: a column of the target would change values).
        """
        loop = asyncio.get_running_loop()

        def work(stop: threading.Event) -> None:
            with loading(self.database_url, self.staging, self.columns) as opened:
                for number, part in enumerate(self.manifest.parts):
                    with (
                        telemetry.step("restore.load", part=number, file=part.file) as span,
                        LakeSource(self.lake, f"{self.manifest.lake_path}/{part.file}", part.bytes, loop) as source,
                    ):
                        self._append(opened, part, source, stop)
                        span.count(rows=part.rows, size=part.bytes)
                    give_back()
                with telemetry.step("restore.prove") as span:
                    self._prove(opened, stop)
                    span.count(rows=self.manifest.rows)
                opened.commit()
            give_back()

        await in_thread(work)

    @property
    def _schema(self) -> pa.Schema:
        return pa.schema([(column.stored, column.wire.arrow) for column in self.columns])

    def _append(self, opened: Loading, part: ManifestPart, source: LakeSource, stop: threading.Event) -> None:
        """One part from the lake; what comes is compared with the manifest on its way."""
        what = f"{part.file} of {self.manifest.lake_path}"
        meter = parquet.ContentMeter(self._schema, self.manifest.stored_time_column, part.exact)

        def metered() -> Iterator[pa.RecordBatch]:
            for batch in until(stop, parquet.read(source, self._schema, corrected=part.exact)):
                meter.add(batch)
                yield batch

        try:
            opened.append(metered())
        except (pa.ArrowException, ValueError, OSError) as error:
            raise TransientError(f"{what} does not read: {error}", code="archive-damaged") from error
        _check_equal(what, part, meter.content(), "archive-damaged")

    def _prove(self, opened: Loading, stop: threading.Event) -> None:
        """What the database holds is the archive, part by part, and the target's types hold it exactly."""
        # closed in any case: a connection with an open result does not close, and would hide the error
        with closing(opened.read_back()) as found:
            self._compare(until(stop, found))
        check_exact(opened)

    def _compare(self, batches: Iterator[pa.RecordBatch]) -> None:
        rest: pa.RecordBatch | None = None
        for part in self.manifest.parts:
            meter = parquet.ContentMeter(self._schema, self.manifest.stored_time_column, part.exact)
            # the texts of columns that are corrected in other parts
            others = [text_of(name) for name in self.manifest.corrected - part.exact.keys()]
            wanted = part.rows
            while wanted and (batch := rest if rest is not None else next(batches, None)) is not None:
                taken = batch.slice(0, wanted)
                meter.add(taken)
                if any(taken.column(name).null_count < taken.num_rows for name in others):
                    raise TransientError(f"the database's copy of {part.file} has texts of its own", code="restore-differs")
                rest = batch.slice(wanted) if batch.num_rows > wanted else None
                wanted -= min(wanted, batch.num_rows)
            _check_equal(f"the database's copy of {part.file}", part, meter.content(), "restore-differs")
        if rest is not None or next(batches, None) is not None:
            raise TransientError("the database holds more rows than the archive", code="restore-differs")


def check_exact(opened: Loading) -> None:
    """Raise `PermanentError` (`lossy-type`) unless the target's types hold what was loaded exactly."""
    if losses := opened.losses():
        raise PermanentError(
            f"the columns' types in the source database do not hold the archive's values exactly; rows by column: {losses}",
            code="lossy-type",
        )


def _check_equal(what: str, part: ManifestPart, found: parquet.Content, code: str) -> None:
    expected = parquet.Content(part.rows, part.digests, part.min_time, part.max_time, part.exact)
    if found != expected:
        wrong = [name for name, digest in part.digests.items() if found.digests.get(name) != digest]
        raise TransientError(
            f"{what} is not what the manifest says: {found.rows} rows of {part.rows}, columns that differ: {wrong}", code=code
        )
