"""The service's own engine: `python -m bench.ours extract|committed|small URL SCHEMA.TABLE CHUNK FOLDER`.

`extract` is what the peers do: out of the database into local Parquet files. `committed` is the whole job through the real
processor: ledger, staging in the lake, read back and compared, published, announced.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pyarrow as pa

from archival_core.clients.postgres.database import Database
from archival_core.codec import parquet
from archival_core.codec.layout import Layout
from archival_core.ledger.jobs.adding import NewJob
from archival_core.model.chunks.chunk import Relation
from archival_core.model.chunks.part_range import PartRange
from archival_core.model.jobs.message import JobMessage
from archival_core.runtime import Runtime
from archival_core.settings import load
from archival_core.source import catalog
from archival_core.source.catalog.statistics import null_shares
from archival_core.source.state.snapshot import parts
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from archival_core.source.wire.columns import plan_columns
from archival_core.source.wire.extract import read_batches
from archival_core.source.wire.gathering import gathered_pages
from bench.worker import Contestant, serve


def extract(runner: asyncio.Runner, url: str, table: Relation, chunk_name: Relation, folder: Path) -> Contestant:
    """Two readers, a file each part."""

    async def export() -> int:
        async with Database(url).connect() as connection:
            chunk = await catalog.find_chunk(connection, table, chunk_name)
            async with ReadSnapshot(connection, chunk) as snapshot:
                columns, shares = await catalog.columns(connection, table), await null_shares(connection, chunk)
                plan = plan_columns(columns, nulls=shares, in_utf8=snapshot.in_utf8)
                storage = await parts.storage(connection, chunk)
                ranges = parts.by_pages(storage, load().archive_part_bytes)
                reading = (url, snapshot.snapshot_id, chunk, plan)
                pages = gathered_pages(chunk, plan, storage)

                def write(number: int, part: PartRange) -> int:
                    path = folder / f"extract-{number}.parquet"
                    with (
                        path.open("wb") as file,
                        closing(read_batches(*reading, part, gathered_pages=pages)) as batches,
                    ):
                        parquet.write(batches, plan.schema, file, {}, _Unmetered(plan.schema, chunk.time_column), Layout())
                    return path.stat().st_size

                waiting = iter(list(enumerate(ranges)))

                async def reader() -> int:
                    return sum([await asyncio.to_thread(write, number, part) for number, part in waiting])

                return sum(await asyncio.gather(reader(), reader()))

    return lambda: runner.run(export())


class _Unmetered(parquet.ContentMeter):
    """Digests are for the comparison with what is read back, which is no part of an extraction."""

    def add(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Leave `rows` alone."""


def committed(runner: asyncio.Runner, runtime: Runtime, table: Relation, chunk: Relation) -> Contestant:
    """One job through the processor."""

    async def process() -> int:
        [added] = await runtime.ledger.add_jobs([NewJob(table, chunk, None, "bench", "bench", None)])
        await runtime.archival_processor.process(JobMessage(added.job_id))
        found = await runtime.ledger.find(added.job_id)
        assert found is not None
        job, _, _ = found
        if job.parquet_bytes is None:
            raise RuntimeError(f"the job is {job.status}: {job.error}")
        return job.parquet_bytes

    return lambda: runner.run(process())


async def forget(runtime: Runtime) -> None:
    """As if the chunk had never been archived."""
    await runtime.ledger.ping()
    with psycopg.connect(os.environ["SOURCE_DATABASE_URL"]) as connection:
        connection.execute("truncate archival.job cascade")
    await runtime.lake.ensure_filesystem()
    for folder in ("tables", "manifests", "staging"):
        await runtime.lake.delete_tree(folder)


async def open_runtime() -> Runtime:
    """Inside the loop that it will run in; the server that is kept from an earlier run has another address now."""
    runtime = Runtime(load())
    await runtime.ownership.take_over()
    return runtime


def main() -> None:
    """Serve one contestant."""
    name, url, table_name, chunk_name, folder = sys.argv[1:]
    table, chunk = Relation.parse(table_name), Relation.parse(chunk_name)
    with asyncio.Runner() as runner:
        if name == "extract":
            serve(extract(runner, url, table, chunk, Path(folder)))
            return
        os.environ["PARQUET_PROFILE"] = "small" if name == "small" else "fast"
        os.environ["LAKE_URL"] += f"/{name}"
        runtime = runner.run(open_runtime())
        serve(committed(runner, runtime, table, chunk), lambda: runner.run(forget(runtime)))
        runner.run(runtime.close())


if __name__ == "__main__":
    main()
