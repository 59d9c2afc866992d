"""The trial restore: before a chunk goes, rows of its archive come back by the code of the restore.

Reading a file back proves the copy, and does not prove the reading: a value that the SELECT changed is equal to itself. So
the rows go into a staging table beside the chunk, and PostgreSQL compares the staging table with the chunk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

from archival_core import telemetry
from archival_core.clients.postgres.database import Connection, Database
from archival_core.codec.slices import SLICE_ROWS
from archival_core.errors import PermanentError
from archival_core.flows.archive.marking import Marking
from archival_core.flows.restore.archive_loader import ArchiveLoader
from archival_core.flows.restore.slice_loader import SliceLoader
from archival_core.lake.client import LakehouseClient
from archival_core.model.chunks.chunk import Chunk
from archival_core.model.chunks.grounds import Grounds
from archival_core.model.chunks.time_slice import TimeSlice
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.at_once import at_once
from archival_core.source.restore.columns.fitting import COMPUTED, FittedColumn, fit_columns
from archival_core.source.restore.loading.staging import StagingTable, drop_staging, ensure_schema
from archival_core.source.restore.proof.trial import EVERY_ROW, check_same, condition, missing_from_staged
from archival_core.source.session import READ_SETTINGS, pin_statement, piped
from archival_core.source.state.look import look
from archival_core.source.state.origin import origin_of
from archival_core.source.state.snapshot import parts
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from archival_core.source.state.tables import identity_of

#: A chunk of so few rows comes back whole, since slices would have as many rows.
_FEW_ROWS: Final = 8 * SLICE_ROWS
#: Forms of a time column whose values PostgreSQL orders as the files do.
_ORDERED: Final = ("int16", "int32", "int64", "date32[day]", "timestamp[us]", "timestamp[us, tz=UTC]")
#: Forms of a time column whose bounds a manifest has as Parquet stores them.
_RAW_BOUNDS: Final = ("int16", "int32", "int64", "timestamp[us]", "timestamp[us, tz=UTC]")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came back into a staging table."""

    columns: tuple[FittedColumn, ...]
    #: the slices that were loaded; empty if the whole archive was
    slices: list[TimeSlice]


class TrialRestore:
    """Restores archives of one lake in trial, beside their chunks."""

    def __init__(self, source: Database, lake: LakehouseClient, marking: Marking) -> None:
        self._source, self._lake, self._marking = source, lake, marking

    async def some(self, connection: Connection, chunk: Chunk, manifest: Manifest) -> None:
        """Compare slices of the archive with the chunk: the first, the last, and some by chance.

        Raises `PermanentError` (`not-restorable`) where rows do not come back as they are in the chunk.
        """
        async with staged(connection) as staging:
            loaded = await self.load(connection, chunk, manifest, staging)
            where = condition(chunk, loaded.slices)
            with telemetry.step("removal.prove") as span:
                async with piped(connection, **READ_SETTINGS):
                    span.count(rows=await check_same(connection, chunk, staging, loaded.columns, where))

    async def load(
        self, connection: Connection, chunk: Chunk, manifest: Manifest, staging: StagingTable, *, whole: bool = False
    ) -> Loaded:
        """Slices of an archive into `staging`, or the whole archive if it is small, has no order of time, or `whole` says so.

        `chunk` is the archive's. Raises `PermanentError` (`not-restorable`).
        """
        columns = await _fitted(connection, chunk, manifest)
        loader = (self._lake, self._source.url_now, staging, manifest, columns)
        with _not_restorable(chunk):
            if not whole and manifest.rows > _FEW_ROWS and _has_order(manifest):
                return Loaded(columns, await SliceLoader(*loader).load())
            await ArchiveLoader(*loader).load()
        return Loaded(columns, [])

    async def shares_rows(
        self, connection: Connection, chunk: Chunk, manifest: Manifest, other: Manifest, *, whole: bool
    ) -> bool:
        """Whether a row of one archive is in another archive too, as far as slices of the first tell, or all of it.

        `chunk` is that of the first. Rows are compared as the hypertable has its columns now. Raises `PermanentError`
        (`not-restorable`, `columns-differ`) where nobody can tell.
        """
        async with staged(connection) as staging, staged(connection) as beside:
            loaded = await self.load(connection, chunk, manifest, staging, whole=whole)
            columns = await _fitted(connection, chunk, other)
            loader = (self._lake, self._source.url_now, beside, other, columns)
            with _not_restorable(chunk):
                if given := _common_slices(manifest, other, loaded.slices):
                    await SliceLoader(*loader, given=given).load()
                else:
                    await ArchiveLoader(*loader).load()
            async with connection.transaction():
                await connection.execute(pin_statement(READ_SETTINGS))
                # what PostgreSQL computes may have followed another expression when the other one was archived
                told = [column for column in loaded.columns if column.target.generated not in COMPUTED]
                found, missing = await missing_from_staged(connection, staging, told, beside, columns)
        return missing < found

    async def all(self, connection: Connection, job: Job, chunk: Chunk, manifest: Manifest) -> Grounds:
        """Compare the whole archive with the chunk, in a new snapshot; returns the grounds of that snapshot.

        Guard COMPARE: where no mark proves the history of the archive's own reading, this comparison takes its place. Raises
        `PermanentError` (`not-restorable`).
        """
        async with staged(connection) as staging:
            columns = await _fitted(connection, chunk, manifest)
            with _not_restorable(chunk):
                await ArchiveLoader(self._lake, self._source.url_now, staging, manifest, columns).load()
            # after the load: what a snapshot does not see, it cannot compare
            async with ReadSnapshot(connection, chunk) as snapshot:
                with telemetry.step("removal.prove") as span:
                    storage = await parts.storage(connection, chunk)
                    grounds = (await look(connection, snapshot, chunk, storage.files)).grounds
                    span.count(rows=await check_same(connection, chunk, staging, columns, EVERY_ROW))
                    grounds = grounds.model_copy(update={"hypertable": await identity_of(connection, chunk.hypertable)})
                return await self._marking.mark(job, snapshot, grounds)


