"""How a copy of an archive's rows is read, as a chunk is, and the manifest of what is written of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archival_core.clients.postgres.database import Connection
from archival_core.codec.layout import Layout, Profile
from archival_core.errors import TransientError
from archival_core.flows.archive.lake_schema import LakeSchema
from archival_core.flows.archive.reading import ChunkDescription, Reading, tools
from archival_core.flows.archive.reading_form import ReadingForm
from archival_core.lake import paths
from archival_core.model.chunks.chunk import Chunk, ChunkRange, Relation
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import Manifest, ManifestPart
from archival_core.source import catalog
from archival_core.source.state.snapshot import parts
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from archival_core.source.state.tables import identity_of
from archival_core.source.wire.columns import plan_columns


class CopiedReading:
    """Reads copies of archives in the schema of their tables in the lake."""

    def __init__(self, schema: LakeSchema) -> None:
        self._schema = schema

    @staticmethod
    def chunk_of(manifest: Manifest, copy: Relation) -> Chunk:
        """The copy as a chunk of its own; its identity is that of the archive's chunk."""
        return Chunk(
            hypertable=copy,
            relation=copy,
            kind="native",
            time_column=manifest.time_column,
            time_type=manifest.time_type,
            range=ChunkRange(manifest.range_start, manifest.range_end),
            oid=manifest.relation_oid,
        )

    async def begin(
        self,
        connection: Connection,
        snapshot: ReadSnapshot,
        chunk: Chunk,
        manifest: Manifest,
        profile: Profile,
        part_bytes: int,
    ) -> Reading:
        """Look at the copy inside `snapshot`. Its columns in the lake are those of a chunk that was read when the archive was.

        Raises `TransientError` (`restore-differs`) if the copy has lost rows, as an UNLOGGED table does with its server.
        """
        numbers = {column.name: column.number for column in manifest.columns}
        copied = await catalog.columns(connection, chunk.relation)
        columns = tuple(replace(column, number=numbers[column.name]) for column in copied)
        hypertable = Relation.parse(manifest.hypertable)
        table, then = manifest.hypertable_table, manifest.archived_at
        is_there = table is not None and await identity_of(connection, hypertable) == table
        lake = await self._schema.columns_for(connection, hypertable, table, columns, then, is_there=is_there)
        plan = plan_columns(columns, lake=lake, in_utf8=snapshot.in_utf8)
        facts = await snapshot.measure()
        if facts.rows != manifest.rows:
            raise TransientError(f"the copy has {facts.rows} of {manifest.rows} rows", code="restore-differs")
        storage = await parts.storage(connection, chunk)
        ranges = await parts.plan_parts(connection, chunk, storage, facts, plan.schema, part_bytes)
        identity = await catalog.server_identity(connection)
        described = ChunkDescription(chunk, identity, table, manifest.tables, manifest.ddl, manifest.source_bytes)
        return Reading(
            described=described,
            form=ReadingForm(chunk, columns, lake, plan, storage, Layout(profile)),
            facts=facts,
            stored=None,
            grounds=manifest.grounds,
            placed=(),
            ranges=tuple(ranges),
            started_at=snapshot.started_at,
        )

    @staticmethod
    def manifest(job: Job, reading: Reading, former: Manifest, written: Sequence[ManifestPart]) -> Manifest:
        """The manifest of the new archive. What it says of the chunk and its reading is what the former says."""
        fields = [reading.form.plan.schema.field(lake.name) for lake in reading.form.lake]
        columns = tuple(
            column.model_copy(
                update={
                    "arrow_type": str(field.type),
                    "lake_number": lake.number,
                    "lake_name": lake.name,
                    "default": lake.default,
                }
            )
            for column, lake, field in zip(former.columns, reading.form.lake, fields, strict=True)
        )
        return former.model_copy(
            update={
                "job_id": str(job.job_id),
                "attempt": job.attempt,
                "revision": job.revision,
                "columns": columns,
                "supersedes": (former.lake_path,),
                "parquet_bytes": sum(part.bytes for part in written),
                "lake_path": paths.archive_folder(job.hypertable, job.chunk, job.revision),
                "parts": tuple(written),
                "tools": tools(),
            }
        )
