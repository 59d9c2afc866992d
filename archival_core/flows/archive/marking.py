"""A session beside the one that holds a snapshot leaves the snapshot's mark in the source."""

from __future__ import annotations

import logging

from archival_core.model.chunks.grounds import Grounds
from archival_core.model.jobs.job import Job
from archival_core.source.beside import Beside
from archival_core.source.state.marks import mark_schema, readings
from archival_core.source.state.snapshot.snapshot import ReadSnapshot

_LOG = logging.getLogger(__name__)


class Marking:
    """Leaves marks in one source database."""

    def __init__(self, beside: Beside) -> None:
        self._beside = beside
        self._told = False

    async def mark(self, job: Job, snapshot: ReadSnapshot, grounds: Grounds) -> Grounds:
        """`grounds` with the nonce of the snapshot's mark; `grounds` as they are where the service's role may not write
        marks.

        Raises `TransientError` (`history-changed`) if the session of the snapshot is not on the server that the mark would
        be on.
        """
        async with self._beside.connect() as connection:
            may_write = await mark_schema.ensure(connection)
            if may_write and await readings.mark_reading(connection, job.job_id, snapshot.nonce, grounds.snapshot):
                return grounds.model_copy(update={"nonce": snapshot.nonce})
        if not self._told:
            self._told = True
            _LOG.warning(
                "the service's role may not write to schema %s of the source: archives have no marks,"
                " and all rows of each are compared before its chunk is removed",
                mark_schema.SCHEMA,
            )
        return grounds
