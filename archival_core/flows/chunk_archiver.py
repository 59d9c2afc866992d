"""One chunk into the lake, as its steps; `archival_processor` decides when.

Everything of one attempt goes to that attempt's own staging folder. The rename publishes parts and manifest together, so the
archive is either there completely or not at all.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.metadata import version

import pyarrow as pa
from pydantic import ValidationError

from archival_core.clients.lake_file import LakeSink, LakeSource
from archival_core.clients.lakehouse_client import LakehouseClient
from archival_core.clients.ledger import Ledger
from archival_core.clients.postgres import Connection, Database
from archival_core.codec import parquet
from archival_core.errors import PermanentError, TransientError
from archival_core.model import lake_path
from archival_core.model.chunk import Chunk, Column, ServerIdentity
from archival_core.model.job import Job
from archival_core.model.manifest import Manifest, ManifestColumn, ManifestPart, ManifestSource
from archival_core.source import catalog
from archival_core.source.columns import ColumnPlan, plan_columns
from archival_core.source.extract import read_batches
from archival_core.source.snapshot import ChunkFacts, ReadSnapshot

_LOG = logging.getLogger(__name__)

#: The manifest inside the archive's own folder; readers of Parquet folders skip names that begin with `_`.
_INNER_MANIFEST = "_manifest.json"


class ChunkArchiver:
    """Archives chunks of one source database into one lake."""

    def __init__(self, source: Database, lake: LakehouseClient, ledger: Ledger) -> None:
        self._source, self._lake, self._ledger = source, lake, ledger

    async def archive(self, job: Job) -> Manifest:
        """Publish the chunk of `job` and return its manifest; only the ledger's row is left to write.

        Raises `PermanentError` when nothing but a change elsewhere can help (unknown chunk, unsupported type, another archive
        at the destination), `TransientError` when another attempt may work. Neither leaves anything half-visible.
        """
        await self._lake.ensure_filesystem()
        manifest = await self._published_by(job)
        if manifest is None:
            async with self._staging(job) as staging:
                manifest = await self._copy(job, staging)
                await self._publish(job, staging, manifest)
        await self._lake.write_once(lake_path.manifest_file(job.hypertable, job.chunk, job.revision), manifest.to_json())
        return manifest

    async def _published_by(self, job: Job) -> Manifest | None:
        """The archive that an earlier attempt of this job published before it was cut off."""
        folder = lake_path.archive_folder(job.hypertable, job.chunk, job.revision)
        if await self._lake.stat(folder) is None:
            return None
        try:
            manifest = Manifest.model_validate_json(await self._lake.read_all(f"{folder}/{_INNER_MANIFEST}"))
        except (ValidationError, PermanentError):
            raise PermanentError(
                f"{folder} is in the lake already and no archive of this service", code="lake-conflict"
            ) from None
        if manifest.job_id != str(job.job_id):
            raise PermanentError(
                f"{folder} is in the lake already, from job {manifest.job_id}; this is job {job.job_id}", code="lake-conflict"
            )
        _LOG.info("job %s: attempt %d had published it already", job.job_id, manifest.attempt)
        return manifest

    @asynccontextmanager
    async def _staging(self, job: Job) -> AsyncIterator[str]:
        folder = lake_path.staging_folder(job.job_id, job.attempt)
        try:
            yield folder
        finally:
            try:
                await self._lake.delete_tree(folder)
            except TransientError as error:
                # nobody reads it and no other attempt writes there: it only takes space
                _LOG.warning("staging %s is left behind: %s", folder, error)

    async def _copy(self, job: Job, staging: str) -> Manifest:
        async with self._source.connect() as connection:
            chunk = await catalog.find_chunk(connection, job.hypertable, job.chunk)
            identity = await catalog.server_identity(connection)
            ddl = await catalog.describe_ddl(connection, job.hypertable)
            size = await catalog.source_bytes(connection, chunk)
            async with ReadSnapshot(connection, chunk) as snapshot:
                columns = await catalog.columns(connection, job.hypertable)
                plan = plan_columns(columns)
                facts = await snapshot.measure(plan)
                now = await _now(connection)
                part, written = await self._write_part(staging, snapshot.snapshot_id, chunk, plan, job)
        await self._compare(staging, part, written, facts, chunk, plan)
        return _manifest(job, chunk, identity, ddl, columns, plan, facts, size, part, written, now)

    async def _write_part(
        self, staging: str, snapshot_id: str, chunk: Chunk, plan: ColumnPlan, job: Job
    ) -> tuple[ManifestPart, parquet.Content]:
        loop, url = asyncio.get_running_loop(), await self._source.url()
        name = lake_path.part_file(0)
        metadata = {
            "archival.job_id": str(job.job_id),
            "archival.hypertable": str(job.hypertable),
            "archival.chunk": str(job.chunk),
        }

        def work(stop: threading.Event) -> tuple[ManifestPart, parquet.Content]:
            meter = parquet.ContentMeter(plan.schema, chunk.time_column)
            sink = LakeSink(self._lake, f"{staging}/{name}", loop)
            try:
                batches = read_batches(url, snapshot_id, chunk, plan)
                try:
                    rows = parquet.write(meter.measure(_until(stop, batches)), plan.schema, sink, metadata)
                finally:
                    batches.close()
            except BaseException:
                sink.abort()
                raise
            sink.close()
            return ManifestPart(file=name, rows=rows, bytes=sink.length, sha256=sink.sha256), meter.content()

        return await _in_thread(work)

    async def _compare(
        self, staging: str, part: ManifestPart, written: parquet.Content, facts: ChunkFacts, chunk: Chunk, plan: ColumnPlan
    ) -> None:
        """Read the part back from the lake; it must hold what was written, and that must be what the database counted."""
        loop = asyncio.get_running_loop()

        def work(stop: threading.Event) -> parquet.Content:
            meter = parquet.ContentMeter(plan.schema, chunk.time_column)
            with LakeSource(self._lake, f"{staging}/{part.file}", part.bytes, loop) as source:
                try:
                    for _ in meter.measure(_until(stop, parquet.read(source, plan.schema))):
                        pass
                except (pa.ArrowException, ValueError, OSError) as error:
                    raise TransientError(f"{part.file} does not read back: {error}", code="read-back-differs") from error
            return meter.content()

        read = await _in_thread(work)
        if read != written:
            wrong = [name for name, digest in written.digests.items() if read.digests.get(name) != digest]
            raise TransientError(
                f"what was read back is not what was written: {read.rows} rows of {written.rows}, columns that differ: {wrong}",
                code="read-back-differs",
            )
        counted = (facts.rows, parquet.time_value(facts.min_time), parquet.time_value(facts.max_time))
        if (read.rows, read.min_time, read.max_time) != counted:
            raise TransientError(
                f"the copy has {read.rows} rows from {read.min_time} to {read.max_time}, the database counted {facts.rows}"
                f" from {counted[1]} to {counted[2]}",
                code="count-differs",
            )

    async def _publish(self, job: Job, staging: str, manifest: Manifest) -> None:
        await self._lake.write_once(f"{staging}/{_INNER_MANIFEST}", manifest.to_json())
        await self._lake.publish_directory(staging, manifest.lake_path)


async def _in_thread[T](work: Callable[[threading.Event], T]) -> T:
    """Run `work` in a thread. When the task is cancelled, the thread is told to stop and waited for, so that nothing of this
    attempt goes on behind the next one's back."""
    stop = threading.Event()
    thread = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([thread])
        raise


