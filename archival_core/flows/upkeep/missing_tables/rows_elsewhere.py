"""Whether the rows of an archive are in the database, although the table of the archive is missing."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import PermanentError, TransientError
from archival_core.flows.jobs.watches.giving_way import giving_way
from archival_core.flows.removal.trial import TrialRestore, staged
from archival_core.model.chunks.chunk import Chunk, Column
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.catalog.partitioning.bounds import INTEGER_TIMES
from archival_core.source.restore.columns.fitting import COMPUTED
from archival_core.source.restore.proof import trial
from archival_core.source.session import READ_SETTINGS, pin_statement
from archival_core.source.state.origin import Origin, origin_of


class RowsFound(StrEnum):
    """How many of an archive's rows are in the database."""

    ALL_THERE = "all"
    #: more than half
    MOST_THERE = "most"
    SOME_THERE = "some"
    NONE_THERE = "none"


class RowsElsewhere:
    """Looks for rows of archives in their hypertables."""

    def __init__(self, source: Database, trial_restore: TrialRestore) -> None:
        self._source, self._trial = source, trial_restore

    async def look(self, connection: Connection, manifest: Manifest, *, surely: bool = False) -> RowsFound:
        """Bring slices of the archive back in trial, and look for their rows in the hypertable, whatever it is called now.

        What slices say is a guess, unless they have found some rows and missed others. With `surely` it is none: the whole
        archive comes back where slices leave a doubt.

        Raises `PermanentError` where the hypertable has other columns now, so that nobody can tell, and `GaveWayError`.
        """
        origin = await origin_of(connection, manifest)
        async with giving_way(self._source, connection, origin.table):
            found, is_sure = await self._look(connection, manifest, origin, whole=False)
            if surely and not is_sure:
                found, _ = await self._look(connection, manifest, origin, whole=True)
            return found

    async def _look(self, connection: Connection, manifest: Manifest, origin: Origin, *, whole: bool) -> tuple[RowsFound, bool]:
        """How many rows are there, and whether that is no guess."""
        try:
            columns = await catalog.columns(connection, origin.table)
        except PermanentError as error:
            # a table that was renamed meanwhile is there all the same
            if origin.is_known:
                raise
            if error.code != "unknown-hypertable":
                raise
            return RowsFound.NONE_THERE, True
        chunk = origin.chunk(manifest, origin.table, columns)
        _check_time_column(manifest, chunk, columns)
        async with connection.transaction():
            await connection.execute(pin_statement(READ_SETTINGS))
            if not manifest.rows or not await trial.has_rows(connection, chunk):
                await _check_again(connection, manifest, origin, columns)
                return RowsFound.NONE_THERE, True
        async with staged(connection) as staging:
            loaded = await self._trial.load(connection, chunk, manifest, staging, whole=whole)
            async with connection.transaction():
                await connection.execute(pin_statement(READ_SETTINGS))
                # what PostgreSQL computes may follow another expression by now, in the same rows
                told = [column for column in loaded.columns if column.target.generated not in COMPUTED]
                found, missing = await trial.missing_from(connection, chunk, staging, told)
                await _check_again(connection, manifest, origin, columns)
        is_whole = not loaded.slices
        if missing == 0:
            return RowsFound.ALL_THERE, is_whole
        if missing == found:
            return RowsFound.NONE_THERE, is_whole
        return (RowsFound.MOST_THERE, is_whole) if 2 * missing < found else (RowsFound.SOME_THERE, True)


def _check_time_column(manifest: Manifest, chunk: Chunk, columns: Sequence[Column]) -> None:
    """Raise `PermanentError` (`columns-differ`) if the chunk's range is not told by the time column any more.

    In another type times may have moved, so that an empty range says nothing.
    """
    then = next((column.postgresql_type for column in manifest.columns if column.name == manifest.time_column), None)
    now = next((column.type_name for column in columns if column.name == chunk.time_column), None)
    if now != then and not (now in INTEGER_TIMES and then in INTEGER_TIMES):
        raise PermanentError(
            f"the time column of {chunk.hypertable} was {manifest.time_column!r}, {then}, and is now"
            f" {'gone' if now is None else f'{chunk.time_column!r}, {now}'}: nobody can tell what is in the archive's range",
            code="columns-differ",
        )


async def _check_again(connection: Connection, manifest: Manifest, origin: Origin, columns: Sequence[Column]) -> None:
    """Raise `TransientError` (`source-changed`) unless the table that was read, and is locked now, is that which was meant.

    Between the look at the catalog and the reading the table's name may have become that of another table.
    """
    now = await origin_of(connection, manifest)
    if now != origin or await catalog.columns(connection, now.table) != tuple(columns):
        raise TransientError(f"{origin.table} was altered while it was looked at", code="source-changed")
