"""What is known about a chunk when its reading begins, and the manifest that is made of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib.metadata import version
from typing import Final

from archival_core.clients.postgres.database import Connection
from archival_core.codec.layout import Profile
from archival_core.errors import TransientError
from archival_core.flows.archive.lake_schema import LakeSchema
from archival_core.flows.archive.reading_form import ReadingForm
from archival_core.lake import paths
from archival_core.model.chunks.chunk import Chunk, ServerIdentity
from archival_core.model.chunks.grounds import Grounds, TableIdentity
from archival_core.model.chunks.moment import moment
from archival_core.model.chunks.part_range import PartRange
from archival_core.model.jobs.job import Job
from archival_core.model.jobs.progress import Progress
from archival_core.model.lake.manifest import Manifest, ManifestColumn, ManifestPart, ManifestSource
from archival_core.source import catalog
from archival_core.source.at_once import at_once
from archival_core.source.session import piped
from archival_core.source.state import tables
from archival_core.source.state.fence import Stored, can_be_read_apart
from archival_core.source.state.look import look
from archival_core.source.state.marks.placed import RestoredArchive, restored_into
from archival_core.source.state.snapshot import parts
from archival_core.source.state.snapshot.snapshot import ChunkFacts, ReadSnapshot

#: programs whose versions a manifest names
_TOOLS: Final = ("pyarrow", "adbc-driver-postgresql", "psycopg")


@dataclass(frozen=True, slots=True)
class ChunkDescription:
    """What the catalog says of a chunk, and which server says so."""

    chunk: Chunk
    identity: ServerIdentity
    hypertable_table: TableIdentity | None
    tables: tuple[TableIdentity, ...]
    ddl: str
    source_bytes: int

    @classmethod
    async def of(cls, connection: Connection, job: Job) -> ChunkDescription:
        """Ask the source. Raises `PermanentError` for a chunk or a hypertable that is not there."""
        async with catalog.asked(connection):
            chunk, identity, table = await at_once(
                connection,
                catalog.find_chunk(connection, job.hypertable, job.chunk),
                catalog.server_identity(connection),
                tables.identity_of(connection, job.hypertable),
            )
            members, ddl = await at_once(
                connection,
                tables.tables_of(connection, chunk),
                catalog.describe_ddl(connection, job.hypertable, chunk.kind),
            )
        # by itself, because to measure the chunk locks it until the stretch ends
        return cls(chunk, identity, table, members, ddl, await catalog.source_bytes(connection, chunk))

    @property
    def born(self) -> str:
        """The transaction that made the chunk's table."""
        return tables.born(self.tables, self.chunk.oid)