def _until(stop: threading.Event, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if stop.is_set():
            raise TransientError("the work was called off", code="cancelled")
        yield batch


async def _now(connection: Connection) -> datetime:
    row = await (await connection.execute("select pg_catalog.now() as now")).fetchone()
    assert row is not None
    moment: datetime = row["now"]
    return moment


def _manifest(
    job: Job,
    chunk: Chunk,
    identity: ServerIdentity,
    ddl: str,
    columns: tuple[Column, ...],
    plan: ColumnPlan,
    facts: ChunkFacts,
    size: int,
    part: ManifestPart,
    written: parquet.Content,
    now: datetime,
) -> Manifest:
    return Manifest(
        job_id=str(job.job_id),
        attempt=job.attempt,
        revision=job.revision,
        hypertable=str(job.hypertable),
        chunk=str(job.chunk),
        kind=chunk.kind,
        time_column=chunk.time_column,
        time_type=chunk.time_type,
        range_start=chunk.range.start,
        range_end=chunk.range.end,
        was_compressed=chunk.is_compressed,
        source=ManifestSource(
            system_identifier=identity.system_identifier,
            database=identity.database,
            server_version=identity.server_version,
            timescaledb_version=identity.timescaledb_version,
        ),
        ddl=ddl,
        columns=tuple(
            ManifestColumn(
                name=column.name,
                postgresql_type=column.type_name,
                arrow_type=str(plan.schema.field(column.name).type),
                not_null=column.not_null,
                digest=written.digests[column.name],
            )
            for column in columns
        ),
        rows=facts.rows,
        min_time=facts.min_time,
        max_time=facts.max_time,
        snapshot=facts.snapshot,
        source_bytes=size,
        parquet_bytes=part.bytes,
        lake_path=lake_path.archive_folder(job.hypertable, job.chunk, job.revision),
        parts=(part,),
        archived_at=now,
        tools={name: version(name) for name in ("pyarrow", "adbc-driver-postgresql", "psycopg")},
    )
