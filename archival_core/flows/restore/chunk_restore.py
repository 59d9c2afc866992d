"""One archive is brought back into PostgreSQL, in these steps.

manifest → its table, found or made → parts into a staging table → read back and compared → placed in one transaction

Rows become visible only when the staging table is proven equal to the archive. The commit that places the rows also drops
the staging table. A run may therefore end anywhere and begin again: either all rows are there, which the next run sees, or
none is.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self
from uuid import UUID

from archival_core import telemetry
from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import ArchivalError, PermanentError
from archival_core.flows.jobs.watches.giving_way import giving_way
from archival_core.flows.restore.archive_loader import ArchiveLoader
from archival_core.lake.client import LakehouseClient
from archival_core.model.chunks.chunk import Chunk, Column, Relation
from archival_core.model.chunks.column_names import are_told_apart
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.at_once import at_once
from archival_core.source.catalog.definition.defaults import stored_before
from archival_core.source.restore.columns.fitting import fit_columns
from archival_core.source.restore.loading import staging as staging_tables
from archival_core.source.restore.loading.staging import StagingTable
from archival_core.source.restore.placing import partition
from archival_core.source.restore.placing.chunk_room import make_chunk
from archival_core.source.restore.placing.compression import compress_again
from archival_core.source.restore.placing.placing import LOOKING, check_room, place
from archival_core.source.restore.plan.attributes import check_attributes
from archival_core.source.restore.plan.kinship import check_apart
from archival_core.source.restore.plan.labels import check_labels
from archival_core.source.restore.plan.restore_plan import RestorePlan
from archival_core.source.restore.plan.target import Target, original_target, own_target
from archival_core.source.session import pinned
from archival_core.source.state.history import is_same_server
from archival_core.source.state.marks import copies, mark_schema
from archival_core.source.state.marks.copies import Copy
from archival_core.source.state.origin import Origin, origin_of
from archival_core.source.state.tables import identity_of
from archival_core.source.translate import source_errors

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RestoreWish:
    """What a restore was asked for."""

    #: a table of its own; without one the rows go back to where they were
    into: Relation | None = None
    #: run the manifest's DDL if the table is gone
    recreate: bool = False
    #: rows of others may be in the archive's range, if none of them is a row of the archive
    beside: bool = False
    #: let the table's own triggers fire for rows that come back
    fire_triggers: bool = False

    def to_options(self) -> dict[str, Any]:
        """The wish as the ledger keeps it."""
        return {**asdict(self), "into": str(self.into) if self.into else None}

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """The wish that `to_options` gave."""
        into = options.get("into")
        return cls(**{**options, "into": Relation.parse(into) if into else None})


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has done."""

    target: Relation
    #: of the archive; all of them are in the target
    rows: int
    #: by this run: all, or 0 if they were there already
    inserted: int
    #: whether this run made the target
    is_new: bool
    #: why chunks that were compressed are not compressed again
    not_compressed: str | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """Who restores: one attempt of one job. No two workers are equal."""

    job_id: UUID
    attempt: int
    lease_token: UUID

    @classmethod
    def of(cls, job: Job) -> Self:
        """The worker that holds the lease of `job`."""
        assert job.lease_token is not None, "the job's lease is held"
        return cls(job.job_id, job.attempt, job.lease_token)


#: What the caller writes, in the transaction that places the rows and before it commits.
RecordRestore = Callable[[Connection, Restored], Awaitable[None]]


async def _nothing(_: Connection, __: Restored) -> None:
    return None


async def _no_more() -> None:
    return None


class ChunkRestorer:
    """Restores archives of one lake into one source database."""

    def __init__(self, source: Database, lake: LakehouseClient) -> None:
        self._source, self._lake = source, lake

    async def restore(
        self,
        worker: Worker,
        manifest: Manifest,
        wish: RestoreWish,
        record: RecordRestore = _nothing,
        committed: Callable[[], Awaitable[None]] = _no_more,
    ) -> Restored:
        """Bring the archive's rows back, each row once.

        `record` is called after the rows are placed and before the commit, with the same transaction. An error of `record`
        rolls back the rows as well. If the answer of an earlier commit was lost, `record` is called again, with nothing
        inserted. `committed` is called just after the commit. Raises `PermanentError` when nothing but a change elsewhere
        can help, and `TransientError` when another attempt may work. Neither leaves a row behind.
        """
        async with self._source.connect() as connection:
            with telemetry.step("restore.catalog"):
                origin, has_schema, left = await at_once(
                    connection,
                    origin_of(connection, manifest),
                    staging_tables.has_schema(connection),
                    staging_tables.job_staging(connection, worker.job_id, worker.attempt),
                )
                async with giving_way(self._source, connection, wish.into or origin.table):
                    plan = await _prepare(connection, manifest, wish, origin, has_schema=has_schema)
                await staging_tables.drop_staging(connection, left)
        staging = StagingTable.of_worker(worker.job_id, worker.attempt, worker.lease_token)
        try:
            loader = ArchiveLoader(self._lake, self._source.url_now, staging, manifest, plan.columns)
            await loader.load()
            with telemetry.step("restore.place", table=str(plan.target.relation)) as span:
                restored = await self._place(plan, staging, record)
                await committed()
                span.count(rows=restored.inserted)
        except ArchivalError:
            await self._tidy_up(staging)
            raise
        # This compresses what an earlier run placed as well, because that run may have ended between its commit and here.
        if manifest.was_compressed and plan.target.kind == "timescaledb":
            return await self._compress(restored, plan.chunk)
        return restored

    async def _place(self, plan: RestorePlan, staging: StagingTable, record: RecordRestore) -> Restored:
        async with self._source.connect() as connection:
            if plan.target.kind == "timescaledb":
                await make_chunk(connection, plan, staging)
            with source_errors():
                async with connection.transaction():
                    inserted = await place(connection, plan, staging)
                    restored = Restored(plan.target.relation, plan.rows, inserted, plan.target.is_new)
                    await record(connection, restored)
        return restored

    async def _compress(self, restored: Restored, chunk: Chunk) -> Restored:
        """Compress the chunk again if that is possible: the rows are back in any case."""
        try:
            async with self._source.connect() as connection:
                reason = await compress_again(connection, restored.target, chunk)
        except ArchivalError as error:
            reason = str(error)
        if reason is None:
            return restored
        _LOG.warning("%s: what was restored is not compressed again: %s", restored.target, reason)
        return replace(restored, not_compressed=reason)

    async def _tidy_up(self, staging: StagingTable) -> None:
        """Leave no staging table, if that is possible now."""
        try:
            async with self._source.connect() as connection:
                await staging_tables.drop_staging(connection, [staging])
        except ArchivalError as error:
            # nobody reads the table: it only takes space, and the next attempt drops it
            _LOG.warning("%s is left behind: %s", staging.relation, error)