@dataclass(frozen=True, slots=True)
class Reading:
    """How the chunk is read in one snapshot: its form, its parts, and the facts that the copy must equal."""

    described: ChunkDescription
    form: ReadingForm
    facts: ChunkFacts
    #: `None` if nobody could tell later whether the chunk has changed: the chunk has to be read in one run then
    stored: Stored | None
    #: what a removal compares the chunk with; without a nonce until the snapshot's mark is in the source
    grounds: Grounds
    #: archives that were restored into the chunk
    placed: tuple[RestoredArchive, ...]
    ranges: tuple[PartRange, ...]
    started_at: datetime

    @classmethod
    async def begin(
        cls,
        connection: Connection,
        snapshot: ReadSnapshot,
        described: ChunkDescription,
        schema: LakeSchema,
        profile: Profile,
        part_bytes: int,
    ) -> Reading:
        """Look at the chunk inside `snapshot`. Raises `TransientError` if it is not the chunk that was described any more."""
        chunk, table = described.chunk, described.hypertable_table
        async with piped(connection):
            form = await ReadingForm.of(connection, snapshot, chunk, described.tables, table, schema, profile)
            seen, placed = await at_once(
                connection, look(connection, snapshot, chunk, form.storage.files), restored_into(connection, chunk)
            )
            ranges = await parts.plan_parts(connection, chunk, form.storage, seen.facts, form.plan.schema, part_bytes)
        return cls(described, form, seen.facts, seen.stored, seen.grounds, placed, tuple(ranges), snapshot.started_at)

    def standing_on(self, grounds: Grounds) -> Reading:
        """This reading with `grounds`, whose mark is in the source if a mark could be left."""
        return replace(self, grounds=grounds)

    @property
    def can_go_on(self) -> bool:
        """Whether another run could go on where this run ends. That run has to prove that the chunk is unchanged."""
        return self.stored is not None and self.grounds.nonce is not None

    @property
    def can_be_shared(self) -> bool:
        """Whether parts may be read in snapshots of their own, each of which has to be proven."""
        return self.can_go_on and can_be_read_apart(self.form.chunk, self.form.storage)

    def progress(self, staging: str) -> Progress | None:
        """What the next attempt needs if this attempt ends early; `None` if the next attempt cannot go on. This attempt
        writes to `staging`.
        """
        if self.stored is None or not self.can_go_on:
            return None
        return Progress(
            grounds=self.grounds,
            files=self.stored.files,
            staging=(staging,),
            columns=self.form.column_types,
            lake=self.form.lake_columns,
            parts=self.ranges,
        )

    def resumed(self, progress: Progress) -> Reading:
        """This reading with the parts, and the grounds, of an earlier attempt."""
        return replace(
            self,
            facts=replace(self.facts, snapshot=progress.grounds.snapshot),
            grounds=progress.grounds,
            ranges=progress.parts,
        )

    def continues(self, progress: Progress) -> bool:
        """Whether an earlier attempt read the same tables, and its files have the same columns as the files of this
        attempt.
        """
        return progress.grounds.tables == self.grounds.tables and self.form.is_that_of(progress)

    def check_total(self, done: Collection[ManifestPart]) -> None:
        """Compare all parts together with what the database counted. Raises `TransientError` (`count-differs`)."""
        filled = [part for part in done if part.rows]
        copied = (
            sum(part.rows for part in filled),
            min((part.min_time for part in filled if part.min_time is not None), key=_order, default=None),
            max((part.max_time for part in filled if part.max_time is not None), key=_order, default=None),
        )
        counted = (self.facts.rows, moment(self.facts.min_time), moment(self.facts.max_time))
        if copied != counted:
            raise TransientError(
                f"the copy has {copied[0]} rows from {copied[1]} to {copied[2]},"
                f" the database counted {counted[0]} from {counted[1]} to {counted[2]}",
                code="count-differs",
            )

    def manifest(self, job: Job, done: Mapping[int, ManifestPart], supersedes: tuple[str, ...]) -> Manifest:
        """The manifest of the whole archive, which supersedes the archives at `supersedes`."""
        chunk, identity = self.described.chunk, self.described.identity
        return Manifest(
            version=1,
            job_id=str(job.job_id),
            attempt=job.attempt,
            revision=job.revision,
            hypertable=str(job.hypertable),
            chunk=str(job.chunk),
            relation_oid=chunk.oid,
            relation_born=self.described.born,
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
                timeline=identity.timeline,
            ),
            ddl=self.described.ddl,
            columns=tuple(
                ManifestColumn(
                    name=column.name,
                    postgresql_type=column.type_name,
                    arrow_type=str(self.form.plan.schema.field(lake.name).type),
                    not_null=column.not_null,
                    generated=column.generated,
                    number=column.number,
                    lake_number=lake.number,
                    lake_name=lake.name,
                    default=lake.default,
                )
                for column, lake in zip(self.form.columns, self.form.lake, strict=True)
            ),
            rows=self.facts.rows,
            min_time=self.facts.min_time,
            max_time=self.facts.max_time,
            snapshot=self.grounds.snapshot,
            nonce=self.grounds.nonce,
            hypertable_table=self.described.hypertable_table,
            tables=self.grounds.tables,
            tuples=self.grounds.tuples,
            content_hash=self.grounds.content_hash,
            supersedes=supersedes,
            source_bytes=self.described.source_bytes,
            parquet_bytes=sum(part.bytes for part in done.values()),
            lake_path=paths.archive_folder(job.hypertable, job.chunk, job.revision),
            parts=tuple(part for _, part in sorted(done.items())),
            archived_at=self.started_at,
            tools=tools(),
        )


@cache
def tools() -> dict[str, str]:
    """The programs that wrote an archive, and their versions, which a process does not change."""
    return {name: version(name) for name in _TOOLS}


def _order(value: int | str) -> tuple[float, str]:
    """Numbers in their order, with the infinities around them; text among itself."""
    if isinstance(value, int):
        return value, ""
    return {"-infinity": float("-inf"), "infinity": float("inf")}.get(value, 0.0), value