@asynccontextmanager
async def staged(connection: Connection) -> AsyncIterator[StagingTable]:
    """A staging table of the trial's own, which is dropped at the end."""
    await ensure_schema(connection)
    staging = StagingTable.of_trial()
    try:
        yield staging
    finally:
        if not connection.closed:
            await drop_staging(connection, [staging])


async def _fitted(connection: Connection, chunk: Chunk, manifest: Manifest) -> tuple[FittedColumn, ...]:
    async with piped(connection):
        columns, origin = await at_once(
            connection, catalog.columns(connection, chunk.hypertable), origin_of(connection, manifest)
        )
    return fit_columns(manifest, columns, chunk.hypertable, by_number=origin.has_numbers(chunk.hypertable))


def _common_slices(manifest: Manifest, other: Manifest, slices: Sequence[TimeSlice]) -> tuple[TimeSlice, ...]:
    """The slices of another archive in which rows of `slices` would be, or of the whole archive; empty if times do not tell."""
    times = [next(c for c in m.columns if c.name == m.time_column) for m in (manifest, other)]
    if not (_has_order(manifest) and _has_order(other)) or times[0].arrow_type != times[1].arrow_type:
        return ()
    if slices:
        return tuple(slices)
    if times[0].arrow_type not in _RAW_BOUNDS:
        return ()
    lows, highs = [part.min_time for part in manifest.parts], [part.max_time for part in manifest.parts]
    if any(bound is None for bound in (*lows, *highs)):
        return ()
    return tuple(TimeSlice(low, high) for low, high in zip(lows, highs, strict=True))  # type: ignore[arg-type]


def _has_order(manifest: Manifest) -> bool:
    """Whether slices of the time column are the same rows in the archive and in the database."""
    if manifest.stored_time_column in manifest.corrected:
        return False
    [form] = [column.arrow_type for column in manifest.columns if column.name == manifest.time_column]
    return form in _ORDERED or manifest.time_type == "uuid"


@contextmanager
def _not_restorable(chunk: Chunk) -> Iterator[None]:
    """The refusal of the removal, for an error that the restore refuses for good."""
    try:
        yield
    except PermanentError as error:
        if error.code in ("source-permission-denied", "not-restorable"):
            raise
        raise PermanentError(
            f"{chunk.relation} is not removed, because its archive does not come back: {error}", code="not-restorable"
        ) from error