async def _prepare(
    connection: Connection, manifest: Manifest, wish: RestoreWish, origin: Origin, *, has_schema: bool = False
) -> RestorePlan:
    """Find or make the target table and what a restore keeps in the source, and refuse early what cannot be restored.

    Whether the schema of staging tables is there is asked unless the caller has seen it.
    """
    target = await _find_target(connection, manifest, wish, origin)
    copy = None if wish.into is None else await _note_of(connection, manifest)
    if not has_schema:
        await staging_tables.ensure_schema(connection)
    with source_errors():
        # nothing is made from here on, so that all questions share one transaction, which rolls back
        async with pinned(connection, **LOOKING):
            plan = await _plan(connection, manifest, wish, origin, target, copy)
            return replace(plan, makes_partition=await check_room(connection, plan))


async def _find_target(connection: Connection, manifest: Manifest, wish: RestoreWish, origin: Origin) -> Target:
    """Find or make the table that takes the rows."""
    await check_labels(connection, manifest.ddl, wish.into or origin.table)
    await check_attributes(connection, manifest.ddl, wish.into or origin.table)
    if wish.into is None:
        return await original_target(connection, manifest, origin.table, recreate=wish.recreate)
    # before a table of that name is made
    await check_apart(connection, wish.into, Relation.parse(manifest.hypertable), manifest.hypertable_table)
    return await own_target(connection, manifest, wish.into)


async def _plan(
    connection: Connection, manifest: Manifest, wish: RestoreWish, origin: Origin, target: Target, copy: Copy | None
) -> RestorePlan:
    """Which rows go into which columns. Raises `PermanentError` where the columns do not take them."""
    columns, has_schema, identity = await at_once(
        connection,
        catalog.columns(connection, target.relation),
        partition.has_schema(connection, Relation.parse(manifest.chunk)),
        identity_of(connection, target.relation),
    )
    if wish.into is None and not target.is_new:
        await _check_names(connection, manifest, target.relation, columns)
    chunk = origin.chunk(manifest, target.relation, columns)
    if not has_schema:
        chunk = partition.in_schema_of_its_table(chunk)
    younger: dict[str, str] = {}
    then = {column.number for column in manifest.columns}
    if origin.has_numbers(target.relation) and 0 not in then:
        added = [column.name for column in columns if column.number not in then and column.generated is None]
        younger = await stored_before(connection, target.relation, added)
    fitted = fit_columns(manifest, columns, target.relation, by_number=origin.has_numbers(target.relation))
    return RestorePlan(
        archive=UUID(manifest.job_id),
        chunk=chunk,
        rows=manifest.rows,
        columns=fitted,
        target=target,
        identity=identity,
        existing=columns,
        stored_before=younger,
        is_in_place=wish.into is None,
        origin=manifest.hypertable_table,
        copy=copy,
        beside=wish.beside,
        fire_triggers=wish.fire_triggers,
    )


async def _check_names(connection: Connection, manifest: Manifest, table: Relation, columns: Sequence[Column]) -> None:
    """Raise `PermanentError` (`columns-differ`) where names alone tell which column is which, and may tell it wrongly."""
    if is_same_server(await catalog.database_identity(connection), manifest):
        return
    then, now = [column.name for column in manifest.columns], [column.name for column in columns]
    if not are_told_apart(then, now):
        raise PermanentError(
            f"the archive was made in another database, where columns have other numbers, and the columns of {table} are not"
            f" those of the archive in their order: {', '.join(now)}; they were {', '.join(then)}. A name may be another"
            " column's by now: restore into a table of its own, and copy the rows from there",
            code="columns-differ",
        )


async def _note_of(connection: Connection, manifest: Manifest) -> Copy | None:
    """How a copy of the archive is noted in the source; `None` where the role may write no marks."""
    if not await copies.ensure(connection):
        _LOG.warning(
            "the copy of %s is not noted, because the service's role may not write to schema %s of the source: if it is made"
            " part of its table, restore the archive in place as well",
            manifest.lake_path,
            mark_schema.SCHEMA,
        )
        return None
    here = await catalog.database_identity(connection)
    hypertable = manifest.hypertable_table if is_same_server(here, manifest) else None
    return Copy(UUID(manifest.job_id), manifest.lake_path, hypertable, here.system_identifier)
