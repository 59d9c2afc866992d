"""Whether the rows of an archive are in the database, although the table of the archive is missing."""

from __future__ import annotations

from enum import StrEnum

from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import PermanentError
from archival_core.flows.jobs.giving_way import giving_way
from archival_core.flows.removal.trial import TrialRestore, staged
from archival_core.flows.restore.chunk_restore import archived_chunk
from archival_core.model.chunks.chunk import Relation
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.restore import trial
from archival_core.source.session import READ_SETTINGS, pin_statement


class RowsFound(StrEnum):
    """How many of an archive's rows are in the database."""

    ALL_THERE = "all there"
    SOME_THERE = "some there"
    NONE_THERE = "none there"


class RowsElsewhere:
    """Looks for rows of archives in their hypertables."""

    def __init__(self, source: Database, trial_restore: TrialRestore) -> None:
        self._source, self._trial = source, trial_restore

    async def look(self, connection: Connection, manifest: Manifest) -> RowsFound:
        """Bring slices of the archive back in trial, and look for their rows in the hypertable.

        Raises `PermanentError` where the hypertable has other columns now, so that nobody can tell, and `GaveWayError`.
        """
        async with giving_way(self._source, connection, Relation.parse(manifest.hypertable)):
            return await self._look(connection, manifest)

    async def _look(self, connection: Connection, manifest: Manifest) -> RowsFound:
        chunk = archived_chunk(manifest)
        try:
            await catalog.columns(connection, chunk.hypertable)
        except PermanentError as error:
            if error.code != "unknown-hypertable":
                raise
            return RowsFound.NONE_THERE
        async with connection.transaction():
            await connection.execute(pin_statement(READ_SETTINGS).encode())
            if not manifest.rows or not await trial.has_rows(connection, chunk):
                return RowsFound.NONE_THERE
        async with staged(connection) as staging:
            loaded = await self._trial.load(connection, chunk, manifest, staging)
            async with connection.transaction():
                await connection.execute(pin_statement(READ_SETTINGS).encode())
                found, missing = await trial.missing_from(connection, chunk, staging, loaded.columns)
        if missing == 0:
            return RowsFound.ALL_THERE
        return RowsFound.NONE_THERE if missing == found else RowsFound.SOME_THERE
