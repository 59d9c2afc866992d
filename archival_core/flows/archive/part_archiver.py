"""One part of a chunk is read from the database, written as Parquet into staging, read back and compared.

pyarrow and the driver work synchronously, and let go of the interpreter's lock. A part is therefore one thread's work, and
its transfers run in the event loop meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa

from archival_core import telemetry
from archival_core.codec import parquet
from archival_core.codec.memory import give_back
from archival_core.codec.traits import BegunOtherwiseError, FileTraits
from archival_core.errors import TransientError
from archival_core.flows.archive.reading_form import ReadingForm
from archival_core.flows.jobs.watches.worker_thread import in_thread, until
from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.lake.files import LakeSink, LakeSource
from archival_core.model.chunks.part_range import PartRange
from archival_core.model.jobs.job import Job
from archival_core.model.lake.file_statistics import Bounds
from archival_core.model.lake.manifest import ManifestPart
from archival_core.source.state.snapshot.waiting import Sessions
from archival_core.source.wire.driver import DatabaseUrl
from archival_core.source.wire.extract import read_batches

#: at the beginning of a Parquet file
_MAGIC_BYTES = 4


@dataclass(frozen=True, slots=True)
class PartArchiver:
    """Archives parts of one chunk as one snapshot shows them."""

    lake: LakehouseClient
    database_url: DatabaseUrl
    snapshot_id: str
    #: sessions of the reading; those of its parts are added
    sessions: Sessions
    form: ReadingForm
    #: the key-value metadata of every file names it
    job: Job

    async def archive(self, number: int, part: PartRange, path: str) -> ManifestPart:
        """Write the part's file to `path`, and prove that it reads back as it was written.

        Raises `TransientError` (`read-back-differs`) if it does not.
        """
        loop = asyncio.get_running_loop()
        file = paths.part_file(number)
        transfers: list[LakeSink | LakeSource] = []

        def abort() -> None:
            for transfer in transfers:
                transfer.abort()

        def work(stop: threading.Event) -> ManifestPart:
            with telemetry.step("archive.upload") as upload:
                traits = parquet.NO_TRAITS
                while True:
                    sink = LakeSink(self.lake, path, loop)
                    transfers.append(sink)
                    try:
                        with telemetry.step("archive.extract") as extract:
                            written, bounds = self._write(sink, part, traits, number, stop, extract)
                        break
                    except BegunOtherwiseError as error:
                        sink.close()  # nothing of this file may still be on its way when the next attempt makes it anew
                        traits = error.traits
                    except BaseException:
                        sink.abort()
                        raise
                sink.close()
                upload.count(size=sink.length)
            give_back()
            with telemetry.step("archive.read_back") as read_back:
                with LakeSource(self.lake, path, sink.length, loop) as source:
                    transfers.append(source)
                    _check_equal(file, written, self._read(file, source, written.exact, stop))
                    _check_bytes(file, sink.sha256, source)
                read_back.count(rows=written.rows, size=sink.length)
            give_back()
            return ManifestPart(
                file=file,
                rows=written.rows,
                bytes=sink.length,
                sha256=sink.sha256,
                min_time=written.min_time,
                max_time=written.max_time,
                digests=written.digests,
                exact=written.exact,
                bounds=bounds,
            )

        with telemetry.step("archive.part", part=number, file=file):
            return await in_thread(work, abort)

    def _write(
        self, sink: LakeSink, part: PartRange, traits: FileTraits, number: int, stop: threading.Event, span: telemetry.Span
    ) -> tuple[parquet.Content, dict[str, Bounds]]:
        meter, plan, chunk = self._meter(), self.form.plan, self.form.chunk
        source = (self.database_url, self.snapshot_id, chunk, plan, part)
        with closing(read_batches(*source, gathered_pages=self.form.gathered_pages, sessions=self.sessions)) as batches:
            # the encoder draws the batches, so the time that it waits for them is the database's
            arriving = span.waiting("archival.source_seconds", until(stop, batches))
            bounds = parquet.write(arriving, plan.schema, sink, self._metadata(number), meter, self.form.layout, traits)
        written = meter.content()
        span.count(rows=written.rows)
        return written, bounds

    def _read(self, file: str, source: LakeSource, corrected: Collection[str], stop: threading.Event) -> parquet.Content:
        meter = self._meter()
        meter.begin(corrected)
        source.read(_MAGIC_BYTES)  # the rest is read in order, and its digest is taken on the way
        try:
            for batch in until(stop, parquet.read(source, self.form.plan.schema, source.expect, corrected)):
                meter.add(batch)
        except (pa.ArrowException, ValueError, OSError) as error:
            raise TransientError(f"{file} does not read back: {error}", code="read-back-differs") from error
        return meter.content()

    def _metadata(self, number: int) -> dict[str, str]:
        return {
            "archival.job_id": str(self.job.job_id),
            "archival.hypertable": str(self.job.hypertable),
            "archival.chunk": str(self.job.chunk),
            "archival.part": str(number),
        }

    def _meter(self) -> parquet.ContentMeter:
        return parquet.ContentMeter(self.form.plan.schema, self.form.time_column)


def _check_bytes(file: str, written: str, source: LakeSource) -> None:
    """Compare every byte of the file, those too that decoding does not look at.

    Statistics that are wrong would hide rows from readers, and a removal would find an archive that is not what its
    manifest says.
    """
    if source.sha256() != written:
        raise TransientError(f"{file}: its SHA-256 in the lake is not that of what was sent", code="read-back-differs")


def _check_equal(file: str, written: parquet.Content, read: parquet.Content) -> None:
    if read != written:
        wrong = [name for name, digest in written.digests.items() if read.digests.get(name) != digest]
        raise TransientError(
            f"{file}: what was read back is not what was written: {read.rows} rows of {written.rows},"
            f" columns that differ: {wrong}",
            code="read-back-differs",
        )
